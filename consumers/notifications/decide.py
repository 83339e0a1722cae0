"""What customers and other systems are told of an order: at most one notification for an event. Pure.

A notification's id follows from what it tells, not from where the event stands in the log: an event that is said twice is
told under one id, by which a subscriber recognises it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from schemas import messages as m
from schemas.limits import MAX_TEXT
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.saga import NOTIFIED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.messages import Message


def decide(event: Message, at_ms: int) -> m.OrderNotification | None:
    """Return what is told of the event, None for one of which nobody need hear. `at_ms` is its append time."""
    if isinstance(event, m.OrderPlaced) and CAPTURE_AT_SHIPPING not in event.terms:
        return None
    kind = NOTIFIED[type(event)]
    order_id: str = event.order_id  # type: ignore[attr-defined]  # every event about an order has one
    reference, detail = _ABOUT.get(type(event), _nothing)(event)
    return m.OrderNotification(
        event_id=":".join(filter(None, (order_id, kind, reference, _short(detail) if kind in _TOLD_AGAIN else ""))),
        order_id=order_id,
        kind=kind,
        at_ms=at_ms,
        amount_minor=getattr(event, "amount_minor", 0),
        currency=getattr(event, "currency", ""),
        reference=reference,
        detail=detail,
    )


def _short(text: str) -> str:
    """Return a text that fits into an id, or what stands for it there: ids are keys, texts may be addresses of 8 kB."""
    return text if len(text) <= MAX_TEXT else hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _nothing(event: Any) -> tuple[str, str]:
    return "", getattr(event, "reason", "")


_TOLD_AGAIN: Final = frozenset({NOTIFIED[m.OrderCommandRefused], NOTIFIED[m.PaymentRequiresAction]})
"""What may happen to one thing more than once, each time with another detail."""

_ABOUT: Final[Mapping[type[Message], Callable[[Any], tuple[str, str]]]] = {
    m.OrderCommandRefused: lambda it: (":".join(filter(None, (it.command, it.reference))), it.reason),
    m.PaymentRequiresAction: lambda it: ("", it.action_url),
    m.ShipmentShipped: lambda it: (it.shipment_id, f"{it.carrier} {it.tracking}"),
    m.ShipmentDelivered: lambda it: (it.shipment_id, "presumed" if it.presumed else ""),
    m.ShipmentLost: lambda it: (it.shipment_id, it.reason),
    m.LineWithdrawn: lambda it: (f"line:{it.line}", it.reason),
    m.ReturnApproved: lambda it: (it.return_id, ""),
    m.ReturnRefused: lambda it: (it.return_id, it.reason),
    m.ReturnReceived: lambda it: (f"{it.return_id}:{_short(':'.join(map(str, it.lines)))}", it.disposition),
    m.PaymentRefunded: lambda it: (it.refund_id, ""),
}
"""What an event is about beside its order, and what else there is to say of it."""
