"""The saga cut into steps, each small enough for one picture (`topology/diagram.py`). Together they show every arrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import messages as m
from topology.saga import NOTIFIED

READERS: Final = "readers"
"""Stands in the pictures for people and views: those who hear the facts that end a step."""


@dataclass(frozen=True, slots=True)
class Step:
    """What `hearers` hear of `messages`, whoever says it."""

    title: str
    explained: str
    hearers: frozenset[str]
    messages: frozenset[type[m.Message]]

    def shows(self, message: type[m.Message], hearer: str) -> bool:
        """Tell whether the step's picture has the arrow with this message to this hearer."""
        return message in self.messages and hearer in self.hearers


def _step(title: str, explained: str, hearers: str, *messages: type[m.Message]) -> Step:
    return Step(title, explained, frozenset(hearers.split()), frozenset(messages))


STEPS: Final = (
    _step(
        "Reserve",
        "Each line is held or refused; orders gathers the answers. Holds that are over give the units back; an order whose "
        "lines do not come is given up.",
        "inventory orders",
        m.PlaceOrderLine,
        m.ReleaseLine,
        m.ExpireHolds,
        m.LineReserved,
        m.LineRejected,
        m.LineReleased,
        m.LineExpired,
        m.EndWaits,
    ),
    _step(
        "Authorize",
        "Money is set aside, once the customer has confirmed it where the bank wants that. Its time can run out.",
        "orders payments fulfilment readers",
        m.OrderReserved,
        m.OrderRejected,
        m.RecordPaymentResult,
        m.PaymentAuthorized,
        m.PaymentDeclined,
        m.PaymentLapsed,
        m.PaymentVoided,
        m.PaymentVoidFailed,
    ),
    _step(
        "Commit",
        "What was held is allocated to the order. One line that is not there any more takes the others back.",
        "inventory orders",
        m.CommitLine,
        m.LineCommitted,
        m.LineCommitFailed,
        m.ReturnLine,
        m.LineReturned,
    ),
    _step(
        "Capture",
        "The money is taken: at placing, or for each parcel. Fulfilment begins.",
        "orders payments fulfilment",
        m.OrderPlaced,
        m.ShipmentRequested,
        m.PaymentCaptured,
        m.PaymentCaptureFailed,
        m.OrderPaid,
    ),
    _step(
        "Cancel",
        "Orders ends the order; once fulfilment has it, fulfilment is asked first. Each undoes what is its own.",
        "orders payments fulfilment",
        m.CancelOrder,
        m.OrderCancelRequested,
        m.FulfilmentCancelled,
        m.OrderCancelled,
    ),
    _step(
        "Ship and deliver",
        "Lines leave in parcels, which arrive or are lost. A line that inventory has no more is withdrawn.",
        "inventory orders payments fulfilment",
        m.ShipOrder,
        m.ShipLine,
        m.LineShipped,
        m.LineCommandRefused,
        m.OrderShipped,
        m.ConfirmDelivery,
        m.ReportLostParcel,
        m.OrderDelivered,
    ),
    _step(
        "Send back",
        "Delivered lines come back, if that is asked for in time and granted.",
        "inventory orders fulfilment readers",
        m.RequestReturn,
        m.ReturnRequested,
        m.ApproveReturn,
        m.RefuseReturn,
        m.ReceiveReturn,
        m.ReturnLine,
        m.LineReturned,
        m.OrderReturned,
    ),
    _step(
        "Refund, and what waits",
        "Money goes back once for each reason. What waits for a person ends by time, or by a person's word.",
        "payments fulfilment readers",
        m.RefundRequested,
        m.RefundOrder,
        m.RetryOrder,
        m.ResolveOrder,
        m.EndWaits,
        m.PaymentRefundFailed,
        m.PaymentResolved,
    ),
    _step(
        "Tell",
        "What customers and other systems hear of, under the names of `NOTIFIED` in `topology/saga.py`.",
        "notifications readers",
        *NOTIFIED,
        m.OrderNotification,
    ),
    _step(
        "Stock itself",
        "What is said about a SKU without any order.",
        "inventory readers",
        m.ReceiveStock,
        m.AdjustStock,
        m.ClearQuarantine,
        m.SetPurchaseLimit,
        m.SuspendSale,
        m.ResumeSale,
        m.RetireSku,
        m.StockLevel,
    ),
)
