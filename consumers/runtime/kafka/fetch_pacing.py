"""How long the broker gathers records for a room before it answers: the longer, the busier the room is.

A batch costs a room about 4 ms of CPU however small it is, and the broker, PostgreSQL and whoever follows the room as much
again. Rooms that take two or three orders at a time fill two cores at a third of what they could do, and an order is slower,
for it waits for a core at every step. A room that has little to do answers at once.

Busy is who does not wait for records, be it that he decides or commits, or that his process waits for a core: a share of
the CPU would fall just when the machine is full.

Decisions: docs/decisions, 003, 035.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE_SHARE: Final = 0.1
"""Of the time: a room that is busy for less takes what is there."""
REST_SECONDS: Final = 5.0
"""How long a room with little to do waits, and the broker with its answer, while nothing comes. Both wake up for a record.

Nothing waits behind that answer, and a fetch that leaves out what is to be read is called off (fetch_connection.py).
"""
LEAST_MS: Final = 25
"""The least of a busy room: what is asked of the broker while the room decides leaves out what it decides, which lies there
for as long."""
MOST_MS: Final = 100
MS_A_SHARE: Final = 200.0
"""Milliseconds of waiting for a room that is always busy: the most is reached where it is so for half of the time."""
WINDOW_SECONDS: Final = 0.25


class Wait(NamedTuple):
    """What to ask of the broker: an answer after `most_ms`, or as soon as there are `least_bytes`."""

    most_ms: int
    least_bytes: int


AT_REST: Final = Wait(round(REST_SECONDS * 1000), 1)


def wait_for(share: float, fetch_min_bytes: int) -> Wait:
    """Return what suits a room that is busy for this share of the time. Pure."""
    if share < IDLE_SHARE:
        return AT_REST
    return Wait(round(min(max(LEAST_MS, share * MS_A_SHARE), MOST_MS)), fetch_min_bytes)


def ask_for(consumer: Any, wait: Wait) -> None:
    """Have an AIOKafkaConsumer that has started ask for this from its next request on."""
    fetcher = consumer._fetcher  # noqa: SLF001  it has no public way to change them
    fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = wait  # noqa: SLF001


class FetchPacing:
    """Watches how busy a room is. `clock` is in seconds and never steps back."""

    def __init__(self, fetch_min_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.wait = wait_for(0.0, fetch_min_bytes)
        self._fetch_min_bytes = fetch_min_bytes
        self._clock = clock
        self._since = clock()
        self._waited = 0.0

    @contextmanager
    def reading(self, consumer: Any) -> Iterator[None]:
        """Read from an AIOKafkaConsumer that has started, which asks for our `wait` from its next request on."""
        began = self._clock()
        if (passed := began - self._since) >= WINDOW_SECONDS:
            self.wait = wait_for(1 - self._waited / passed, self._fetch_min_bytes)
            self._since, self._waited = began, 0.0
        ask_for(consumer, self.wait)
        yield
        self._waited += self._clock() - began
