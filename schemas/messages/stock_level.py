"""The latest level of each SKU."""

from __future__ import annotations

from schemas.messages.base import Message


class StockLevel(Message, frozen=True):
    """The latest level of one SKU, on the compacted topic stock.levels, keyed by sku.

    The last record of a SKU need not be its latest level: a paused owner may deliver late. Readers go by the version
    (schemas/stock_levels.py): `generation`, then `offset`.
    """

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    available: int
    at_ms: int
    quarantined: int = 0
    generation: int = 0
    partition: int = -1
    offset: int = -1
