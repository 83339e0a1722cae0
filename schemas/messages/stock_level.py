"""The latest level of each SKU."""

from __future__ import annotations

from schemas.messages.base import Message


class StockLevel(Message, frozen=True):
    """The latest level of one SKU, on the compacted topic stock.levels, keyed by sku."""

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    available: int
    at_ms: int
    quarantined: int = 0
