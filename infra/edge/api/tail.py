"""The end of order.events, as this process reads it: only while somebody listens, and only what is listened for is decoded.

Whoever wants to see what follows from a command listens first and publishes then, so nothing is missed. A listener who is
slower than the log is dropped: an event stream is resumed from where it was, by its Last-Event-ID.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from consumers.following.follower import Followed, Follower
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from producers.outage import Readiness

LINGER_SECONDS: Final = 30.0
"""How long the tail is read after the last listener has gone: who waited once often waits again, and a start takes time."""
PLACING_SECONDS: Final = 10.0
MAX_LISTENERS: Final = 1_000
MAX_WAITING: Final = 1_000
"""Events that wait for one listener to an order."""
MAX_WAITING_OF_ALL: Final = 20_000
"""The same for one to all orders, which may have to catch up first."""
MAX_LISTENERS_TO_ALL: Final = 50
EVERYTHING: Final = ""
"""What a listener to all orders listens for, in place of an order's id."""


class TooManyListenersError(Exception):
    """No more listeners are taken; ask again later, or another process."""


class TailUnavailableError(Exception):
    """Kafka does not answer, so nobody can listen now."""


class ListeningEndedError(Exception):
    """The listener was too slow, or the process ends; whoever resumes reads from where it was."""


class Listener:
    """Gets the events of one order, or of all, from when it began to listen: from `positions` on."""

    def __init__(self, max_waiting: int) -> None:
        self._events: list[Followed] = []
        self._max_waiting = max_waiting
        self._changed = asyncio.Event()
        self._is_closed = False
        self.positions: dict[int, int] = {}

    def put(self, event: Followed) -> None:
        """Hand over an event; too many that wait end the listening."""
        if len(self._events) >= self._max_waiting:
            self.close()
        else:
            self._events.append(event)
            self._changed.set()

    def close(self) -> None:
        """End the listening; what waits can still be had."""
        self._is_closed = True
        self._changed.set()

    async def next(self, timeout_s: float) -> list[Followed]:
        """Return the events that wait, or the next ones; none when the time is over.

        Raises ListeningEndedError once nothing more will come.
        """
        if not self._events and not self._is_closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
        if self._is_closed and not self._events:
            raise ListeningEndedError
        events, self._events = self._events, []
        self._changed.clear()
        return events


class OrderTail:
    """Reads the end of order.events for listeners."""

    def __init__(self, bootstrap: str, namespace: str, readiness: Readiness | None = None) -> None:
        self._bootstrap, self._namespace, self._readiness = bootstrap, namespace, readiness
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._count = 0
        self._follower: Follower | None = None
        self._reading: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def is_reading(self) -> bool:
        """Whether the tail is read."""
        return self._reading is not None

    @contextlib.asynccontextmanager
    async def listening(self, order_id: str = EVERYTHING) -> AsyncIterator[Listener]:
        """Listen for the length of the block; what is appended after its beginning is received.

        Raises TooManyListenersError, TailUnavailableError.
        """
        with self._registered(order_id) as listener:
            follower = self._started()
            try:
                async with asyncio.timeout(PLACING_SECONDS):
                    await follower.caught_up.wait()
            except TimeoutError as error:
                raise TailUnavailableError from error
            listener.positions = {partition: at for (_, partition), at in follower.positions.items()}
            yield listener

    async def close(self) -> None:
        """End all listening and the reading."""
        self._is_closed = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.close()
        self._stop()

    @contextlib.contextmanager
    def _registered(self, order_id: str) -> Iterator[Listener]:
        is_to_all = order_id == EVERYTHING
        if (
            self._is_closed
            or self._count >= MAX_LISTENERS
            or (is_to_all and len(self._listeners.get(EVERYTHING, ())) >= MAX_LISTENERS_TO_ALL)
        ):
            raise TooManyListenersError
        listener = Listener(MAX_WAITING_OF_ALL if is_to_all else MAX_WAITING)
        self._listeners[order_id].add(listener)
        self._count += 1
        if self._end is not None:
            self._end.cancel()
            self._end = None
        try:
            yield listener
        finally:
            self._count -= 1
            self._listeners[order_id].discard(listener)
            if not self._listeners[order_id]:
                del self._listeners[order_id]
            if not self._count and not self._is_closed:
                self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop)

    def _started(self) -> Follower:
        if self._follower is None or self._reading is None or self._reading.done():
            self._follower = Follower(
                self._bootstrap,
                self._namespace,
                (ORDER_EVENTS,),
                self._take,
                name="order events",
                from_end=True,
                wants=self._is_wanted,
                readiness=self._readiness,
            )
            self._reading = asyncio.create_task(self._follower.run(), name="order events")
        return self._follower

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self._follower = self._end = None

    def _is_wanted(self, key: bytes) -> bool:
        listeners = self._listeners
        return EVERYTHING in listeners or key.decode(errors="replace") in listeners

    def _take(self, records: list[Followed]) -> None:
        everybody = self._listeners.get(EVERYTHING, ())
        for record in records:
            for listener in (*everybody, *self._listeners.get(record.key, ())):
                listener.put(record)
