"""Binds orders to the runtime: it follows both order topics and takes each order through the saga to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from consumers.orders import store
from consumers.orders.decide import answer_for_forgotten, decide, is_forgotten
from consumers.orders.order import evolve
from consumers.orders.store import MAX_WAITS, ROOM, OrderBook
from consumers.runtime.room import Changes, Room
from schemas import messages as m
from schemas.limits import GATHER_MS
from topology.saga import heard_by
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.orders.order import Order
    from schemas.messages import Message

_TELL_OF_A_LINE: Final = (m.LineReserved, m.LineRejected)


class OrdersRoom(Room[OrderBook]):
    """Gathers what happens to an order's lines, money and goods, and what is wanted of it, and says what follows."""

    name = ROOM
    sources = (ORDER_EVENTS, ORDER_COMMANDS)
    hears = heard_by(ROOM)
    save = store.QUERIES["save"]
    cache_limit = 60_000

    def __init__(self, *, gather_ms: int = GATHER_MS) -> None:
        self._gather_ms = gather_ms

    @override
    def new_state(self, partition: int) -> OrderBook:
        return OrderBook(partition)

    @override
    async def load(
        self, connection: asyncpg.Connection, loads: Sequence[tuple[OrderBook, Sequence[Message]]], *, thorough: bool
    ) -> None:
        del thorough
        await store.load(connection, loads)

    @override
    def decide(self, state: OrderBook, message: Message, at_ms: int) -> Iterable[Message]:
        if type(message) is m.EndWaits:
            if message.room == ROOM:
                yield from self._end_waits(state, message, at_ms)
            return
        order_id: str = message.order_id  # type: ignore[attr-defined]  # each of the others has one
        order = state.order(order_id)
        if is_forgotten(order, message, at_ms):
            yield from answer_for_forgotten(message)
            return
        outcomes = decide(order, message)
        yield from outcomes
        self._write_down(state, order, message, outcomes, at_ms)
        if type(message) in _TELL_OF_A_LINE:
            state.lines += 1

    def _end_waits(self, state: OrderBook, command: m.EndWaits, at_ms: int) -> Iterable[Message]:
        limit = max(0, min(command.limit, MAX_WAITS))
        due = [state.orders[order_id] for order_id in state.waits.due(min(command.as_of_ms, at_ms), limit)]
        decided = [(order, decide(order, command)) for order in due]
        for _, outcomes in decided:
            yield from outcomes
        for order, outcomes in decided:
            self._write_down(state, order, command, outcomes, at_ms)
        state.waits.expect_what_is_left(command.as_of_ms)

    def _write_down(
        self, state: OrderBook, order: Order, message: Message, outcomes: Sequence[Message], at_ms: int
    ) -> None:
        waited_until_ms = order.deadline_ms
        evolve(order, message, outcomes, at_ms, gather_ms=self._gather_ms)
        if order.deadline_ms != waited_until_ms:
            state.waits.put(order.order_id, order.deadline_ms)
        state.orders[order.order_id] = order
        state.changed.add(order.order_id)

    @override
    def close_batch(self, state: OrderBook, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    def is_barrier(self, message: type[Message]) -> bool:
        return message is m.EndWaits

    @override
    def size(self, state: OrderBook) -> int:
        return len(state.orders) + state.lines

    @override
    def forget(self, state: OrderBook) -> None:
        state.forget()

    @override
    def reminder(self, state: OrderBook, now_ms: int) -> Message | None:
        """Ask for an end of waits once the first is over; the command in the log decides, not this clock."""
        return m.EndWaits(ROOM, now_ms, MAX_WAITS) if state.waits.rings(now_ms) else None

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: OrderBook) -> None:
        del partition
        await store.load_earliest_deadline(connection, state)
