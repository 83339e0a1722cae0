"""How a process waits for a server that is away, and what it reports meanwhile.

A server that is away, full, read-only or recovering is not a failure of the process that needs it: whoever meets it waits,
for as long as it lasts, with a pause that grows to a cap. The process reports once that it waits, for what and why, and
once that it goes on; until then it is not ready (`Readiness`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
REPORT_AGAIN_SECONDS: Final = 300.0
"""An outage that lasts is logged again after this time: the line of its beginning may have been rotated away."""
MAX_REASON: Final = 500
"""Characters of a reason: an error may repeat a whole statement."""


class Readiness:
    """What keeps this process from its work: the reason of each obstacle, by its name. Ready while there is none.

    `on_change` is called after each change, in the event loop; it must not block for long.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self.obstacles: dict[str, str] = {}

    @property
    def is_ready(self) -> bool:
        """Whether nothing keeps the process from its work."""
        return not self.obstacles

    def blocked(self, obstacle: str, reason: str) -> None:
        """Note an obstacle, or a new reason of a known one."""
        if self.obstacles.get(obstacle) != reason:
            self.obstacles[obstacle] = reason
            self.on_change()

    def cleared(self, obstacle: str) -> None:
        """Remove an obstacle; harmless where there is none."""
        if self.obstacles.pop(obstacle, None) is not None:
            self.on_change()


class Outage:
    """One server's absences as one user of it meets them. Share one among all users of a server that fail together.

    `server` names the server for people, as in "PostgreSQL"; `user` distinguishes those who do not share one.
    """

    def __init__(self, server: str, readiness: Readiness | None = None, user: str = "") -> None:
        self._server = server
        self._obstacle = f"{server} ({user})" if user else server
        self._readiness = readiness if readiness is not None else Readiness()
        self._began_at: float | None = None
        self._reported_at = 0.0
        self._kinds: set[str] = set()
        self._failing: dict[str, int] = {}

    @property
    def lasts(self) -> bool:
        """Whether somebody waits for the server now."""
        return self._began_at is not None

    async def wait(self, error: BaseException, purpose: str = "") -> None:
        """Note a failed attempt and pause before the next one; `purpose` names what was attempted."""
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
        reason = reason_of(error)
        kind = type(error).__name__ + getattr(error, "sqlstate", "")
        if kind not in self._kinds or now - self._reported_at >= REPORT_AGAIN_SECONDS:
            self._kinds.add(kind)
            self._reported_at = now
            log.warning(
                "server_unavailable",
                server=self._server,
                purpose=purpose or None,
                error=reason,
                seconds=round(now - self._began_at, 1),
            )
        attempts = self._failing[purpose] = self._failing.get(purpose, 0) + 1
        self._readiness.blocked(self._obstacle, f"{self._server} is unavailable: {reason}")
        await asyncio.sleep(pause_seconds(attempts))

    def ended(self, purpose: str = "") -> None:
        """Note a success; the outage is over once every purpose that failed has succeeded."""
        if self._began_at is None:
            return
        self._failing.pop(purpose, None)
        if self._failing:
            return
        log.info("server_available", server=self._server, seconds=round(time.monotonic() - self._began_at, 1))
        self._forget()

    def abandoned(self, *purposes: str) -> None:
        """Note that nobody tries any more: whoever stops while he waits keeps no one else from being ready."""
        for purpose in purposes:
            self._failing.pop(purpose, None)
        if self._began_at is not None and not self._failing:
            self._forget()

    def _forget(self) -> None:
        self._began_at = None
        self._kinds.clear()
        self._readiness.cleared(self._obstacle)


def pause_seconds(attempts: int) -> float:
    """Return how long to wait after so many failed attempts in a row, the first being 1."""
    return float(min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 32), LONGEST_PAUSE_SECONDS))


def reason_of(error: BaseException) -> str:
    """Return an error as one short line: its name and its message."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text.removesuffix(":")[:MAX_REASON]
