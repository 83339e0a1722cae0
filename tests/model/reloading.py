"""Rooms that read everything back from what they store of it, after each message: what a reload loses changes what they say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec
from typing_extensions import override

from consumers.fulfilment import store as fulfilments
from consumers.fulfilment.room import FulfilmentRoom
from consumers.fulfilment.store import FulfilmentBook
from consumers.orders import store as orders
from consumers.orders.room import OrdersRoom
from consumers.orders.store import OrderBook
from consumers.payments import store as payments
from consumers.payments.payment import PENDING
from consumers.payments.room import PaymentsRoom
from consumers.payments.store import PaymentBook
from schemas.messages import Message
from tests.model.shop import GATHER_MS, GOODS, MONEY, Rooms


class LoadsItsOrders(OrdersRoom):
    """Reads every order's lines back."""

    @override
    def decide(self, state: OrderBook, message: Message, at_ms: int) -> Iterable[Message]:
        said = list(super().decide(state, message, at_ms))
        for order in state.orders.values():
            order.lines = orders._decode_lines(orders._encode(order.lines))
        return said


class LoadsItsPayments(PaymentsRoom):
    """Reads back what every payment has in line, and its attempts in the order in which they are loaded."""

    @override
    def decide(self, state: PaymentBook, message: Message, at_ms: int) -> Iterable[Message]:
        said = list(super().decide(state, message, at_ms))
        for it in state.payments.values():
            it.due = payments._decode_due(payments._encode(it.due))
            loaded = sorted(it.attempts.values(), key=lambda attempt: (attempt.started_at_ms, attempt.operation_id))
            it.attempts = {attempt.operation_id: attempt for attempt in loaded}
            it.under_way = next((attempt.operation_id for attempt in loaded if attempt.result == PENDING), "")
        return said


class LoadsItsFulfilments(FulfilmentRoom):
    """Reads every fulfilment's lines, parcels and returns back."""

    @override
    def decide(self, state: FulfilmentBook, message: Message, at_ms: int) -> Iterable[Message]:
        said = list(super().decide(state, message, at_ms))
        for order_id, it in state.fulfilments.items():
            state.fulfilments[order_id] = msgspec.structs.replace(
                it,
                lines=fulfilments._decode_lines(fulfilments._encode(it.lines)),
                shipments=fulfilments._decode_shipments(fulfilments._encode(it.shipments)),
                returns=fulfilments._decode_returns(fulfilments._encode(it.returns)),
            )
        return said


_NOBODY = cast("Any", None)
RELOADING = Rooms(
    orders=LoadsItsOrders(gather_ms=GATHER_MS),
    payments=LoadsItsPayments(_NOBODY, _NOBODY, deadlines=MONEY),
    fulfilment=LoadsItsFulfilments(GOODS),
)
