"""Records that could not be processed."""

from __future__ import annotations

from schemas.messages.base import Message


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
