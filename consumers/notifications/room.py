"""Binds notifications to the runtime: it follows order.events, tells of them on order.notifications and by webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from consumers.notifications import store
from consumers.notifications.decide import decide
from consumers.notifications.store import Telling
from consumers.runtime.room import Changes, Room
from topology.saga import heard_by
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.notifications.delivery import Deliverer
    from consumers.runtime.background import BackgroundTasks
    from schemas.messages import Message


class NotificationsRoom(Room[Telling]):
    """Tells customers and other systems what happens to orders, at least once."""

    name = "notifications"
    sources = (ORDER_EVENTS,)
    hears = heard_by("notifications")
    save = store.QUERIES["save"]

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer

    @override
    def start(self, background: BackgroundTasks) -> None:
        self._deliverer.start(background)

    @override
    def new_state(self, partition: int) -> Telling:
        return Telling(partition)

    @override
    def decide(self, state: Telling, message: Message, at_ms: int) -> Iterable[Message]:
        if (notification := decide(message, at_ms)) is not None:
            yield notification
            state.told.append(notification)

    @override
    def close_batch(self, state: Telling, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: Telling) -> None:
        del connection, state
        self._deliverer.claim(partition)

    @override
    def released(self, partition: int) -> None:
        self._deliverer.release(partition)

    @override
    def after_commit(self, partition: int, effects: Sequence[int]) -> None:
        del partition
        if effects:
            self._deliverer.wake()

    @override
    async def stop(self) -> None:
        await self._deliverer.close()
