from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from consumers.errors import EvolveFailedError, RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.notifications.room import NotificationsRoom
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.runtime.deciding.decision import NO_STEP_MS, decide_records, outgoing
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.deciding.record import Record, read
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.room import Room
from infra.base.rooms import replayed_rooms
from producers.publisher import BY_KEY, Outgoing
from schemas import messages as m
from schemas.codec.wire import decode, encode
from schemas.ids import event_id
from tests.given_when_then import NOW_MS, A, B, ExpireHolds, LineRejected, LineReserved, PlaceOrderLine, ReceiveStock
from tests.samples import samples
from tests.unit.runtime.records import PARTITIONS, ARecord, home_of, record

SOURCE = "inventory.commands"
ROOM = InventoryRoom()
STOCKED = ReceiveStock(quantity=1)
MOMENTS = st.integers(NOW_MS, NOW_MS + 10_000)


class FailsOnMugs(InventoryRoom):
    """Has a bug."""

    @override
    def decide(self, state: Ledger, message: m.Message, at_ms: int) -> Iterable[m.Message | RefusedError]:
        if isinstance(message, m.PlaceOrderLine) and message.sku == "MUG":
            raise ZeroDivisionError("a bug")
        return super().decide(state, message, at_ms)


def decided(
    room: Room[Any], state: Any, *entries: tuple[ARecord, m.Message | RefusedError], at_ms: int = 0
) -> tuple[list[Outgoing], int]:
    readings: list[tuple[Record, m.Message | RefusedError]] = [*entries]
    return decide_records(room, state, SOURCE, readings, at_ms)


def entry(message: m.Message, offset: int = 0, *, at_ms: int = NOW_MS) -> tuple[ARecord, m.Message]:
    return record(message, offset, at_ms=at_ms), message


def messages_of(outgoings: list[Outgoing]) -> list[m.Message]:
    return [decode(each.value) for each in outgoings]


# --- what is said -------------------------------------------------------------------------------------------------------


def test_an_outcome_goes_to_its_topic_under_its_own_key() -> None:
    outputs, _ = decided(ROOM, Ledger(0), entry(STOCKED, 41), entry(PlaceOrderLine(order_id=A), 42))
    assert [(output.topic, output.partition, output.key) for output in outputs] == [
        ("order.events", BY_KEY, A.encode())
    ]
    assert messages_of(outputs) == [LineReserved(order_id=A, expires_at_ms=NOW_MS + 900_000)]


def test_an_events_id_derives_from_its_cause() -> None:
    home = home_of(STOCKED)
    outputs, _ = decided(ROOM, Ledger(0), entry(STOCKED, 41), entry(PlaceOrderLine(), 42))
    assert [output.event_id.decode() for output in outputs] == [event_id(SOURCE, home, 42, 0)]


def test_outcomes_of_one_record_are_numbered() -> None:
    book = OrderKeyedState[Order](0)
    room = OrdersRoom()
    incoming = [LineReserved(line_count=2), LineRejected(line=2, line_count=2, demand=1)]
    outputs, _ = decide_records(room, book, "order.events", [entry(fact, n) for n, fact in enumerate(incoming)], 0)
    home = home_of(incoming[1])
    assert [output.event_id.decode() for output in outputs] == [
        event_id("order.events", home, 1, index) for index in (0, 1)
    ]


def test_deciding_again_publishes_the_same_under_the_same_ids() -> None:
    log = [entry(STOCKED, 1), entry(PlaceOrderLine(), 2), entry(PlaceOrderLine(order_id=B), 3)]
    assert decided(ROOM, Ledger(0), *log) == decided(ROOM, Ledger(0), *log)


def test_what_follows_from_no_record_has_no_id() -> None:
    assert outgoing(m.StockLevel("MUG", 1, 0, 0, 1, 0)).event_id == b""


def test_what_is_addressed_to_a_partition_has_no_key() -> None:
    asked = outgoing(ExpireHolds(), partition=7)
    assert (asked.topic, asked.partition, asked.key) == (SOURCE, 7, None)


# --- time ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=samples(100), deadline=None, derandomize=True)
@given(st.lists(MOMENTS, min_size=1, max_size=20), MOMENTS)
def test_the_append_time_does_not_step_back_by_less_than_a_minute(appended_ms: list[int], known_ms: int) -> None:
    """A new leader's clock may be behind; decisions take the latest time seen."""
    ledger = Ledger(0)
    decided(ROOM, ledger, entry(ReceiveStock(quantity=20), at_ms=0))
    log = [entry(PlaceOrderLine(line=n, line_count=20), n, at_ms=at) for n, at in enumerate(appended_ms, start=1)]
    outputs, at_ms = decided(ROOM, ledger, *log, at_ms=known_ms)
    ends = [fact.expires_at_ms - 900_000 for fact in messages_of(outputs) if isinstance(fact, m.LineReserved)]
    assert ends == [max(known_ms, *appended_ms[:n], 0) for n in range(1, len(log) + 1)]
    assert at_ms == ends[-1]


