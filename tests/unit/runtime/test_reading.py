from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from consumers.runtime.deciding.batch import decode_records
from consumers.runtime.deciding.letters import dead_letter
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.deciding.record import MisroutedRecord, read
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.given_when_then import (
    ExpireHolds,
    LineCommandRefused,
    OrderPaid,
    PlaceOrderLine,
    ReceiveStock,
    ReleaseLine,
)
from tests.samples import samples
from tests.unit.runtime.records import PARTITIONS, ARecord, home_of, record
from topology.partitioner import partition_of

INVENTORY, ORDERS = InventoryRoom(), OrdersRoom()
HERE = Partitioning(PARTITIONS)
MUG = PlaceOrderLine(sku="MUG")


def refused(change: Callable[[ARecord], ARecord]) -> RefusedError:
    faulty = change(record(MUG))
    with pytest.raises(RefusedError) as caught:
        read(INVENTORY.accepts, faulty, home_of(MUG), HERE)
    return caught.value


def test_a_record_where_it_belongs_is_read() -> None:
    assert read(INVENTORY.accepts, record(MUG), home_of(MUG), HERE) == MUG


@pytest.mark.parametrize("fact", [OrderPaid(), LineCommandRefused(command="ReleaseLine")])
def test_what_a_room_does_not_accept_is_skipped_even_if_its_body_is_broken(fact: m.Message) -> None:
    whole = record(fact)
    broken = msgspec.structs.replace(whole, value=(whole.value or b"")[:-1], key=b"another key")
    assert read(ORDERS.accepts, broken, home_of(fact), HERE) is None


@pytest.mark.parametrize("key", [b"", b"TEE", b"mug"])
def test_a_key_that_is_not_the_messages_is_refused(key: bytes | None) -> None:
    assert refused(lambda original: msgspec.structs.replace(original, key=key)).reason == "key_mismatch"


def test_a_record_where_its_key_does_not_belong_is_read_with_the_partition_where_it_does() -> None:
    there = (home_of(MUG) + 1) % PARTITIONS
    astray = msgspec.structs.replace(record(MUG), partition=there)
    assert read(INVENTORY.accepts, astray, home_of(MUG), HERE) == MisroutedRecord(home_of(MUG), b"MUG", MUG)


