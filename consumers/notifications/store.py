"""Lists what a batch has to tell, one delivery for each subscriber that wants to hear it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.room import Changes
from consumers.runtime.sql import columns, load_queries

if TYPE_CHECKING:
    from schemas.messages import OrderNotification

QUERIES: Final = load_queries("consumers.notifications", arrays_as_text=True)
_encode: Final = msgspec.json.Encoder().encode


class Telling:
    """What one partition's open batch tells."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.told: list[OrderNotification] = []


def changes(telling: Telling) -> Changes:
    """Return the batch's deliveries as columns for `save`."""
    rows = [(it.event_id, telling.partition, it.kind, body_of(it), it.at_ms) for it in telling.told]
    telling.told = []
    return Changes(tuple(columns(rows, 5)), effects=[len(rows)] if rows else [])


def body_of(it: OrderNotification) -> str:
    """Return what a subscriber is sent: type, timestamp (ms since the epoch, UTC) and data, as Standard Webhooks asks."""
    data: dict[str, Any] = {"order_id": it.order_id}
    if it.currency:
        data |= {"amount_minor": it.amount_minor, "currency": it.currency}
    data |= {name: text for name, text in (("reference", it.reference), ("detail", it.detail)) if text}
    return _encode({"type": it.kind, "timestamp_ms": it.at_ms, "data": data}).decode()
