"""What notifications decides on each event: the only table. There is one state, as nothing is remembered of an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.notifications.decide import notify, notify_if_captured_at_shipping, notify_if_refunded
from consumers.runtime.deciding.transitions import decisions
from schemas import messages as m
from topology.saga import NOTIFIED

if TYPE_CHECKING:
    from consumers.notifications.state import NotificationsState
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

ROOM: Final = "notifications"

TRANSITIONS: Final = decisions(
    ROOM,
    {
        **dict.fromkeys(NOTIFIED, notify),
        m.OrderPlaced: notify_if_captured_at_shipping,
        m.PaymentResolved: notify_if_refunded,
    },
)


def decide(state: NotificationsState, event: Message, now: Now) -> list[Any]:
    """Return the notification of the event, if there is one."""
    return TRANSITIONS[type(event)](state, event, now)
