"""Our records as CloudEvents 1.0 in binary content mode.

"Kafka Protocol Binding for CloudEvents" 1.0.2, 3.2: the value is the event's data, `content-type` its media type, and each
context attribute is a header whose name is the attribute's with the prefix `ce_`, in UTF-8.

All of them would cost an order 6 us and a record about 240 bytes, three times its message, so records carry `ce_id` at most.
What else CloudEvents asks for is in the record: `cloud_event_headers` adds it for readers who want it (5 us).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from schemas.codec.lock import NAMESPACE
from schemas.codec.wire import message_type

if TYPE_CHECKING:
    from collections.abc import Sequence

Headers: TypeAlias = list[tuple[str, bytes]]

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/avro"
"""As in the binding's own example; the value's first five bytes name the schema (schemas/codec/wire.py)."""
TOMBSTONE: Final = "Tombstone"
"""The type of a record without a value: what its key named on a compacted topic is gone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_derived: Final = re.compile(rb"([a-z.]+/\d+/\d+)/(?:\d+|dead:[a-z]+)").fullmatch


class KafkaRecord(Protocol):
    """What a consumer of any library gives; `timestamp` is the append time in ms since the Unix epoch."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def cloud_event_headers(topic: str, record: KafkaRecord) -> Headers:
    """Return the headers that make this record a CloudEvent in binary mode; its key and value stay what they are.

    `topic` is its name without a namespace. The id is `ce_id` where a room derived it from what it decided, which is then
    `causationid`, and the record's place otherwise. Two rooms may answer one record, so that only id and type together are
    one event's: the type is in the source. Raises DecodeError for a value whose schema this release does not know.
    """
    derived = None if record.value is None else _derived_id(record.headers)
    kind = TOMBSTONE if record.value is None else message_type(record.value).__name__
    attributes = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": derived[0].decode() if derived else f"{topic}/{record.partition}/{record.offset}",
        "ce_type": f"{NAMESPACE}.{kind}",
        "ce_source": f"/{NAMESPACE}/{topic}/{kind}",
        "ce_time": rfc3339(record.timestamp),
        "ce_subject": (record.key or b"").decode(errors="replace"),
        "ce_causationid": derived[1].decode() if derived else "",
        "content-type": CONTENT_TYPE if record.value is not None else "",
    }
    return [(name, text.encode()) for name, text in attributes.items() if text]


def rfc3339(time_ms: int) -> str:
    """Return a moment (ms since the Unix epoch) as CloudEvents wants it: 2026-01-31T12:00:00.000Z."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _derived_id(headers: Sequence[tuple[str, bytes]]) -> re.Match[bytes] | None:
    """Return the id that a room derived from the record that it decided; what others call `ce_id` is unique to them."""
    return next((match for name, value in headers if name == "ce_id" and (match := _derived(value or b""))), None)
