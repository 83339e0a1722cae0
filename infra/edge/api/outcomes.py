"""What a request that waits is waiting for: how an order comes out, or which event answers a command. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from schemas import messages as m

ANSWERS: Final[Mapping[type[m.Message], tuple[type[m.Message], ...]]] = MappingProxyType(
    {
        m.CancelOrder: (m.OrderCancelled, m.OrderRejected, m.FulfilmentCancelled),
        m.ShipOrder: (m.ShipmentShipped, m.LineWithdrawn, m.PaymentCaptureFailed),
        m.ConfirmDelivery: (m.ShipmentDelivered,),
        m.ReportLostParcel: (m.ShipmentLost,),
        m.RequestReturn: (m.ReturnRequested,),
        m.ApproveReturn: (m.ReturnApproved,),
        m.RefuseReturn: (m.ReturnRefused,),
        m.ReceiveReturn: (m.ReturnReceived,),
        m.RefundOrder: (m.PaymentRefunded, m.PaymentRefundFailed),
        m.RetryOrder: (m.PaymentVoided, m.PaymentVoidFailed, m.PaymentRefunded, m.PaymentRefundFailed),
        m.ResolveOrder: (m.PaymentResolved,),
    }
)
"""The events of which one follows a command that is obeyed; one that is not is answered by OrderCommandRefused."""
_REFERENCES: Final = ("shipment_id", "return_id", "refund_id")


def reference_of(command: m.Message) -> str:
    """Return the parcel, return or refund that a command is about; empty where it is about the order."""
    return next((str(getattr(command, name)) for name in _REFERENCES if hasattr(command, name)), "")


def answering(command: m.Message) -> Callable[[m.Message], bool]:
    """Return a function that knows the event which answers a command among those of its order."""
    kinds, reference, name = ANSWERS[type(command)], reference_of(command), type(command).__name__

    def answers(event: m.Message) -> bool:
        if isinstance(event, m.OrderCommandRefused):
            return event.command == name and event.reference == reference
        if not isinstance(event, kinds):
            return False
        named = next((str(getattr(event, it)) for it in (*_REFERENCES, "reference") if hasattr(event, it)), reference)
        return named == reference

    return answers
