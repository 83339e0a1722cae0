"""What each event on an order's timeline says about where the order, its lines, its payment and its goods stand.

The rooms decide by `topology/states.py`; this is for those who only look on. They fold the events of one order in the
order of the log, the later event winning, so whoever has the same events sees the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas import messages as m
from topology.states import FulfilmentState, OrderState, PaymentState, ReturnState

ORDER_STATE_AFTER: Final[Mapping[type[m.Message], OrderState]] = MappingProxyType(
    {
        m.OrderReserved: OrderState.RESERVED,
        m.OrderPlaced: OrderState.PLACED,
        m.OrderPaid: OrderState.PAID,
        m.OrderShipped: OrderState.SHIPPED,
        m.OrderDelivered: OrderState.DELIVERED,
        m.OrderReturned: OrderState.RETURNED,
        m.OrderRejected: OrderState.REJECTED,
        m.OrderCancelled: OrderState.CANCELLED,
    }
)
"""Any other event, where it is the first, makes an unknown order a pending one, and PaymentAuthorized a reserved one a
committing one (a renewed authorisation finds it placed)."""

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
        m.PaymentRequiresAction: PaymentState.REQUIRES_ACTION,
        m.PaymentAuthorized: PaymentState.AUTHORIZED,
        m.PaymentDeclined: PaymentState.DECLINED,
        m.OrderPlaced: PaymentState.CAPTURING,
        m.PaymentCaptured: PaymentState.CAPTURED,
        m.PaymentCaptureFailed: PaymentState.CAPTURE_FAILED,
        m.PaymentVoided: PaymentState.VOIDED,
        m.PaymentVoidFailed: PaymentState.VOID_FAILED,
        m.PaymentLapsed: PaymentState.LAPSED,
        m.PaymentRefunded: PaymentState.PARTIALLY_REFUNDED,
        m.PaymentRefundFailed: PaymentState.REFUND_FAILED,
    }
)
"""That a void or a refund is under way stands in no event: until it is done the payment shows as it was before. What the
sums decide (captured or refunded in part or whole, disputed, settled by hand) is for who folds them."""

FULFILMENT_STATE_AFTER: Final[Mapping[type[m.Message], FulfilmentState]] = MappingProxyType(
    {
        m.OrderPaid: FulfilmentState.OPEN,
        m.ShipmentShipped: FulfilmentState.PARTLY_SHIPPED,
        m.OrderShipped: FulfilmentState.SHIPPED,
        m.OrderDelivered: FulfilmentState.DELIVERED,
        m.FulfilmentCancelled: FulfilmentState.CANCELLED,
    }
)
"""Under capture_at_shipping fulfilment is open from OrderPlaced on."""

RETURN_STATE_AFTER: Final[Mapping[type[m.Message], ReturnState]] = MappingProxyType(
    {
        m.ReturnRequested: ReturnState.REQUESTED,
        m.ReturnApproved: ReturnState.APPROVED,
        m.ReturnRefused: ReturnState.REFUSED,
        m.ReturnReceived: ReturnState.RECEIVED,
    }
)
