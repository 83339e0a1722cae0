"""How long a room pauses before it fetches again: shortly where a core is idle, the longer the less one is.

A batch costs a room about 4 ms of CPU however small it is, and the broker, PostgreSQL and whoever follows the room as much
again. On a full machine rooms that take two or three orders at a time do a third of what they could, and an order is slower,
for it waits for a core at every step. But an order takes ten steps, and waits for a pause in each: so while a core is idle the pause
is short. It counts from the last answer, which is decided meanwhile. The less a room has to do, the less it pauses.

Busy is who does not wait for records, be it that he decides or commits, or that his process waits for a core: a share of
the CPU would fall just when the machine is full. Whether it is full the kernel knows: how long our thread could run and did not.

Decisions: docs/decisions, 003, 035, 041.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consumers.runtime.kafka.fetch_connection import LET_BE_MS, Pause, pace_fetches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE_SHARE: Final = 0.05
"""Of the time: a room that is busy for less pauses the less, and lets the broker wait for long."""
REST_SECONDS: Final = 5.0
"""How long a room with little to do waits, and the broker with its answer, while nothing comes. Both wake up for a record.

Nothing waits behind that answer, and a fetch that leaves out what is to be read is called off (fetch_connection.py).
"""
USUAL_SECONDS: Final = 0.01
MOST_SECONDS: Final = 0.1
SECONDS_A_SHARE: Final = 0.15
"""Of pause, for a thread that always waits for a core: the most is reached where it does so for two thirds of the time."""
WINDOW_SECONDS: Final = 0.25
SCHEDSTAT: Final = Path("/proc/self/schedstat")


class Wait(NamedTuple):
    """What to ask of the broker: an answer after `most_ms`, or as soon as there are `least_bytes`."""

    most_ms: int
    least_bytes: int


AT_REST: Final = Wait(round(REST_SECONDS * 1000), 1)
BUSY: Final = Wait(LET_BE_MS, 1)


def pause_for(busy: float, delayed: float, enough_bytes: int) -> Pause:
    """Return what suits a room that is busy, and whose thread waits for a core, for these shares of the time. Pure.

    It grows steadily from nothing: a room that paused or not as it was busy or not would be busy because it did not pause, and idle
    because it did.
    """
    usual = USUAL_SECONDS * min(1.0, busy / IDLE_SHARE)
    return Pause(min(max(usual, delayed * SECONDS_A_SHARE), MOST_SECONDS), enough_bytes)


def run_delay_seconds() -> float:
    """Return for how long the main thread could run and had no core, so far; 0 where the kernel does not say (sched-stats.rst)."""
    try:
        return int(SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def ask_for(consumer: Any, wait: Wait) -> None:
    """Have an AIOKafkaConsumer that has started ask for this from its next request on."""
    fetcher = consumer._fetcher  # noqa: SLF001  it has no public way to change them
    fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = wait  # noqa: SLF001


class FetchPacing:
    """Watches how busy a room is, and its machine. `enough_bytes` are worth a batch at once.

    `clock` is in seconds and never steps back, nor does `run_delay`, in seconds.
    """

    def __init__(
        self,
        enough_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        run_delay: Callable[[], float] = run_delay_seconds,
    ) -> None:
        self.pause, self._wait = Pause(), AT_REST
        self._enough_bytes = enough_bytes
        self._clock, self._run_delay = clock, run_delay
        self._since, self._delayed_before = clock(), run_delay()
        self._waited = 0.0

    @contextmanager
    def reading(self, consumer: Any) -> Iterator[None]:
        """Read from an AIOKafkaConsumer that has started and fetches on a connection of its own, which pauses as we do."""
        began = self._clock()
        if (passed := began - self._since) >= WINDOW_SECONDS:
            delayed = self._run_delay()
            busy = 1 - self._waited / passed
            self.pause = pause_for(busy, (delayed - self._delayed_before) / passed, self._enough_bytes)
            self._wait = AT_REST if busy < IDLE_SHARE else BUSY
            self._since, self._waited, self._delayed_before = began, 0.0, delayed
        ask_for(consumer, self._wait)
        pace_fetches(consumer, self.pause)
        yield
        self._waited += self._clock() - began
