"""What becomes of a record that stands where its key does not belong, or came without one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.catalogue.room import CatalogueRoom
from consumers.errors import RefusedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.intake.room import IntakeRoom
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.orders.room import OrdersRoom
from consumers.runtime.deciding.batch import decode_records
from consumers.runtime.deciding.decision import decide_records
from consumers.runtime.deciding.letters import OF_AN_ORDER
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.deciding.record import MalformedRecord, MisroutedRecord
from consumers.runtime.room import Room, Routing
from producers.publisher import BY_KEY, FORWARDED, Outgoing
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.given_when_then import NOW_MS, A, CancelOrder, LineReserved, PlaceOrderLine, ReceiveStock
from tests.samples import samples
from tests.unit.runtime.records import PARTITIONS, ARecord
from topology.partitioner import partition_of
from topology.rules import FORWARDS_MISROUTED, NEWEST
from topology.topics import ANYONE, DEAD_LETTERS, INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS, key_of

INVENTORY, INTAKE, ORDERS = InventoryRoom(), IntakeRoom(), OrdersRoom()
SOURCE = INVENTORY_COMMANDS.name
HERE = Partitioning(PARTITIONS)
MUG = PlaceOrderLine(sku="MUG")
HOME = partition_of(b"MUG", PARTITIONS)
BEFORE = FORWARDS_MISROUTED - 1


def astray(message: m.Message, *, by: int = 1, **fields: Any) -> ARecord:
    """Return a record of a message so many partitions beside its own."""
    key = key_of(message) or b""
    partition = (partition_of(key, PARTITIONS) + by) % PARTITIONS
    return msgspec.structs.replace(ARecord(partition, 7, NOW_MS, key, encode(message), ()), **fields)


def decided(room: Any, source: str, record: Any, version: int = NEWEST) -> list[Outgoing]:
    readings = decode_records(room.accepts, [record], HERE)
    return decide_records(room, room.new_state(record.partition), source, readings, 0, rules_version=version)[0]


def messages_of(outputs: list[Outgoing]) -> list[m.Message]:
    return [decode(output.value) for output in outputs]


# --- forwarding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [InventoryRoom(), IntakeRoom(), CatalogueRoom(), OrdersRoom(), FulfilmentRoom()])
def test_what_the_outside_writes_is_routed_and_events_of_rooms_are_not(room: Room[Any]) -> None:
    assert (room.routing is not Routing.REFUSES) == (ANYONE in room.source.written_by)


def test_a_record_in_the_wrong_partition_goes_whole_to_where_its_key_belongs() -> None:
    record = astray(MUG, headers=(("ce_id", b"x"), ("traceparent", None)))
    [forward] = decided(INVENTORY, SOURCE, record)
    place = f"{SOURCE}/{record.partition}/7/forward".encode()
    assert forward == Outgoing(SOURCE, HOME, b"MUG", record.value, place, tuple(record.headers))


@pytest.mark.parametrize("by", [0, 1])
def test_a_record_without_a_key_goes_under_that_of_its_message_even_in_its_own_partition(by: int) -> None:
    [forward] = decided(INVENTORY, SOURCE, astray(MUG, by=by, key=None))
    assert (forward.topic, forward.partition, forward.key) == (SOURCE, HOME, b"MUG")


def test_a_forwarded_record_that_is_misrouted_again_is_a_dead_letter() -> None:
    record = astray(MUG, headers=((FORWARDED, f"{SOURCE}/3/1/forward".encode()),))
    letter, event = messages_of(decided(INVENTORY, SOURCE, record))
    assert isinstance(letter, m.DeadLetter)
    assert letter.reason == "wrong_partition"
    assert isinstance(event, m.RecordDeadLettered)


@pytest.mark.parametrize(("key", "reason"), [(b"MUG", "wrong_partition"), (None, "key_mismatch")])
def test_earlier_rules_decide_as_they_did(key: bytes | None, reason: str) -> None:
    [letter] = messages_of(decided(INVENTORY, SOURCE, astray(MUG, key=key), BEFORE))
    assert isinstance(letter, m.DeadLetter)
    assert letter.reason == reason
    assert ("key b'MUG' belongs" if key else "the record's key is None") in letter.detail


def test_a_key_that_disagrees_with_its_message_is_a_dead_letter_still() -> None:
    letter, _ = messages_of(decided(INVENTORY, SOURCE, astray(MUG, by=0, key=b"TEE")))
    assert isinstance(letter, m.DeadLetter)
    assert letter.reason == "key_mismatch"


@pytest.mark.parametrize("key", [A.encode(), None])
def test_intake_takes_a_command_in_wherever_it_stands(key: bytes | None) -> None:
    record = astray(CancelOrder(order_id=A), key=key)
    [taken] = decided(INTAKE, ORDER_COMMANDS.name, record)
    assert taken == Outgoing(
        ORDER_EVENTS.name,
        BY_KEY,
        A.encode(),
        record.value or b"",
        f"{ORDER_COMMANDS.name}/{record.partition}/7/intake:0".encode(),
    )
    [letter] = messages_of(decided(INTAKE, ORDER_COMMANDS.name, record, BEFORE))
    assert isinstance(letter, m.DeadLetter)


def test_an_event_in_the_wrong_partition_is_a_dead_letter_of_whoever_reads_it() -> None:
    letter, event = messages_of(decided(ORDERS, ORDER_EVENTS.name, astray(LineReserved(order_id=A))))
    assert isinstance(letter, m.DeadLetter)
    assert isinstance(event, m.RecordDeadLettered)


PLACES = st.lists(st.tuples(st.sampled_from("ABCDEFG"), st.integers(0, 3), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=samples(100), deadline=None, derandomize=True)
@given(PLACES, st.booleans())
def test_wherever_records_stand_each_line_is_decided_once_and_nothing_is_oversold(
    places: list[tuple[str, int, bool]], doubled: bool
) -> None:
    """Four partitions, 3 units of each SKU, records anywhere with or without a key; what is forwarded may be published twice."""
    partitioning = Partitioning(4)
    logs: dict[int, list[ARecord]] = {partition: [] for partition in range(4)}
    append(logs, *((ReceiveStock(sku=sku, command_id=sku, quantity=3), None, True) for sku in "ABCDEFG"))
    orders = [f"01a0bf2a-1000-7c3e-8f00-{n:012x}" for n in range(len(places))]
    append(logs, *((PlaceOrderLine(order_id=o, sku=s), p, k) for o, (s, p, k) in zip(orders, places, strict=True)))
    answers: dict[str, m.Message] = {}
    ledgers, read = {partition: Ledger(partition) for partition in logs}, dict.fromkeys(logs, 0)
    while any(read[partition] < len(log) for partition, log in logs.items()):
        for partition, ledger in ledgers.items():
            records = logs[partition][read[partition] :]
            read[partition] = len(logs[partition])
            readings = decode_records(INVENTORY.accepts, records, partitioning)
            outputs, _ = decide_records(INVENTORY, ledger, SOURCE, readings, 0)
            for output in outputs:
                if output.topic == SOURCE:
                    for _ in range(1 + doubled):
                        home = logs[output.partition]
                        headers: Any = (*(output.headers or ()), (FORWARDED, output.event_id))
                        home.append(ARecord(output.partition, len(home), NOW_MS, output.key, output.value, headers))
                elif isinstance(answer := decode(output.value), m.LineReserved | m.LineRejected):
                    assert answers.setdefault(answer.order_id, answer) == answer
    assert set(answers) == set(orders)
    for sku in "ABCDEFG":
        wanted = sum(place[0] == sku for place in places)
        reserved = sum(isinstance(event, m.LineReserved) and event.sku == sku for event in answers.values())
        assert reserved <= min(3, wanted)


def append(logs: dict[int, list[ARecord]], *published: tuple[m.Message, int | None, bool]) -> None:
    """Append records to the partition that is given, or to their own, with their key or without."""
    for message, given_partition, has_key in published:
        key = key_of(message) or b""
        partition = partition_of(key, len(logs)) if given_partition is None else given_partition
        log = logs[partition]
        log.append(ARecord(partition, len(log), NOW_MS, key if has_key else None, encode(message), ()))


def test_misrouted_records_are_handed_to_whoever_counts_them() -> None:
    record, misrouted = astray(MUG), list[tuple[Any, MisroutedRecord]]()
    readings = decode_records(INVENTORY.accepts, [record], HERE)
    decide_records(INVENTORY, Ledger(0), SOURCE, readings, 0, misrouted=misrouted)
    assert misrouted == [(record, MisroutedRecord(HOME, b"MUG", MUG))]


# --- dead letters are events of their orders --------------------------------------------------------------------------------


def refused(room: Any, source: str, record: Any, version: int = NEWEST) -> list[m.Message]:
    outputs = decided(room, source, record, version)
    assert outputs[0].topic == DEAD_LETTERS.name
    for output in outputs[1:]:
        assert output.topic == ORDER_EVENTS.name
        assert output.key == A.encode()
        assert output.event_id == f"{source}/{record.partition}/{record.offset}/{OF_AN_ORDER}{room.name}".encode()
    return messages_of(outputs[1:])


def test_a_dead_letter_whose_message_names_an_order_is_an_event_of_that_order() -> None:
    record = astray(MUG, by=0, key=b"TEE")
    [event] = refused(INVENTORY, SOURCE, record)
    assert isinstance(event, m.RecordDeadLettered)
    assert (event.order_id, event.room, event.message_type) == (A, "inventory", "PlaceOrderLine")
    assert (event.topic, event.partition, event.offset) == (SOURCE, record.partition, 7)
    assert refused(INVENTORY, SOURCE, record, BEFORE) == []


def test_where_nothing_can_be_read_the_key_of_an_orders_topic_names_it() -> None:
    record = ARecord(0, 7, 1, A.encode(), b"{}", ())
    [event] = refused(INTAKE, ORDER_COMMANDS.name, record)
    assert isinstance(event, m.RecordDeadLettered)
    assert (event.message_type, event.reason) == ("", "not_wire_format")


@pytest.mark.parametrize("key", [b"MUG", b"\xff", None, A.upper().encode()])
def test_what_names_no_order_is_a_dead_letter_only(key: bytes | None) -> None:
    assert refused(INTAKE, ORDER_COMMANDS.name, ARecord(0, 7, 1, key, b"{}", ())) == []
    assert refused(INVENTORY, SOURCE, ARecord(0, 7, 1, A.encode(), b"{}", ())) == []


def test_a_record_with_malformed_headers_is_read_for_its_order_only() -> None:
    record = MalformedRecord(
        partition=HOME,
        offset=7,
        timestamp=1,
        key=b"MUG",
        headers=[],
        body=encode(MUG),
        reason="malformed_headers",
        detail="x" * 900,
    )
    [event] = refused(INVENTORY, SOURCE, record)
    assert isinstance(event, m.RecordDeadLettered)
    assert len(event.detail) == 200


def test_a_refusal_is_no_misrouted_record() -> None:
    assert isinstance(decode_records(INVENTORY.accepts, [astray(MUG, key=b"x")], HERE)[0][1], RefusedError)
