"""Lists what a batch has to deliver, one delivery for each subscriber that wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.postgres.sql import columns, load_queries
from consumers.runtime.room import Changes

if TYPE_CHECKING:
    from consumers.notifications.state import NotificationsState
    from schemas.messages import OrderNotification

QUERIES: Final = load_queries("consumers.notifications", arrays_as_text=True)
_encode: Final = msgspec.json.Encoder().encode


def changes(state: NotificationsState) -> Changes:
    """Return the batch's deliveries as columns for `save`."""
    rows = [
        (each.event_id, state.partition, each.kind, body_of(each), each.at_ms) for each in state.take_notifications()
    ]
    return Changes(tuple(columns(rows, 5)), effects=[len(rows)] if rows else [])


def body_of(notification: OrderNotification) -> str:
    """Return what a subscriber is sent: type, timestamp (ms since the epoch, UTC) and data, as Standard Webhooks asks."""
    data: dict[str, Any] = {"order_id": notification.order_id}
    if notification.currency:
        data |= {"amount_minor": notification.amount_minor, "currency": notification.currency}
    texts = (("reference", notification.reference), ("detail", notification.detail))
    data |= {name: text for name, text in texts if text}
    return _encode({"type": notification.kind, "timestamp_ms": notification.at_ms, "data": data}).decode()
