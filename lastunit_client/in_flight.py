"""A bound on what waits for its acknowledgement: whoever wants more waits, in the order of asking."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class InFlight:
    """At most `most` records at once; a single caller may have more, alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def hold(self, records: int) -> AsyncIterator[None]:
        """Hold places for so many records for the length of the block."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((records, place))
        self._admit()
        try:
            await place
            yield
        finally:
            if place.done() and not place.cancelled():
                self._held -= records
            self._admit()

    def _admit(self) -> None:
        while self._waiting:
            records, place = self._waiting[0]
            if not place.cancelled():
                if self._held and self._held + records > self._most:
                    return
                self._held += records
                place.set_result(None)
            self._waiting.popleft()
