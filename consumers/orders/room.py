"""Binds orders to the runtime: it follows an order's log and takes each order through the saga to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from consumers.orders import store
from consumers.orders.decide import respond_outside_window
from consumers.orders.evolve import evolve
from consumers.orders.state import Order
from consumers.orders.transitions import ROOM, decide
from consumers.runtime.order_keyed import Decider, OrderKeyedRoom, OrderKeyedState
from consumers.runtime.origins.confirmations import CONFIRMATIONS
from topology.saga import messages_accepted_by
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.runtime.room import Changes


class OrdersRoom(OrderKeyedRoom[OrderKeyedState[Order], Order]):
    """Gathers what happens to an order's lines, money and goods, and what is wanted of it, and decides what follows."""

    name = ROOM
    source = ORDER_EVENTS
    accepts = messages_accepted_by(ROOM)
    guards = accepts & CONFIRMATIONS.keys()
    confirms_in_commit = frozenset(store.CONFIRMED_IN_COMMIT)
    decider = Decider(Order, decide, evolve, respond_outside_window)
    queries = store.QUERIES
    save = store.QUERIES["save"]
    looks_up = (23, 33, 38)

    @override
    def new_state(self, partition: int) -> OrderKeyedState[Order]:
        return OrderKeyedState(partition)

    @override
    async def read(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> Iterable[Order]:
        del connection
        return map(store.read_order, rows)

    @override
    def changes(self, state: OrderKeyedState[Order]) -> Changes:
        return store.changes(state)
