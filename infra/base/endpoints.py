"""Where the servers are, and how another process finds those of a running stack."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.base.private_files import write_private
from infra.base.settings import PREFIX, Settings, redacted
from infra.base.state_lock import holder_of

_STATE_NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of the three servers, and the id of the Kafka cluster that offsets belong to."""

    kafka_bootstrap: str
    postgres_dsn: str
    redis_url: str
    cluster_id: str

    def environment(self) -> dict[str, str]:
        """Return them as LASTUNIT_ variables."""
        return {PREFIX + name.upper(): value for name, value in asdict(self).items()}

    def applied_to(self, settings: Settings) -> Settings:
        """Return settings that name these servers."""
        return settings.model_copy(update=asdict(self))

    def __repr__(self) -> str:
        """Keep passwords out of logs and tracebacks."""
        return redacted(f"Endpoints(**{asdict(self)})")


def running_stack(settings: Settings) -> Endpoints | None:
    """Return the endpoints of the stack that runs in the settings' state directory, or None.

    A state file left behind by a killed process counts for nothing: the lock must be held.
    """
    if holder_of(settings.state_dir) is None:
        return None
    try:
        return Endpoints(**json.loads((settings.state_dir / _STATE_NAME).read_text())["endpoints"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # still starting


def publish(state_dir: Path, endpoints: Endpoints, pids: dict[str, int]) -> None:
    """Write the state file in one step, readable by its owner only: it has passwords in it."""
    text = json.dumps({"supervisor": os.getpid(), "endpoints": asdict(endpoints), "pids": pids}, indent=2)
    write_private(state_dir / _STATE_NAME, text + "\n")


def withdraw(state_dir: Path) -> None:
    """Remove the state file."""
    (state_dir / _STATE_NAME).unlink(missing_ok=True)
