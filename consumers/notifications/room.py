"""Binds notifications to the runtime: it follows order.events and notifies on order.notifications and by webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from consumers.notifications import store
from consumers.notifications.evolve import evolve
from consumers.notifications.state import NotificationsState
from consumers.notifications.transitions import ROOM, decide
from consumers.runtime.deciding.now import Now
from consumers.runtime.room import Changes, Room
from topology.saga import messages_accepted_by
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import asyncpg

    from consumers.notifications.delivery import Deliverer
    from consumers.runtime.background import BackgroundTasks
    from schemas.messages import Message


class NotificationsRoom(Room[NotificationsState]):
    """Notifies customers and other systems of what happens to orders, at least once."""

    name = ROOM
    source = ORDER_EVENTS
    accepts = messages_accepted_by(ROOM)
    save = store.QUERIES["save"]
    gathers = True

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer

    @override
    def start(self, background: BackgroundTasks, wake: Callable[[], None]) -> None:
        self._deliverer.start(background)

    @override
    def new_state(self, partition: int) -> NotificationsState:
        return NotificationsState(partition)

    @override
    def outcomes(self, state: NotificationsState, message: Message, at_ms: int) -> Sequence[Any]:
        return decide(state, message, Now(at_ms))

    @override
    def evolve(self, state: NotificationsState, message: Message, outcomes: Sequence[Any], at_ms: int) -> None:
        evolve(state, message, outcomes, Now(at_ms))

    @override
    def close_batch(self, state: NotificationsState, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: NotificationsState) -> None:
        del connection, state
        self._deliverer.claim(partition)

    @override
    def released(self, partition: int) -> None:
        self._deliverer.release(partition)

    @override
    def after_commit(self, partition: int, effects: Sequence[int]) -> None:
        del partition
        if effects:
            self._deliverer.added()

    @override
    async def stop(self) -> None:
        await self._deliverer.close()
