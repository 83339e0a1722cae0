"""The latest level of each SKU, and records that could not be processed."""

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


class DeadLetter(Message, frozen=True):
    """A record that could not be processed, whole, with the reason; keyed as its source was."""

    room: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    reason: str
    detail: str
    at_ms: int


LEFTOVERS: tuple[type[Message], ...] = (
    StockLevel,
    DeadLetter,
)
