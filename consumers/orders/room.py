"""Binds orders to the runtime: it follows both order topics and takes each order through the saga to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from consumers.orders import store
from consumers.orders.decide import answer_for_forgotten, decide, is_forgotten
from consumers.orders.order import evolve
from consumers.orders.store import OrderBook
from consumers.runtime.room import Changes, Room
from schemas import messages as m
from topology.saga import heard_by
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from schemas.messages import Message

_TELL_OF_A_LINE: Final = (m.LineReserved, m.LineRejected)


class OrdersRoom(Room[OrderBook]):
    """Gathers what happens to an order's lines, money and goods, and what is wanted of it, and says what follows."""

    name = "orders"
    sources = (ORDER_EVENTS, ORDER_COMMANDS)
    hears = heard_by("orders")
    save = store.QUERIES["save"]
    cache_limit = 60_000

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
        order_id: str = message.order_id  # type: ignore[attr-defined]  # every message to an order has one
        order = state.order(order_id)
        if is_forgotten(order, message, at_ms):
            yield from answer_for_forgotten(message)
            return
        outcomes = decide(order, message)
        yield from outcomes
        evolve(order, message, outcomes, at_ms)
        state.orders[order_id] = order
        state.changed.add(order_id)
        if type(message) in _TELL_OF_A_LINE:
            state.lines += 1

    @override
    def close_batch(self, state: OrderBook, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    def size(self, state: OrderBook) -> int:
        return len(state.orders) + state.lines

    @override
    def forget(self, state: OrderBook) -> None:
        state.orders.clear()
        state.lines = 0
