"""Binds fulfilment to the runtime: it follows both order topics and sends goods on their way, out and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from consumers.fulfilment import store
from consumers.fulfilment.decide import decide, recall
from consumers.fulfilment.evolve import evolve
from consumers.fulfilment.fulfilment import Deadlines, Fulfilment
from consumers.fulfilment.store import MAX_WAITS, ROOM, FulfilmentBook
from consumers.runtime.room import Changes, Room
from schemas import messages as m
from topology.fulfilment_answers import FULFILMENT_ANSWERS
from topology.saga import heard_by
from topology.states import FulfilmentState
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from schemas.messages import Message

USUAL: Final = Deadlines()
NO_CONCERN: Final = frozenset(
    message for message, answer in FULFILMENT_ANSWERS[FulfilmentState.NONE].items() if answer == "nothing_here"
)
"""What says nothing of an order that has no row: on the way to a sale, what is heard of its money."""


class FulfilmentRoom(Room[FulfilmentBook]):
    """Decides what leaves the house in which parcel, what comes back, and when nobody waits any longer."""

    name = ROOM
    sources = (ORDER_COMMANDS, ORDER_EVENTS)
    hears = heard_by(ROOM)
    save = store.QUERIES["save"]
    cache_limit = 60_000

    def __init__(self, deadlines: Deadlines = USUAL) -> None:
        self._deadlines = deadlines

    @override
    def new_state(self, partition: int) -> FulfilmentBook:
        return FulfilmentBook(partition)

    @override
    async def load(
        self,
        connection: asyncpg.Connection,
        loads: Sequence[tuple[FulfilmentBook, Sequence[Message]]],
        *,
        thorough: bool,
    ) -> None:
        await store.load(connection, loads, thorough=thorough)

    @override
    def decide(self, state: FulfilmentBook, message: Message, at_ms: int) -> Iterable[Message]:
        if isinstance(message, m.EndWaits):
            if message.room == ROOM:
                yield from self._end_waits(state, message, at_ms)
            return
        order_id: str = message.order_id  # type: ignore[attr-defined]  # every message but EndWaits has one
        if order_id not in state.fulfilments and type(message) in NO_CONCERN:
            return
        before = recall(state.fulfilment(order_id), order_id, at_ms)
        outcomes = decide(before, message, at_ms, self._deadlines)
        yield from outcomes
        self._keep(state, order_id, before, evolve(before, message, outcomes, at_ms, self._deadlines))

    def _end_waits(self, state: FulfilmentBook, message: m.EndWaits, at_ms: int) -> Iterable[Message]:
        limit = max(0, min(message.limit, MAX_WAITS))
        due = [state.fulfilments[order_id] for order_id in state.waits.due(min(message.as_of_ms, at_ms), limit)]
        decided = [(before, decide(before, message, at_ms, self._deadlines)) for before in due]
        for _, outcomes in decided:
            yield from outcomes
        for before, outcomes in decided:
            after = evolve(before, message, outcomes, at_ms, self._deadlines)
            self._keep(state, before.order_id, before, after)
        state.waits.expect_what_is_left(message.as_of_ms)

    def _keep(self, state: FulfilmentBook, order_id: str, before: Fulfilment, after: Fulfilment) -> None:
        if after is not before:
            state.keep(order_id, after)
            state.changed.add(order_id)

    @override
    def close_batch(self, state: FulfilmentBook, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    def is_barrier(self, message: type[Message]) -> bool:
        return message is m.EndWaits

    @override
    def size(self, state: FulfilmentBook) -> int:
        return len(state.fulfilments) + state.lines

    @override
    def forget(self, state: FulfilmentBook) -> None:
        state.forget()

    @override
    def reminder(self, state: FulfilmentBook, now_ms: int) -> Message | None:
        """Ask for an end of waits once the first is over; the command in the log decides, not this clock."""
        return m.EndWaits(ROOM, now_ms, MAX_WAITS) if state.waits.rings(now_ms) else None

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: FulfilmentBook) -> None:
        del partition
        await store.load_earliest(connection, state)
