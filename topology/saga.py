"""The saga as data: who reacts to which message with which, what undoes a step, and which room reads what.

What an order, its payment and its fulfilment answer in each state is in `topology/*_answers.py`; this table spans the
rooms. Subscriptions, the diagrams in
`docs/` and the check that nobody's event goes unheard derive from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas import messages as m


@dataclass(frozen=True, slots=True)
class Reaction:
    """`room`, on hearing `on`, says one or more of `says`; `undone_by` is the command or event that takes it back."""

    room: str
    on: type[m.Message]
    says: tuple[type[m.Message], ...]
    undone_by: type[m.Message] | None = None


NOTIFIED: Final[Mapping[type[m.Message], str]] = MappingProxyType(
    {
        m.OrderPlaced: "order.confirmed",  # under capture_at_shipping; else OrderPaid confirms it
        m.OrderPaid: "order.confirmed",
        m.OrderRejected: "order.rejected",
        m.OrderCancelled: "order.cancelled",
        m.OrderCommandRefused: "order.request_refused",
        m.PaymentRequiresAction: "payment.action_required",
        m.ShipmentShipped: "shipment.shipped",
        m.ShipmentDelivered: "shipment.delivered",
        m.ShipmentLost: "shipment.lost",
        m.LineWithdrawn: "line.withdrawn",
        m.ReturnApproved: "return.approved",
        m.ReturnRefused: "return.refused",
        m.ReturnReceived: "return.received",
        m.PaymentRefunded: "payment.refunded",
    }
)
"""What customers and other systems are told of, and under which name."""

REACTIONS: Final[tuple[Reaction, ...]] = (
    # reserve
    Reaction(
        "inventory",
        m.PlaceOrderLine,
        (m.LineReserved, m.LineRejected, m.LineReleased, m.LineCommandRefused),
        undone_by=m.ReleaseLine,
    ),
    Reaction("inventory", m.ReleaseLine, (m.LineReleased, m.LineCommandRefused)),
    Reaction("inventory", m.ExpireHolds, (m.LineExpired,)),
    # stock itself
    Reaction("inventory", m.ReceiveStock, (m.StockLevel,)),
    Reaction("inventory", m.AdjustStock, (m.StockLevel,)),
    Reaction("inventory", m.ClearQuarantine, (m.StockLevel,)),
    Reaction("inventory", m.SetPurchaseLimit, (m.StockLevel,)),
    Reaction("inventory", m.SuspendSale, (m.StockLevel,)),
    Reaction("inventory", m.ResumeSale, (m.StockLevel,)),
    Reaction("inventory", m.RetireSku, (m.StockLevel,)),
    Reaction("orders", m.LineReserved, (m.OrderReserved, m.OrderRejected, m.ReleaseLine), undone_by=m.ReleaseLine),
    Reaction("orders", m.LineRejected, (m.OrderReserved, m.OrderRejected, m.ReleaseLine)),
    Reaction("orders", m.LineReleased, (m.OrderRejected, m.ReleaseLine)),
    Reaction("orders", m.LineExpired, (m.OrderRejected, m.ReleaseLine)),
    # authorize
    Reaction("payments", m.OrderReserved, (m.RecordPaymentResult, m.PaymentAuthorized), undone_by=m.PaymentVoided),
    Reaction(
        "payments",
        m.RecordPaymentResult,
        (
            m.PaymentRequiresAction,
            m.PaymentAuthorized,
            m.PaymentDeclined,
            m.PaymentCaptured,
            m.PaymentCaptureFailed,
            m.PaymentVoided,
            m.PaymentVoidFailed,
            m.PaymentLapsed,
            m.PaymentRefunded,
            m.PaymentRefundFailed,
            m.RecordPaymentResult,
        ),
    ),
    Reaction("payments", m.EndWaits, (m.PaymentVoided, m.RecordPaymentResult)),
    # commit
    Reaction("orders", m.PaymentAuthorized, (m.CommitLine, m.OrderPlaced), undone_by=m.ReturnLine),
    Reaction("orders", m.PaymentDeclined, (m.OrderRejected, m.ReleaseLine, m.ReturnLine)),
    Reaction("inventory", m.CommitLine, (m.LineCommitted, m.LineCommitFailed), undone_by=m.ReturnLine),
    Reaction("inventory", m.ReturnLine, (m.LineReturned, m.LineCommandRefused)),
    Reaction("inventory", m.ShipLine, (m.LineShipped, m.LineCommandRefused), undone_by=m.ReturnLine),
    Reaction("orders", m.LineCommitted, (m.OrderPlaced, m.OrderRejected, m.ReleaseLine, m.ReturnLine)),
    Reaction("orders", m.LineCommitFailed, (m.OrderRejected, m.ReturnLine)),
    Reaction("orders", m.LineReturned, (m.OrderRejected, m.OrderCancelled, m.ReleaseLine, m.ReturnLine)),
    # capture
    Reaction(
        "payments",
        m.OrderPlaced,
        (m.RecordPaymentResult, m.PaymentCaptured, m.PaymentCaptureFailed),
        undone_by=m.PaymentRefunded,
    ),
    Reaction("orders", m.PaymentCaptured, (m.OrderPaid,)),
    Reaction("orders", m.PaymentCaptureFailed, (m.OrderCancelled, m.ReturnLine)),
    # cancel
    Reaction(
        "orders",
        m.CancelOrder,
        (m.OrderCancelled, m.OrderCancelRequested, m.OrderCommandRefused, m.ReleaseLine, m.ReturnLine),
    ),
    Reaction("fulfilment", m.OrderCancelRequested, (m.FulfilmentCancelled, m.OrderCommandRefused)),
    Reaction("orders", m.FulfilmentCancelled, (m.OrderCancelled, m.ReturnLine)),
    # give the money back
    Reaction("payments", m.OrderRejected, (m.RecordPaymentResult,)),
    Reaction("payments", m.OrderCancelled, (m.RecordPaymentResult,)),
    # fulfil
    Reaction("fulfilment", m.OrderPlaced, ()),
    Reaction("fulfilment", m.OrderPaid, ()),
    Reaction("fulfilment", m.OrderCancelled, ()),
    Reaction("fulfilment", m.ShipOrder, (m.ShipmentRequested, m.ShipLine, m.OrderCommandRefused)),
    Reaction("payments", m.ShipmentRequested, (m.RecordPaymentResult, m.PaymentCaptured, m.PaymentCaptureFailed)),
    Reaction("fulfilment", m.PaymentCaptured, (m.ShipLine, m.RefundRequested)),
    Reaction("fulfilment", m.PaymentCaptureFailed, (m.OrderCommandRefused, m.ShipmentShipped)),
    Reaction("fulfilment", m.PaymentLapsed, ()),
    Reaction("fulfilment", m.PaymentAuthorized, ()),
    Reaction("fulfilment", m.LineShipped, (m.ShipmentRequested, m.ShipmentShipped, m.OrderShipped, m.ReturnLine)),
    *(
        Reaction(
            "fulfilment",
            gone,
            (
                m.LineWithdrawn,
                m.RefundRequested,
                m.ShipmentShipped,
                m.OrderShipped,
                m.OrderDelivered,
                m.OrderReturned,
                m.FulfilmentCancelled,
            ),
        )
        for gone in (m.LineCommandRefused, m.LineReturned)
    ),
    Reaction("orders", m.OrderShipped, ()),
    Reaction("payments", m.OrderShipped, (m.RecordPaymentResult,)),
    Reaction("fulfilment", m.ConfirmDelivery, (m.ShipmentDelivered, m.OrderDelivered, m.OrderCommandRefused)),
    Reaction(
        "fulfilment",
        m.ReportLostParcel,
        (m.ShipmentLost, m.RefundRequested, m.OrderDelivered, m.OrderReturned, m.OrderCommandRefused),
    ),
    Reaction("orders", m.OrderDelivered, ()),
    # send goods back
    Reaction("fulfilment", m.RequestReturn, (m.ReturnRequested, m.OrderCommandRefused)),
    Reaction("fulfilment", m.ApproveReturn, (m.ReturnApproved, m.OrderCommandRefused)),
    Reaction("fulfilment", m.RefuseReturn, (m.ReturnRefused, m.OrderCommandRefused)),
    Reaction("fulfilment", m.ReceiveReturn, (m.ReturnReceived, m.ReturnLine, m.OrderCommandRefused)),
    Reaction("orders", m.OrderReturned, ()),
    # refund
    Reaction("payments", m.RefundRequested, (m.RecordPaymentResult,)),
    Reaction("payments", m.RefundOrder, (m.RecordPaymentResult, m.OrderCommandRefused)),
    # when time is over, and when a person has to help
    Reaction("orders", m.EndWaits, (m.OrderRejected, m.ReleaseLine)),
    Reaction(
        "fulfilment",
        m.EndWaits,
        (m.FulfilmentCancelled, m.ReturnLine, m.ShipmentDelivered, m.OrderDelivered, m.ReturnApproved, m.ReturnRefused),
    ),
    Reaction("payments", m.RetryOrder, (m.RecordPaymentResult, m.OrderCommandRefused)),
    Reaction(
        "payments",
        m.ResolveOrder,
        (
            m.PaymentResolved,
            m.PaymentDeclined,
            m.PaymentLapsed,
            m.PaymentCaptureFailed,
            m.OrderCommandRefused,
            m.RecordPaymentResult,
        ),
    ),
    # tell
    *(Reaction("notifications", told, (m.OrderNotification,)) for told in NOTIFIED),
)

# Facts that end a step: nobody has to react, they stand on the timeline for people and views.
TERMINAL_FACTS: Final[frozenset[type[m.Message]]] = frozenset(
    {
        m.PaymentVoided,
        m.PaymentVoidFailed,
        m.PaymentRefundFailed,
        m.PaymentResolved,
        m.ReturnRequested,
        m.OrderNotification,
        m.StockLevel,
    }
)


def heard_by(room: str) -> frozenset[type[m.Message]]:
    """Return the messages that `room` reacts to; all others on its topics are skipped undecoded."""
    return frozenset(reaction.on for reaction in REACTIONS if reaction.room == room)
