"""What becomes of a record that is refused: a dead letter, and an event of the order that the record is about. Pure.

Decision: docs/decisions, 043.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.runtime.deciding.record import MAX_KEY_BYTES, MalformedRecord
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import decode, encode
from schemas.errors import DecodeError
from schemas.ids import is_order_id
from schemas.limits import MAX_TEXT
from schemas.messages import DeadLetter, RecordDeadLettered
from topology.rules import FORWARDS_MISROUTED
from topology.topics import DEAD_LETTERS, ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.errors import RefusedError
    from consumers.runtime.deciding.record import Record
    from schemas.messages import Message

OF_AN_ORDER: Final = "lettered:"
"""What the ids of RecordDeadLettered end with, before the room's name: a room has one such answer to a record, beside its letter."""
_KEYED_BY_ORDER: Final = frozenset({ORDER_COMMANDS.name, ORDER_EVENTS.name})


class Letters(NamedTuple):
    """Writes the letters of a room about records of one source, under a version of the rules."""

    room: str
    source: str
    rules_version: int

    def of(self, record: Record, refusal: RefusedError, at_ms: int) -> list[Outgoing]:
        """Return the dead letter of a refused record, and the event of its order, if that can be read.

        The event is not published under rules before FORWARDS_MISROUTED, nor by a room that may not write the orders' log.
        """
        letter = dead_letter(self.room, record, self.source, refusal, at_ms)
        if self.rules_version < FORWARDS_MISROUTED or self.room not in ORDER_EVENTS.written_by:
            return [letter]
        event = order_event(self.room, record, self.source, refusal)
        return [letter] if event is None else [letter, event]


def dead_letter(room: str, record: Record, source: str, refusal: RefusedError, at_ms: int) -> Outgoing:
    """Keep a refused record whole, with the reason; keyed as its source was, by the beginning of a key that none can be."""
    letter = DeadLetter(
        room=room,
        topic=source,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=_body(record),
        headers=_named_once(record.headers),
        reason=refusal.reason,
        detail=refusal.detail,
        at_ms=at_ms,
    )
    event_id = f"{source}/{record.partition}/{record.offset}/dead:{room}".encode()
    key = record.key and record.key[:MAX_KEY_BYTES]
    return Outgoing(DEAD_LETTERS.name, BY_KEY, key, encode(letter), event_id)


def order_event(room: str, record: Record, source: str, refusal: RefusedError) -> Outgoing | None:
    """Return the event that explains a dead letter to those who look at its order; None where no order can be read."""
    message: Message | None = None
    with suppress(DecodeError):
        message = decode(_body(record))
    order_id = _order_id(message, record, source)
    if order_id is None:
        return None
    event = RecordDeadLettered(
        order_id=order_id,
        room=room,
        topic=source,
        partition=record.partition,
        offset=record.offset,
        message_type="" if message is None else type(message).__name__,
        reason=refusal.reason,
        detail=refusal.detail[:MAX_TEXT],
    )
    event_id = f"{source}/{record.partition}/{record.offset}/{OF_AN_ORDER}{room}".encode()
    return Outgoing(ORDER_EVENTS.name, BY_KEY, order_id.encode(), encode(event), event_id)


def _order_id(message: Message | None, record: Record, source: str) -> str | None:
    """Return the order that a record names: in its message, else in the key of a topic that is keyed by order."""
    named = getattr(message, "order_id", None)
    if message is None and source in _KEYED_BY_ORDER and record.key is not None:
        named = record.key[:MAX_KEY_BYTES].decode(errors="replace")
    return named if named is not None and is_order_id(named) else None


def _body(record: Record) -> bytes | None:
    return record.body if isinstance(record, MalformedRecord) else record.value


def _named_once(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Return every header. One whose name is taken gets its place in the list as well: `name#2`. No value becomes b""."""
    by_name: dict[str, bytes] = {}
    for place, (name, value) in enumerate(headers, start=1):
        free = name
        while free in by_name:
            free += f"#{place}"
        by_name[free] = value or b""
    return by_name
