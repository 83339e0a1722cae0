"""What Prometheus is to scrape here, as a list for its file_sd_configs: the console, and every process for its own work."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from infra.base.readiness import folder_of, read_readiness
from infra.base.rooms import CONSOLE

if TYPE_CHECKING:
    from pathlib import Path

    from infra.base.settings import Settings

NAME: Final = "prometheus-targets.json"
LOOK_SECONDS: Final = 2.0
"""How often it is looked whether processes came or went."""
JOB: Final = "lastunit"
SYSTEM: Final = "system"
"""The label `process` of what the console knows about the whole system."""


async def keep_targets(settings: Settings) -> None:
    """Keep the list in step with the processes that run here, until cancelled."""
    while True:
        write_targets(settings)
        await asyncio.sleep(LOOK_SECONDS)


def write_targets(settings: Settings) -> Path:
    """Write the list into the state directory, if it is another than before, and return its path.

    Processes of one name are told apart by the label `worker`, their process id.
    """
    path = settings.state_dir / NAME
    text = json.dumps(_targets(settings), indent=2) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    return path


def _targets(settings: Settings) -> list[dict[str, Any]]:
    system = f"{settings.console_host}:{settings.console_port}"
    targets = [_target(system, {"process": SYSTEM, "worker": CONSOLE})] if settings.console_port else []
    shown = [process for process in read_readiness(folder_of(settings)) if process.metrics]
    return [
        *targets,
        *(_target(process.metrics, {"process": process.process, "worker": str(process.pid)}) for process in shown),
    ]


def _target(address: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"targets": [address], "labels": {"job": JOB, **labels}}
