"""How orders come out, read from order.events: only while somebody asks, and for a while after.

Orders that are placed while the end of the log is read are watched from before they are published. What happened to any
other order so far is read first (past.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from consumers.following.follower import Follower
from consumers.views.timeline import event_of, view_of
from lastunit_client.errors import OrderPendingError
from lastunit_client.past import Past
from schemas.ids import order_id_ms
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consumers.following.follower import Followed
    from consumers.views.timeline import OrderView, TimelineEvent

LINGER_SECONDS: Final = 30.0
"""How long the log is read after the last question: who asked once often asks again."""
MAX_WATCHED: Final = 10_000
"""Orders that are watched at once; beyond it the oldest that nobody asks about are forgotten, and read anew if asked about."""


class _Watched:
    """One order: its events by offset, and whether those are all from its beginning on."""

    def __init__(self, order_id: str, *, is_whole: bool) -> None:
        self.order_id, self.is_whole = order_id, is_whole
        self.events: dict[int, TimelineEvent] = {}
        self.changed = asyncio.Event()
        self.asked = 0

    def add(self, record: Followed) -> None:
        if record.message is None:
            return
        event_id = record.event_id or f"{record.topic}/{record.partition}/{record.offset}"
        self.events[record.offset] = event_of(
            record.message, event_id=event_id, at_ms=record.at_ms, offset=record.offset
        )
        self.changed.set()

    def view(self) -> OrderView:
        return view_of(self.order_id, self.events.values())


class Outcomes:
    """Answers how orders come out. `clock_margin_s` is by how much a producer's clock may be ahead of the broker's."""

    def __init__(self, bootstrap: str, namespace: str, in_use: Mapping[str, int], clock_margin_s: float) -> None:
        self._bootstrap, self._namespace = bootstrap, namespace
        self._past = Past(bootstrap, namespace, in_use.get(ORDER_EVENTS.name), int(clock_margin_s * 1000), self._take)
        self._watched: dict[str, _Watched] = {}
        self._asked = 0
        self._follower: Follower | None = None
        self._following: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None

    def watch(self, order_ids: Iterable[str]) -> None:
        """Watch orders that are about to be published, if the log is read now: then nothing of them has to be looked for."""
        if self._follower is not None and self._follower.caught_up.is_set():
            for order_id in order_ids:
                self._watch(order_id, is_whole=True)

    async def outcome(self, order_id: str, timeout_s: float) -> OrderView:
        """Return an order once it is known whether it is a sale. Raises OrderPendingError, InvalidIdError."""
        order_id_ms(order_id)
        watched: _Watched | None = None
        with self._asking():
            try:
                async with asyncio.timeout(timeout_s):
                    follower = self._reading()
                    await follower.caught_up.wait()
                    watched = self._watch(order_id, is_whole=False)
                    return await self._decided(watched, follower)
            except TimeoutError as error:
                view = watched.view() if watched is not None else view_of(order_id, ())
                raise OrderPendingError(view, timeout_s) from error

    async def close(self) -> None:
        """End the reading; whoever waits learns no more."""
        if self._end is not None:
            self._end.cancel()
        following = self._following
        self._stop()
        await self._past.close()
        if following is not None:
            await asyncio.gather(following, return_exceptions=True)

    async def _decided(self, watched: _Watched, follower: Follower) -> OrderView:
        watched.asked += 1
        try:
            if not watched.is_whole:
                ends = {partition: offset for (_, partition), offset in follower.positions.items()}
                await self._past.read(watched.order_id, ends)
                watched.is_whole = True
            while not (view := watched.view()).is_decided:
                watched.changed.clear()
                await watched.changed.wait()
            return view
        finally:
            watched.asked -= 1

    def _watch(self, order_id: str, *, is_whole: bool) -> _Watched:
        if (known := self._watched.get(order_id)) is not None:
            return known
        if len(self._watched) >= MAX_WATCHED:
            idle = next((watched_id for watched_id, order in self._watched.items() if not order.asked), None)
            self._watched.pop(idle or "", None)
        watched = self._watched[order_id] = _Watched(order_id, is_whole=is_whole)
        return watched

    def _take(self, records: list[Followed]) -> None:
        for record in records:
            if (watched := self._watched.get(record.key)) is not None:
                watched.add(record)

    # --- the end of the log -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        self._asked += 1
        if self._end is not None:
            self._end.cancel()
            self._end = None
        try:
            yield
        finally:
            self._asked -= 1
            if not self._asked:
                self._end = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop)

    def _reading(self) -> Follower:
        if self._follower is None:
            self._follower = Follower(
                self._bootstrap,
                self._namespace,
                (ORDER_EVENTS,),
                self._take,
                name="order events",
                from_end=True,
                wants=lambda key: key.decode(errors="replace") in self._watched,
            )
            self._following = asyncio.create_task(self._follower.run(), name="order events")
        return self._follower

    def _stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._following = self._follower = self._end = None
        self._watched.clear()
