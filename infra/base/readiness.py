"""Shows outside of a process whether it is ready: one small file each, for probes and for people.

The file is written anew at each change, and every few seconds which distinguishes a process that hangs from one that is well:
its `written_at_ms` grows old. A process that ended as it should leaves none; one that was killed leaves one with a dead pid.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final

import msgspec
import psutil
import structlog

from producers.outage import Readiness

if TYPE_CHECKING:
    from pathlib import Path

    from infra.base.settings import Settings

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 5.0
STALE_SECONDS: Final = 3 * HEARTBEAT_SECONDS


class ProcessReadiness(msgspec.Struct, frozen=True):
    """What a process shows of itself; times are ms since the epoch, UTC. `obstacles` are reasons by their names."""

    process: str
    pid: int
    ready: bool
    obstacles: dict[str, str]
    since_ms: int
    written_at_ms: int
    metrics: str = ""
    """Where it serves its metrics, as host:port; empty where it does not."""

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and its event loop has moved of late."""
        return psutil.pid_exists(self.pid) and time.time() * 1000 - self.written_at_ms < STALE_SECONDS * 1000


def folder_of(settings: Settings) -> Path:
    """Return where the processes with these settings show whether they are ready."""
    return settings.readiness_dir or settings.state_dir / "readiness"


def read_readiness(folder: Path) -> list[ProcessReadiness]:
    """Return what each process shows, by name and pid; leave out what ended without removing its file."""
    processes = []
    for path in sorted(folder.glob("*.json")):
        try:
            shown = msgspec.json.decode(path.read_bytes(), type=ProcessReadiness)
        except (OSError, msgspec.MsgspecError):
            continue  # removed, or written by another release
        if psutil.pid_exists(shown.pid):
            processes.append(shown)
    return processes


class ReadinessFile:
    """Keeps one process's file in step with its `readiness`. A folder that cannot be written is logged once."""

    def __init__(self, settings: Settings, process: str) -> None:
        self._path = folder_of(settings) / f"{process}.{os.getpid()}.json"
        self._process = process
        self._since_ms = _now_ms()
        self._is_ready: bool | None = None
        self._is_writable = True
        self._metrics = ""
        self.readiness = Readiness(self.write)

    def write(self) -> None:
        """Write the file as things stand."""
        readiness = self.readiness
        if readiness.is_ready is not self._is_ready:
            self._is_ready, self._since_ms = readiness.is_ready, _now_ms()
        shown = ProcessReadiness(
            self._process,
            os.getpid(),
            self._is_ready,
            dict(readiness.obstacles),
            self._since_ms,
            _now_ms(),
            self._metrics,
        )
        scratch = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(msgspec.json.encode(shown))
            scratch.replace(self._path)
        except OSError as error:
            if self._is_writable:
                log.warning("readiness_not_written", path=str(self._path), error=str(error))
            self._is_writable = False

    def serves_metrics(self, address: str) -> None:
        """Show where the process serves its metrics, as host:port."""
        self._metrics = address
        self.write()

    async def keep(self) -> None:
        """Write it every few seconds, until cancelled; then remove it."""
        try:
            while True:
                self.write()
                await asyncio.sleep(HEARTBEAT_SECONDS)
        finally:
            self._path.unlink(missing_ok=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
