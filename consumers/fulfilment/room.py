"""Binds fulfilment to the runtime: it follows an order's log and sends goods on their way, out and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from consumers.fulfilment import store
from consumers.fulfilment.decide import respond_outside_window
from consumers.fulfilment.evolve import evolve
from consumers.fulfilment.state import Fulfilment
from consumers.fulfilment.transitions import ROOM, decide
from consumers.runtime.order_keyed import Decider, OrderKeyedRoom, OrderKeyedState
from consumers.runtime.origins.confirmations import CONFIRMATIONS
from schemas import messages as m
from topology.saga import messages_accepted_by
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.runtime.room import Changes
    from schemas.messages import Message


class FulfilmentRoom(OrderKeyedRoom[OrderKeyedState[Fulfilment], Fulfilment]):
    """Decides what leaves the house in which parcel, what comes back, and when nobody waits any longer."""

    name = ROOM
    source = ORDER_EVENTS
    accepts = messages_accepted_by(ROOM)
    guards = accepts & CONFIRMATIONS.keys() - {m.PaymentAuthorized}
    confirms_in_commit = frozenset(store.CONFIRMED_IN_COMMIT)
    decider = Decider(Fulfilment, decide, evolve, respond_outside_window)
    queries = store.QUERIES
    save = store.QUERIES["save"]
    looks_up = (25, 39)

    @override
    def new_state(self, partition: int) -> OrderKeyedState[Fulfilment]:
        return OrderKeyedState(partition)

    @override
    def query_for(self, message: Message, *, thorough: bool) -> str | None:
        """Look for no row where a message begins one, or is about all of an order's money.

        A duplicate of what begins one then tries to insert its row again, and the unique violation brings us back here,
        `thorough`.
        """
        if isinstance(message, m.PaymentAuthorized):
            return "load_lapsed"
        if isinstance(message, m.PaymentCaptured | m.PaymentCaptureFailed):
            return "load_orders" if thorough or message.reference else None
        return "load_orders" if thorough or not isinstance(message, m.OrderPaid | m.OrderPlaced) else None

    @override
    async def read(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> Iterable[Fulfilment]:
        del connection
        return map(store.read_fulfilment, rows)

    @override
    def changes(self, state: OrderKeyedState[Fulfilment]) -> Changes:
        return store.changes(state)
