"""How long the broker gathers records for a room before it answers: the longer, the busier the room's process is.

A batch costs a room about 4 ms of CPU however small it is, and the broker, PostgreSQL and whoever follows the room as much
again. Rooms that take two or three orders at a time fill two cores at a third of what they could do, and an order is slower,
for it waits for a core at every step. A room that has little to do answers at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SHARE: Final = 0.08
"""Of a core: a process that uses less takes what is there."""
LEAST_MS: Final = 25
"""aiokafka asks a broker once at a time, so this bounds how long the records of a partition just read may lie there."""
MOST_MS: Final = 100
MS_A_SHARE: Final = 500.0
"""Milliseconds of waiting for a whole core; with the least it makes 30 ms of a tenth, and the most of a quarter."""
WINDOW_SECONDS: Final = 0.25


class Wait(NamedTuple):
    """What to ask of the broker: an answer after `most_ms`, or as soon as there are `least_bytes`."""

    most_ms: int
    least_bytes: int


def wait_for(share: float, gather_bytes: int) -> Wait:
    """Return what suits a process that uses this share of a core. Pure."""
    if share < IDLE_SHARE:
        return Wait(LEAST_MS, 1)
    return Wait(round(min(max(LEAST_MS, share * MS_A_SHARE - LEAST_MS), MOST_MS)), gather_bytes)


class Gathering:
    """Watches how busy this process is. `cpu` and `clock` are in seconds and never step back."""

    def __init__(
        self,
        gather_bytes: int,
        cpu: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gather_bytes = gather_bytes
        self._cpu = cpu
        self._clock = clock
        self._since = (cpu(), clock())
        self._wait = wait_for(0.0, gather_bytes)

    def wait(self) -> Wait:
        """Return what to ask for now."""
        used, now = self._cpu(), self._clock()
        since_used, since = self._since
        if now - since >= WINDOW_SECONDS:
            self._wait = wait_for((used - since_used) / (now - since), self._gather_bytes)
            self._since = (used, now)
        return self._wait

    def tell(self, consumer: Any) -> None:
        """Have an AIOKafkaConsumer, which has started, ask for that from its next request on."""
        fetcher = consumer._fetcher  # noqa: SLF001  it has no public way to change them
        fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = self.wait()  # noqa: SLF001
