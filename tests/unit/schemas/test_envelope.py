import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import causation_of, full, lean, read, rfc3339
from schemas.errors import InvalidIdError

EVENT_ID = "inventory.commands/3/1042/0"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_hot_record_carries_its_id_alone() -> None:
    assert lean(EVENT_ID) == [("ce_id", b"inventory.commands/3/1042/0")]


def test_a_record_that_leaves_carries_all_that_cloudevents_asks_for() -> None:
    headers = full(
        event_id=EVENT_ID,
        event_type="lastunit.LineReserved",
        source="/lastunit/inventory",
        time_ms=1_769_860_800_007,
        correlation_id="order-1",
        causation_id=causation_of(EVENT_ID),
        traceparent=TRACE,
    )
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"inventory.commands/3/1042/0"),
        ("ce_type", b"lastunit.LineReserved"),
        ("ce_source", b"/lastunit/inventory"),
        ("ce_time", b"2026-01-31T12:00:00.007Z"),
        ("content-type", b"application/avro"),
        ("ce_correlationid", b"order-1"),
        ("ce_causationid", b"inventory.commands/3/1042"),
        ("traceparent", TRACE.encode()),
    ]


def test_what_is_not_known_is_left_out() -> None:
    names = [name for name, _ in full(event_id="a", event_type="b", source="/c", time_ms=0)]
    assert names == ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type"]


def test_what_was_written_reads_back() -> None:
    headers = full(event_id="ü", event_type="b", source="/c", time_ms=0, correlation_id="d", traceparent=TRACE)
    assert read(headers) == {
        "specversion": "1.0",
        "id": "ü",
        "type": "b",
        "source": "/c",
        "time": "1970-01-01T00:00:00.000Z",
        "datacontenttype": "application/avro",
        "correlationid": "d",
        "traceparent": TRACE,
    }


def test_foreign_headers_and_nulls_are_skipped_and_the_last_of_equal_names_counts() -> None:
    headers = [
        ("CE_Source", b"/s"),
        ("ce_id", b"a"),
        ("ce_id", b"b"),
        ("ce_", b"x"),
        ("retries", b"3"),
        ("ce_type", None),
        ("ce_time", b"\xff"),
    ]
    assert read(headers) == {"source": "/s", "id": "b", "time": "\ufffd"}


@given(st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_any_headers_can_be_read(headers: list[tuple[str, bytes | None]]) -> None:
    assert isinstance(read(headers), dict)


def test_an_id_that_was_chosen_by_a_client_has_no_cause_to_name() -> None:
    with pytest.raises(InvalidIdError):
        causation_of("0190b6c4-7b9a-7c3e-8f00-0123456789ab")


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (999, "1970-01-01T00:00:00.999Z")],
)
def test_a_moment_is_written_in_utc_to_the_millisecond(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text
