"""Kills processes of a system, each at moments of its own, drawn from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.supervisor import Supervisor


class Killer:
    """Ends the named processes by SIGKILL, again and again, and starts each again at once. `kills` counts them."""

    def __init__(self, system: Supervisor, names: Sequence[str], seed: int, pause_seconds: tuple[float, float]) -> None:
        self.kills: Counter[str] = Counter()
        self._system = system
        self._names = names
        self._seed = seed
        self._pause_seconds = pause_seconds
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

    async def _is_over(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True