@pytest.mark.parametrize("partition", range(2))
def test_a_record_without_a_key_belongs_under_that_of_its_message(partition: int) -> None:
    keyless = msgspec.structs.replace(record(MUG), key=None, partition=(home_of(MUG) + partition) % PARTITIONS)
    assert read(INVENTORY.accepts, keyless, 0, HERE) == MisroutedRecord(home_of(MUG), b"MUG", MUG)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty_value"),
        (b"", "empty_value"),
        (b'{"sku": "MUG"}', "not_wire_format"),
        (b"\x00\x7f\xff\xff\xff", "unknown_schema_id"),
        (encode(MUG)[:-3], "truncated_body"),
        (encode(MUG) + b"!", "trailing_bytes"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_the_reason(value: bytes | None, reason: str) -> None:
    assert refused(lambda original: msgspec.structs.replace(original, value=value)).reason == reason


EDITS = (st.integers(0, len(encode(MUG)) - 6), st.binary(max_size=3))
HEADS = [encode(message)[:5] for message in (MUG, ReceiveStock(), ReleaseLine(), ExpireHolds(), OrderPaid())]
BODIES = st.one_of(
    st.binary(max_size=120),
    st.builds(lambda whole, at, byte: whole[:at] + byte + whole[at + 1 :], st.just(encode(MUG)[5:]), *EDITS),
    st.builds(lambda size, rest: size + rest, st.binary(min_size=1, max_size=11), st.binary(max_size=40)),
)
VALUES = st.one_of(st.none(), st.binary(max_size=60), st.builds(bytes.__add__, st.sampled_from(HEADS), BODIES))
KEYS = st.one_of(st.none(), st.just(b"MUG"), st.binary(max_size=8), st.sampled_from([b"k" * 1_000, b"\xff" * 3_000]))
HEADERS = st.lists(st.tuples(st.text(max_size=3), st.one_of(st.none(), st.binary(max_size=3))), max_size=4)


@settings(max_examples=samples(400), deadline=None, derandomize=True)
@given(st.lists(st.builds(ARecord, st.just(3), st.just(7), st.just(1), KEYS, VALUES, HEADERS), min_size=1, max_size=5))
def test_whatever_the_bytes_are_they_are_read_or_refused_and_what_is_refused_is_kept_whole(
    records: list[ARecord],
) -> None:
    for raw, read_as in decode_records(INVENTORY.accepts, records, HERE):
        if isinstance(read_as, RefusedError):
            kept = decode(dead_letter("inventory", raw, "inventory.commands", read_as, 1).value)
            assert isinstance(kept, m.DeadLetter)
            assert (kept.key, kept.value, kept.reason) == (raw.key, raw.value, read_as.reason)
            assert list(kept.headers.values()) == [value or b"" for _, value in raw.headers]
        elif isinstance(read_as, MisroutedRecord):
            assert raw.key in {None, read_as.key}
            assert encode(read_as.message) == raw.value
        else:
            assert isinstance(read_as, m.Message)
            assert encode(read_as) == raw.value


def test_what_is_addressed_to_a_partition_needs_no_key() -> None:
    expiry = ExpireHolds()
    asked = ARecord(partition=7, offset=0, timestamp=0, key=None, value=encode(expiry))
    assert read(INVENTORY.accepts, asked, home_partition=3, partitioning=HERE) == expiry


def test_messages_of_other_rooms_are_left_out_and_refused_ones_are_kept() -> None:
    place, receive, release = MUG, ReceiveStock(sku="MUG"), ReleaseLine(sku="MUG")
    records = [
        record(place, 10),
        msgspec.structs.replace(record(receive, 11), value=encode(OrderPaid())),
        msgspec.structs.replace(record(receive, 14), key=b"TEE"),
        record(release, 15),
        msgspec.structs.replace(record(receive, 19), value=encode(OrderPaid())),
    ]
    readings = decode_records(INVENTORY.accepts, records, HERE)
    assert [(raw.offset, type(read_as)) for raw, read_as in readings] == [
        (10, m.PlaceOrderLine),
        (14, RefusedError),
        (15, m.ReleaseLine),
    ]


def test_a_whole_batch_is_checked_against_its_partition() -> None:
    """Ten keys of many lengths in the partition of one: all but that one are misrouted."""
    skus = [f"SKU-{'x' * n}" for n in range(10)]
    home = home_of(ReceiveStock(sku=skus[0]))
    records = [msgspec.structs.replace(record(ReceiveStock(sku=sku), n), partition=home) for n, sku in enumerate(skus)]
    readings = decode_records(INVENTORY.accepts, records, HERE)
    at_home = [home_of(ReceiveStock(sku=sku)) == home for sku in skus]
    assert [not isinstance(read_as, MisroutedRecord) for _, read_as in readings] == at_home
    assert not all(at_home)


def another_key(partition: int) -> bytes:
    """Return a key that belongs to the partition, and to no message here."""
    keys = (b"KEY-%d" % number for number in range(1_000))
    return next(key for key in keys if partition_of(key, PARTITIONS) == partition)


OFF: list[Callable[[ARecord], ARecord]] = [
    lambda whole: whole,
    lambda whole: msgspec.structs.replace(whole, key=another_key(whole.partition)),
    lambda whole: msgspec.structs.replace(whole, key=None),
    lambda whole: msgspec.structs.replace(whole, partition=(whole.partition + 1) % PARTITIONS),
    lambda whole: msgspec.structs.replace(whole, value=None),
    lambda whole: msgspec.structs.replace(whole, value=(whole.value or b"")[:-1]),
    lambda whole: msgspec.structs.replace(whole, value=encode(OrderPaid())),
]


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("kind", [MUG, OrderPaid()])
def test_records_of_one_type_are_read_together_as_each_by_itself(
    off: Callable[[ARecord], ARecord], at: int, kind: m.Message
) -> None:
    records = [record(kind, number) for number in range(3)]
    records[at] = off(records[at])
    expected: list[tuple[int, object]] = []
    for each in records:
        try:
            read_as = read(INVENTORY.accepts, each, partition_of(each.key or b"", PARTITIONS), HERE)
        except RefusedError as refusal:
            expected.append((each.offset, refusal.reason))
        else:
            expected += [(each.offset, read_as)] if read_as is not None else []
    readings = decode_records(INVENTORY.accepts, records, HERE)
    assert [(r.offset, a.reason if isinstance(a, RefusedError) else a) for r, a in readings] == expected