DAY_MS = 86_400_000


def test_a_brokers_clock_that_is_a_day_ahead_for_a_moment_pushes_no_deadline_but_those_of_that_moment() -> None:
    ledger = Ledger(0)
    times_ms = [NOW_MS, NOW_MS + DAY_MS, NOW_MS + 1_000, NOW_MS + 2_000]
    log = [entry(PlaceOrderLine(line=n, line_count=4), n, at_ms=at) for n, at in enumerate(times_ms, start=1)]
    outputs, at_ms = decided(ROOM, ledger, entry(ReceiveStock(quantity=20), at_ms=NOW_MS), *log)
    ends = [fact.expires_at_ms - 900_000 for fact in messages_of(outputs) if isinstance(fact, m.LineReserved)]
    assert ends == times_ms
    assert at_ms == NOW_MS + 2_000


def test_what_was_decided_of_two_topics_does_not_take_the_later_one_for_a_clock_set_back() -> None:
    log = [entry(STOCKED, 1, at_ms=DAY_MS), entry(STOCKED, 2, at_ms=0)]
    _, at_ms = decide_records(ROOM, Ledger(0), SOURCE, log, 0, step_ms=NO_STEP_MS)
    assert at_ms == DAY_MS
    _, at_ms = decide_records(ROOM, Ledger(0), SOURCE, log, 0)
    assert at_ms == 0


def test_a_refused_records_time_counts_as_well() -> None:
    refused = (record(STOCKED, 1, at_ms=5_000), RefusedError("key_mismatch", "for a test"))
    _, at_ms = decided(ROOM, Ledger(0), refused, entry(STOCKED, 2, at_ms=4_000))
    assert at_ms == 5_000


# --- dead letters -------------------------------------------------------------------------------------------------------


def letter_of(outgoings: list[Outgoing]) -> m.DeadLetter:
    [letter] = [decode(each.value) for each in outgoings if each.topic == "dead.letters"]
    assert isinstance(letter, m.DeadLetter)
    return letter


@pytest.mark.parametrize("value", [None, b"", b"\x00\x7f\xff\xff\xff", encode(STOCKED)[:-1], bytes(range(256))])
@pytest.mark.parametrize("key", [None, b"", b"MUG", b"\xff\x00"])
def test_a_refused_record_is_kept_whole_under_its_key(value: bytes | None, key: bytes | None) -> None:
    poison = ARecord(3, 1042, 7_000, key, value, [("ce_id", b"a"), ("odd", b"\xff")])
    outputs, _ = decided(ROOM, Ledger(0), (poison, RefusedError("undecodable", "no Avro")))
    assert (outputs[0].topic, outputs[0].key) == ("dead.letters", key)
    assert letter_of(outputs) == m.DeadLetter(
        room="inventory",
        topic=SOURCE,
        partition=3,
        offset=1042,
        key=key,
        value=value,
        headers={"ce_id": b"a", "odd": b"\xff"},
        reason="undecodable",
        detail="no Avro",
        at_ms=7_000,
    )


def test_a_header_without_a_value_is_kept_as_an_empty_one() -> None:
    headers: Any = [("traceparent", None)]
    outputs, _ = decided(ROOM, Ledger(0), (ARecord(3, 1, 0, None, None, headers), RefusedError("empty_value", "null")))
    assert letter_of(outputs).headers == {"traceparent": b""}


def test_headers_of_one_name_are_all_kept() -> None:
    headers = [("a#3", b"1"), ("a", b"2"), ("a", b"3"), ("a", b"4")]
    outputs, _ = decided(ROOM, Ledger(0), (ARecord(3, 1, 0, None, None, headers), RefusedError("empty_value", "null")))
    assert letter_of(outputs).headers == {"a#3": b"1", "a": b"2", "a#3#3": b"3", "a#4": b"4"}


def test_what_the_room_refuses_is_a_dead_letter_and_the_partition_moves_on() -> None:
    unnamed = PlaceOrderLine(order_id="order 66")
    outputs, _ = decided(ROOM, Ledger(0), entry(STOCKED, 1), entry(unnamed, 2), entry(PlaceOrderLine(), 3))
    assert letter_of(outputs).reason == "invalid_order_id"
    assert letter_of(outputs).value == encode(unnamed)
    assert [type(each) for each in messages_of(outputs)] == [m.DeadLetter, m.LineReserved]


