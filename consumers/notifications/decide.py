"""What customers and other systems are notified of about an order: at most one notification for an event. Pure.

A notification's id follows from what it is about, not from where the event stands in the log: an event that is published
twice leads to notifications of one id, by which a subscriber recognises the second.
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

    from consumers.notifications.state import NotificationsState
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message


def notify(_: NotificationsState, event: Message, now: Now) -> list[m.OrderNotification]:
    """Return the notification of an event, under the name that it has for subscribers."""
    kind = NOTIFIED[type(event)]
    order_id: str = event.order_id  # type: ignore[attr-defined]  # every event about an order has one
    reference, detail = _SUBJECT.get(type(event), _the_order)(event)
    notification = m.OrderNotification(
        event_id=":".join(filter(None, (order_id, kind, reference, _short(detail) if kind in _REPEATABLE else ""))),
        order_id=order_id,
        kind=kind,
        at_ms=now.at_ms,
        amount_minor=getattr(event, "amount_minor", 0),
        currency=getattr(event, "currency", ""),
        reference=reference,
        detail=detail,
    )
    return [notification]


def _short(text: str) -> str:
    """Return a text that fits into an id, or what stands for it there: ids are keys, texts may be addresses of 8 kB."""
    return text if len(text) <= MAX_TEXT else hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def notify_if_captured_at_shipping(
    state: NotificationsState, event: m.OrderPlaced, now: Now
) -> list[m.OrderNotification]:
    """Confirm a placed order whose money is captured later; any other is confirmed once it is paid."""
    return notify(state, event, now) if CAPTURE_AT_SHIPPING in event.terms else []


def notify_if_refunded(state: NotificationsState, event: m.PaymentResolved, now: Now) -> list[m.OrderNotification]:
    """Notify of a refund that was done by hand; that something was set free by hand is nobody's news."""
    return notify(state, event, now) if event.refund_id else []


def _the_order(event: Any) -> tuple[str, str]:
    return "", getattr(event, "reason", "")


def _stage(event: m.PaymentChangedExternally) -> str:
    """Return what distinguishes one change of an authorisation's money from the next: the figures that it leaves."""
    return f"{event.authorization_id}:{event.left_minor}:{event.disputed_minor}:{event.gone_minor}"


_REPEATABLE: Final = frozenset(
    {
        NOTIFIED[m.OrderCommandRefused],
        NOTIFIED[m.PaymentRequiresAction],
        NOTIFIED[m.PaymentChangedExternally],
    }
)
"""What may happen to one thing more than once, each time with another detail."""

_SUBJECT: Final[Mapping[type[Message], Callable[[Any], tuple[str, str]]]] = {
    m.OrderCommandRefused: lambda event: (":".join(filter(None, (event.command, event.reference))), event.reason),
    m.PaymentRequiresAction: lambda event: ("", event.action_url),
    m.ShipmentShipped: lambda event: (event.shipment_id, f"{event.carrier} {event.tracking}"),
    m.ShipmentDelivered: lambda event: (event.shipment_id, "presumed" if event.presumed else ""),
    m.ShipmentLost: lambda event: (event.shipment_id, event.reason),
    m.LineWithdrawn: lambda event: (f"line:{event.line}", event.reason),
    m.ReturnApproved: lambda event: (event.return_id, ""),
    m.ReturnRefused: lambda event: (event.return_id, event.reason),
    m.ReturnReceived: lambda event: (
        f"{event.return_id}:{_short(':'.join(map(str, event.lines)))}",
        event.disposition,
    ),
    m.PaymentRefunded: lambda event: (event.refund_id, ""),
    m.PaymentResolved: lambda event: (event.refund_id, event.note),
    m.PaymentChangedExternally: lambda event: (_stage(event), event.change),
}
"""What an event is about beside its order, and what else there is to know of it."""
