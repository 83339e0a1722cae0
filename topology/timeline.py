"""What each event on an order's timeline says about where the order, its lines and its payment stand.

The rooms decide by `topology/states.py`; this is for those who only look on. They fold the events of one order in the
order of the log, the later event winning, so whoever has the same events sees the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas import messages as m
from topology.states import OrderState, PaymentState

ORDER_STATE_AFTER: Final[Mapping[type[m.Message], OrderState]] = MappingProxyType(
    {
        m.OrderReserved: OrderState.RESERVED,
        m.OrderPlaced: OrderState.PLACED,
        m.OrderPaid: OrderState.PAID,
        m.OrderRejected: OrderState.REJECTED,
        m.OrderCancelled: OrderState.CANCELLED,
    }
)
"""Any other event, where it is the first, makes an unknown order a pending one."""

LINE_STATE_AFTER: Final[Mapping[type[m.Message], str]] = MappingProxyType(
    {
        m.LineReserved: "reserved",
        m.LineRejected: "rejected",
        m.LineReleased: "released",
        m.LineExpired: "expired",
        m.LineCommitted: "committed",
        m.LineCommitFailed: "commit_failed",
        m.LineShipped: "shipped",
        m.LineReturned: "returned",
    }
)

PAYMENT_STATE_AFTER: Final[Mapping[type[m.Message], PaymentState]] = MappingProxyType(
    {
        m.OrderReserved: PaymentState.AUTHORIZING,
        m.PaymentAuthorized: PaymentState.AUTHORIZED,
        m.PaymentDeclined: PaymentState.DECLINED,
        m.OrderPlaced: PaymentState.CAPTURING,
        m.PaymentCaptured: PaymentState.CAPTURED,
        m.PaymentCaptureFailed: PaymentState.CAPTURE_FAILED,
        m.PaymentVoided: PaymentState.VOIDED,
        m.PaymentVoidFailed: PaymentState.VOID_FAILED,
    }
)
"""That a void is under way stands in no event: until it is done the payment shows as authorised."""
