"""Kills processes of a system, each at moments of its own, drawn from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Final

from infra.base.readiness import folder_of, read_readiness
from tests.harness.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.supervisor import Supervisor


READY_SECONDS: Final = 300.0


class Killer:
    """Ends the named processes by SIGKILL, again and again, and starts each again at once. `kills` counts them.

    Where each `works_between`, its pause begins once it is ready: on a machine so busy that a start takes longer than a pause
    nothing would ever get on.
    """

    def __init__(
        self,
        system: Supervisor,
        names: Sequence[str],
        seed: int,
        pause_seconds: tuple[float, float],
        *,
        works_between: bool = False,
    ) -> None:
        self.kills: Counter[str] = Counter()
        self._system = system
        self._names = names
        self._seed = seed
        self._pause_seconds = pause_seconds
        self._works_between = works_between
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
            await self._system.kill(name)
            self.kills[name] += 1
            await self._system.start(name)
            if self._works_between:
                await until(
                    lambda: self._over.is_set() or self._is_ready(name), seconds=READY_SECONDS, poll_seconds=0.2
                )

    def _is_ready(self, name: str) -> bool:
        shown = read_readiness(folder_of(self._system.settings))
        return any(each.pid == self._system.pid(name) and each.ready for each in shown)

    async def _is_over(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True
