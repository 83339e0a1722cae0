"""That `cloud_event_headers` makes CloudEvents of our records, by the CloudEvents project's own package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.wire import encode
from schemas.envelope import cloud_event_headers, rfc3339
from schemas.errors import UnknownSchemaIdError
from schemas.messages import OrderPaid

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "orders.md"
ORDER = "01a22a1e-7b17-70a3-9409-503539cd8586"
PAID = encode(OrderPaid(ORDER, 1_250, "EUR"))


@dataclass
class Record:
    """One record of order.events."""

    headers: Sequence[tuple[str, Any]] = ()
    value: bytes | None = PAID
    key: bytes | None = ORDER.encode()
    partition: int = 3
    offset: int = 12
    timestamp: int = 1_769_860_800_007


def message(record: Record) -> KafkaMessage:
    return KafkaMessage(dict(cloud_event_headers("order.events", record)), record.key, record.value or b"")


def test_a_decided_record_is_a_cloud_event_that_names_its_cause() -> None:
    event = from_binary(message(Record([("ce_id", b"order.events/3/11/0")])), JSONFormat())
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": "order.events/3/11/0",
        "type": "lastunit.OrderPaid",
        "source": "/lastunit/order.events/OrderPaid",
        "time": datetime(2026, 1, 31, 12, 0, 0, 7_000, UTC),
        "subject": ORDER,
        "causationid": "order.events/3/11",
        "datacontenttype": "application/avro",
        "partitionkey": ORDER,
    }


def test_a_record_as_it_is_published_is_none() -> None:
    """The negative control: records carry `ce_id` alone."""
    bare = KafkaMessage({"ce_id": b"order.events/3/11/0"}, ORDER.encode(), PAID)
    with pytest.raises(CloudEventValidationError, match="type"):
        from_binary(bare, JSONFormat())


@pytest.mark.parametrize("foreign", [b"1", b"", b"\xff", None, b"order.events/3/11/0/9", b"order.events/3/11/x"])
def test_an_id_that_no_room_derived_is_unique_to_its_sender_only(foreign: bytes | None) -> None:
    attributes = from_binary(message(Record([("ce_id", foreign)])), JSONFormat()).get_attributes()
    assert attributes["id"] == "order.events/3/12"
    assert "causationid" not in attributes


def test_a_dead_letter_names_the_record_that_it_holds() -> None:
    attributes = dict(cloud_event_headers("dead.letters", Record([("ce_id", b"order.commands/0/7/dead:orders")])))
    assert attributes["ce_id"] == b"order.commands/0/7/dead:orders"
    assert attributes["ce_causationid"] == b"order.commands/0/7"


def test_a_tombstone_is_an_event_without_data_that_has_its_own_place_for_an_id() -> None:
    event = from_binary(message(Record([("ce_id", b"stock.levels/1/3/40")], value=None)), JSONFormat())
    assert (event.get_type(), event.get_id()) == ("lastunit.Tombstone", "order.events/3/12")
    assert event.get_data() is None
    assert event.get_datacontenttype() is None


def test_the_guide_does_it_so() -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("## Reading as CloudEvents")[2]
    snippet = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102  of our own guide
    assert names["as_cloud_event"](Record()).get_type() == "lastunit.OrderPaid"


@given(
    st.lists(st.tuples(st.text() | st.just("ce_id"), st.none() | st.binary())),
    st.none() | st.text(),
    st.integers(-1, 2**43),
)
def test_whatever_else_a_record_carries_it_is_a_cloud_event(
    headers: list[tuple[str, bytes | None]], key: str | None, at_ms: int
) -> None:
    record = Record(headers, key=None if key is None else key.encode(), timestamp=at_ms)
    assert from_binary(message(record), JSONFormat()).get_type() == "lastunit.OrderPaid"


def test_a_schema_of_a_newer_release_has_no_name_here() -> None:
    with pytest.raises(UnknownSchemaIdError):
        cloud_event_headers("order.events", Record(value=b"\x00\x7f\xff\xff\xff"))


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (999, "1970-01-01T00:00:00.999Z")],
)
def test_a_moment_is_written_in_utc_to_the_millisecond(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text
