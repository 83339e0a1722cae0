"""Rooms that read everything back from what they store of it, after each message: what a reload loses changes what they say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from typing_extensions import override

from consumers.fulfilment import store as fulfilments
from consumers.fulfilment.room import FulfilmentRoom
from consumers.fulfilment.state import Fulfilment
from consumers.orders import store as orders
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.payments import store as payments
from consumers.payments.room import PaymentsRoom
from consumers.payments.state import PENDING
from consumers.payments.store import PaymentsState
from consumers.runtime.order_keyed import OrderKeyedState
from schemas.messages import Message
from tests.model.rooms import DEADLINES, Rooms


class LoadsItsOrders(OrdersRoom):
    """Reads every order's lines back."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Iterable[Any]:
        outcomes = list(super().decide(state, message, at_ms))
        for order in state.by_order.values():
            order.lines = orders.decode_lines(orders.encode(order.lines))
        return outcomes


class LoadsItsPayments(PaymentsRoom):
    """Reads back what every payment has in line, and its attempts in the order in which they are loaded."""

    @override
    def decide(self, state: PaymentsState, message: Message, at_ms: int) -> Iterable[Any]:
        outcomes = list(super().decide(state, message, at_ms))
        for payment in state.by_order.values():
            payment.queue = payments.decode_queue(payments.encode(payment.queue))
            payment.external = payments.decode_external(payments.encode(payment.external))
            loaded = sorted(
                payment.attempts.values(), key=lambda attempt: (attempt.started_at_ms, attempt.operation_id)
            )
            payment.attempts = {attempt.operation_id: attempt for attempt in loaded}
            payment.under_way = next((attempt.operation_id for attempt in loaded if attempt.result == PENDING), "")
        return outcomes


class LoadsItsFulfilments(FulfilmentRoom):
    """Reads every fulfilment's lines, parcels and returns back."""

    @override
    def decide(self, state: OrderKeyedState[Fulfilment], message: Message, at_ms: int) -> Iterable[Any]:
        outcomes = list(super().decide(state, message, at_ms))
        for fulfilment in state.by_order.values():
            fulfilment.lines = fulfilments.decode_lines(fulfilments.json_of(fulfilment.lines))
            fulfilment.shipments = fulfilments.decode_shipments(fulfilments.json_of(fulfilment.shipments))
            fulfilment.returns = fulfilments.decode_returns(fulfilments.json_of(fulfilment.returns))
        return outcomes


_NOBODY = cast("Any", None)
RELOADING = Rooms(
    orders=LoadsItsOrders(deadlines=DEADLINES),
    payments=LoadsItsPayments(_NOBODY, _NOBODY, deadlines=DEADLINES),
    fulfilment=LoadsItsFulfilments(deadlines=DEADLINES),
)