def test_two_dead_letters_never_share_an_id() -> None:
    refusal = RefusedError("key_mismatch", "for a test")
    outputs, _ = decided(ROOM, Ledger(0), (record(STOCKED, 1), refusal), (record(STOCKED, 2), refusal))
    assert len({each.event_id for each in outputs}) == 2


def test_a_decision_that_fails_is_a_dead_letter_and_changes_nothing() -> None:
    """A bug in a decision must not stop the partition for good, and must not leave half a change behind."""
    ledger = Ledger(0)
    decided(ROOM, ledger, entry(STOCKED))
    before = msgspec.json.encode((ledger.stocks, ledger.before, sorted(ledger.commands)))
    outputs, _ = decided(FailsOnMugs(), ledger, entry(PlaceOrderLine(sku="MUG"), 1))
    assert letter_of(outputs).reason == "decision_failed"
    assert "ZeroDivisionError" in letter_of(outputs).detail
    assert (ledger.holds, ledger.held) == ({}, set())
    assert msgspec.json.encode((ledger.stocks, ledger.before, sorted(ledger.commands))) == before
    outputs, _ = decided(FailsOnMugs(), ledger, entry(PlaceOrderLine(sku="TEE"), 2))
    assert [type(each) for each in messages_of(outputs)] == [m.LineRejected], "the next record is decided"


class DecidesTheUnwritable(InventoryRoom):
    """Answers orders of mugs, and then once more with a number that Avro does not hold."""

    @override
    def decide(self, state: Ledger, message: m.Message, at_ms: int) -> Iterable[m.Message | RefusedError]:
        for outcome in super().decide(state, message, at_ms):
            yield outcome
            if isinstance(message, m.PlaceOrderLine) and message.sku == "MUG":
                yield m.StockLevel("MUG", 2**63, 0, 0, 0, 0)


def test_an_answer_that_cannot_be_written_down_is_a_dead_letter_and_leaves_no_trace_in_memory() -> None:
    ledger = Ledger(0)
    decided(ROOM, ledger, entry(STOCKED))
    outputs, _ = decided(DecidesTheUnwritable(), ledger, entry(PlaceOrderLine(sku="MUG"), 1), entry(STOCKED, 2))
    assert letter_of(outputs).reason == "decision_failed"
    assert "beyond an Avro long" in letter_of(outputs).detail
    assert (ledger.holds, ledger.new_holds, ledger.stocks["MUG"].reserved) == ({}, {}, 0)
    assert [type(each) for each in messages_of(outputs)] == [m.DeadLetter, m.RecordDeadLettered], (
        "nor is the answer before it said"
    )


class EvolvesByHalf(InventoryRoom):
    """Fails at the third outcome that it applies."""

    @override
    def evolve(self, state: Ledger, message: m.Message, outcomes: Sequence[Any], at_ms: int) -> None:
        super().evolve(state, message, outcomes[:2], at_ms)
        if len(outcomes) > 2:
            raise ZeroDivisionError


def test_a_change_that_fails_in_the_middle_is_never_a_dead_letter_for_half_of_it_has_happened() -> None:
    ledger, lines = Ledger(0), [PlaceOrderLine(order_id=A, line=line, line_count=3) for line in (1, 2, 3)]
    decided(ROOM, ledger, entry(ReceiveStock(quantity=9), 1), *(entry(line, 2 + n) for n, line in enumerate(lines)))
    expiry = ExpireHolds(as_of_ms=2 * NOW_MS)
    with pytest.raises(EvolveFailedError, match="inventory failed while it applied its decision about ExpireHolds"):
        decided(EvolvesByHalf(), ledger, entry(expiry, 9, at_ms=2 * NOW_MS))


@pytest.mark.parametrize("room", [*replayed_rooms(), NotificationsRoom(cast("Any", None))], ids=lambda room: room.name)
def test_whichever_room_fails_to_evolve_nothing_of_its_batch_may_be_committed(
    room: Room[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(room), "evolve", fails)
    monkeypatch.setattr(type(room), "outcomes", lambda *_: [])
    with pytest.raises(EvolveFailedError):
        decided(room, room.new_state(0), entry(STOCKED, 1))


def test_a_dead_letters_detail_is_short_however_long_the_key() -> None:
    """dead.letters takes 2 MiB: a letter that is refused there would stop its partition."""
    huge = ARecord(home_of(STOCKED), 1, 0, b"\xff" * 500_000, encode(STOCKED))
    with pytest.raises(RefusedError) as caught:
        read(ROOM.accepts, huge, home_of(STOCKED), Partitioning(PARTITIONS))
    assert len(caught.value.detail) < 10_000
