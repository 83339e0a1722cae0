"""Ends a process that has work but does not get on with it: silent stalls exist, and a restart heals them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.errors import StuckError

if TYPE_CHECKING:
    from collections.abc import Callable


class Watchdog:
    """Calls `on_stuck` when `progress()` has not changed for `seconds` although `lag()` is above zero."""

    def __init__(
        self,
        name: str,
        seconds: float,
        *,
        lag: Callable[[], int],
        progress: Callable[[], int],
        on_stuck: Callable[[Exception], None],
    ) -> None:
        self._name = name
        self._seconds = seconds
        self._lag = lag
        self._progress = progress
        self._on_stuck = on_stuck

    async def watch(self) -> None:
        """Look several times in each period, for as long as the task lives."""
        loop = asyncio.get_running_loop()
        seen, since = self._progress(), loop.time()
        while True:
            await asyncio.sleep(self._seconds / 10)
            now = self._progress()
            if now != seen or self._lag() == 0:
                seen, since = now, loop.time()
            elif loop.time() - since >= self._seconds:
                self._on_stuck(StuckError(self._name, self._seconds))
                return
