"""What customers and other systems are notified of, on order.notifications, keyed by order_id; written by notifications."""

from __future__ import annotations

from schemas.messages.base import Message


class OrderNotification(Message, frozen=True):
    """Something that a customer or another system should know; `kind` is a word of topology.saga.NOTIFIED.

    `event_id` identifies the notification, and is the same whenever it is sent again.
    """

    event_id: str
    order_id: str
    kind: str
    at_ms: int
    amount_minor: int = 0
    currency: str = ""
    reference: str = ""
    detail: str = ""


NOTIFICATIONS: tuple[type[Message], ...] = (OrderNotification,)
