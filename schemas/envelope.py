"""CloudEvents 1.0 in Kafka's headers, binary content mode.

"Kafka Protocol Binding for CloudEvents" 1.0.2, 3.2: the value is the event's data, `content-type` its media type, and
each context attribute is a header whose name is the attribute's with the prefix `ce_`, in UTF-8.

Five headers in and four out cost an order 6 us, so hot topics carry only `ce_id` (`lean`): type and schema are in the
value's id, the source in the event id, the time in the record. Where records leave the system they get them all (`full`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from schemas.ids import parse_event_id

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers: TypeAlias = list[tuple[str, bytes]]

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/avro"
"""As in the binding's own example; the value's first five bytes name the schema (schemas/codec/wire.py)."""

_PREFIX: Final = "ce_"
_UNPREFIXED: Final = {"content-type": "datacontenttype", "traceparent": "traceparent"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def lean(event_id: str) -> Headers:
    """Return the headers of a record on a hot topic: the id, by which readers know a duplicate."""
    return [("ce_id", event_id.encode())]


def full(
    *,
    event_id: str,
    event_type: str,
    source: str,
    time_ms: int,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> Headers:
    """Return the headers of a record that leaves the system.

    `event_type` is the record's full name (lastunit.LineReserved), `source` a URI reference such as /lastunit/inventory,
    `time_ms` ms since the Unix epoch. The order's id correlates; `causation_of` gives the cause. Both are extension
    attributes (CloudEvents 1.0.2, "Extension Context Attributes": lower-case letters and digits only). `traceparent`
    stands unprefixed, as W3C Trace Context names it and OpenTelemetry's Kafka instrumentation reads it.
    """
    attributes = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": event_id,
        "ce_type": event_type,
        "ce_source": source,
        "ce_time": rfc3339(time_ms),
        "content-type": CONTENT_TYPE,
        "ce_correlationid": correlation_id,
        "ce_causationid": causation_id,
        "traceparent": traceparent,
    }
    return [(name, text.encode()) for name, text in attributes.items() if text is not None]


def causation_of(event_id: str) -> str:
    """Return what caused an event, as topic/partition/offset: an event's id is derived from the record it answers.

    Raises InvalidIdError for an id that is not derived (schemas/ids.py).
    """
    topic, partition, offset, _ = parse_event_id(event_id)
    return f"{topic}/{partition}/{offset}"


def read(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Return the attributes that these headers carry, without prefix, `content-type` as `datacontenttype`.

    Tolerant, because headers are for tracing and never decide: names in any case, foreign headers and nulls skipped,
    the last of equal names, broken UTF-8 replaced.
    """
    found: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        attribute = name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else _UNPREFIXED.get(name)
        if attribute and value is not None:
            found[attribute] = value.decode(errors="replace")
    return found


def rfc3339(time_ms: int) -> str:
    """Return a moment (ms since the Unix epoch) as CloudEvents wants it: 2026-01-31T12:00:00.000Z."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
