"""Which event answers what the outside asks of an order: one table for all who wait for it (HTTP, command line). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas import messages as m

ANSWERS: Final[Mapping[type[m.Message], tuple[type[m.Message], ...]]] = MappingProxyType(
    {
        m.CancelOrder: (m.OrderCancelled,),
        m.ShipOrder: (m.ShipmentShipped, m.LineWithdrawn, m.PaymentCaptureFailed),
        m.ConfirmDelivery: (m.ShipmentDelivered,),
        m.ReportLostParcel: (m.ShipmentLost,),
        m.RequestReturn: (m.ReturnRequested,),
        m.ApproveReturn: (m.ReturnApproved,),
        m.RefuseReturn: (m.ReturnRefused,),
        m.ReceiveReturn: (m.ReturnReceived,),
        m.RefundOrder: (m.PaymentRefunded, m.PaymentRefundFailed, m.RefundReduced),
        m.RetryOrder: (
            m.PaymentVoided,
            m.PaymentVoidFailed,
            m.PaymentRefunded,
            m.PaymentRefundFailed,
            m.RefundReduced,
            m.PaymentAuthorized,
            m.PaymentLapsed,
        ),
        m.ResolveOrder: (m.PaymentResolved,),
    }
)
"""The events of which one follows a command that is obeyed; one that is not is answered by OrderCommandRefused, one that cannot be processed by RecordDeadLettered."""
REFERENCES: Final = ("shipment_id", "return_id", "refund_id")
"""Fields by which a command names what it is about; its answer names the same."""


def reference_of(command: m.Message) -> str:
    """Return the parcel, return or refund that a command is about; empty where it is about the order."""
    return next((str(getattr(command, name)) for name in REFERENCES if hasattr(command, name)), "")
