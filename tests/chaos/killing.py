"""Kills processes of a system, each at moments of its own, drawn from a seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import TYPE_CHECKING, Final

from infra.base.readiness import folder_of, read_readiness
from tests.harness.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.local.supervisor import Supervisor


READY_SECONDS: Final = 200.0
"""How long a process is spared at most; shorter than the patience of people."""


class Killer:
    """Ends the named processes by SIGKILL, again and again, and starts each again at once. `kills` counts them.

    With `progress`, a count of what gets on, each process is killed again only after it was ready for its pause and something
    got on since: on a machine so busy that a start takes longer than a pause nothing ever would.
    """

    def __init__(
        self,
        system: Supervisor,
        names: Sequence[str],
        seed: int,
        pause_seconds: tuple[float, float],
        *,
        progress: Callable[[], int] | None = None,
    ) -> None:
        self.kills: Counter[str] = Counter()
        self._system = system
        self._names = names
        self._seed = seed
        self._pause_seconds = pause_seconds
        self._progress = progress
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Kill until `stop`; whatever was killed runs again on return."""
        async with asyncio.TaskGroup() as group:
            for name in self._names:
                group.create_task(self._kill_again_and_again(name))

    def stop(self) -> None:
        """Kill no more."""
        self._over.set()

    async def _kill_again_and_again(self, name: str) -> None:
        draw = random.Random(f"{self._seed} {name}")
        while not await self._is_over(draw.uniform(*self._pause_seconds)):
            if self._progress is not None:
                before = self._progress()
                await self._until(lambda before=before: self._progressed(before))  # type: ignore[misc]
                if self._over.is_set():
                    return
            await self._system.kill(name)
            self.kills[name] += 1
            await self._system.start(name)
            if self._progress is not None:
                await self._until(lambda: self._is_ready(name))

    async def _until(self, condition: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):  # it is killed all the same
            await until(lambda: self._over.is_set() or condition(), seconds=READY_SECONDS, poll_seconds=0.2)

    def _progressed(self, before: int) -> bool:
        return self._progress is not None and self._progress() > before

    def _is_ready(self, name: str) -> bool:
        shown = read_readiness(folder_of(self._system.settings))
        return any(each.pid == self._system.pid(name) and each.ready for each in shown)

    async def _is_over(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True
