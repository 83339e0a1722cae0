"""Owners that read different logs in one process: they start together and end together.

Decision: docs/decisions, 037.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.owner import PartitionOwner


class SideBySide:
    """Runs owners of which none waits for another. Where one fails, all end: whoever starts the process starts them all."""

    def __init__(self, owners: Sequence[PartitionOwner]) -> None:
        self._owners = owners

    def stop(self) -> None:
        """Ask each for a graceful end."""
        for owner in self._owners:
            owner.stop()

    async def run(self) -> None:
        """Own partitions until `stop()`. Raises what the first of them raises that fails."""
        running = [asyncio.ensure_future(owner.run()) for owner in self._owners]  # noqa: TID251  awaited below
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
            for each in running:
                if each.done():
                    await each
        finally:
            for each in running:
                each.cancel()
            await asyncio.wait(running)
