"""What Prometheus is to scrape here, as a list for its file_sd_configs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from infra.base.rooms import CONSOLE

if TYPE_CHECKING:
    from pathlib import Path

    from infra.base.settings import Settings

NAME: Final = "prometheus-targets.json"


def write_targets(settings: Settings) -> Path:
    """Write the list into the state directory and return its path; it is empty where no console runs."""
    target = {
        "targets": [f"{settings.console_host}:{settings.console_port}"],
        "labels": {"job": "lastunit", "process": CONSOLE},
    }
    path = settings.state_dir / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([target] if settings.console_port else [], indent=2) + "\n", encoding="utf-8")
    return path
