"""Our readers of record batches read whatever aiokafka can write as aiokafka reads it, and keep what that cannot.

There are two: one is aiokafka's parser with a count of its records, the other a parser of our own for where that stops.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.runtime.deciding.letters import dead_letter
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.deciding.record import (
    MALFORMED_ATTRIBUTES,
    MALFORMED_HEADERS,
    MALFORMED_OFFSET,
    MalformedRecord,
    read,
)
from consumers.runtime.kafka.reading.offset_check import FetchedRecord, NumberedRecords, OffsetMismatchError
from consumers.runtime.kafka.reading.read_records import Records
from consumers.runtime.kafka.reading.record_batch import RecordBatch, RecordBatches
from schemas.codec.wire import decode, encode
from schemas.messages import DeadLetter, ReceiveStock
from tests.harness.raw import LAST_DELTA_AT, RawRecord, attributes_at, batch_of, sealed

TP = TopicPartition("inventory.commands", 0)
GOOD = encode(ReceiveStock("r", "MUG", 1))
LOG_APPEND_TIME, CONTROL = 0x08, 0x20
ATTRIBUTES_AT = 21

nullable = st.none() | st.binary(max_size=300)
names = st.text(max_size=20).map(str.encode)
records = st.tuples(nullable, nullable, st.lists(st.tuples(names, nullable), max_size=4))
batches = st.tuples(
    st.lists(records, min_size=1, max_size=8),
    st.fixed_dictionaries(
        {
            "compression_type": st.sampled_from([0, 1]),
            "is_transactional": st.booleans(),
            "producer_id": st.sampled_from([-1, 7, 8]),
        }
    ),
    st.sampled_from([0, LOG_APPEND_TIME]),
)


def placed(batch: bytearray, base: int, *attributes: int) -> bytes:
    """Return the batch as the broker keeps it: at its offset, with what it adds to the attributes."""
    batch[0:8] = base.to_bytes(8, "big")
    batch[ATTRIBUTES_AT + 1] |= sum(attributes)
    return sealed(batch)


def read_by(parser: Any, data: bytes, **changes: Any) -> tuple[list[ConsumerRecord], int]:
    options = {"aborted": [], "start": 0, "isolation": 1} | changes
    unread = PartitionRecords(
        TP, parser(data), options["aborted"], options["start"], None, None, True, options["isolation"]
    )
    return list(unread), unread.next_fetch_offset


def salvaged(data: bytes, start: int = 0) -> list[Any]:
    return list(Records(TP, RecordBatches(data), [], start, None, None, True, 1))


def counted(data: bytes, start: int = 0, aborted: Any = (), isolation: int = 1) -> tuple[list[FetchedRecord], int]:
    """Read as a room reads."""
    unread = NumberedRecords.of(PartitionRecords(TP, MemoryRecords(data), aborted, start, None, None, True, isolation))
    return list(unread), unread.next_fetch_offset


def plain(records: list[Any]) -> list[tuple[Any, ...]]:
    """Return as much of each record as is read."""
    return [
        (record.partition, record.offset, record.timestamp, record.key, record.value, list(record.headers))
        for record in records
    ]


@given(st.lists(batches, max_size=4), st.integers(0, 12), st.booleans(), st.integers(0, 200), st.data())
def test_what_aiokafka_can_write_is_read_as_aiokafka_reads_it(
    made: list[tuple[list[RawRecord], dict[str, Any], int]], start: int, committed: bool, cut: int, data: st.DataObject
) -> None:
    log, base = b"", 0
    for made_records, changes, time in made:
        log += placed(batch_of(made_records, **changes), base, time)
        base += len(made_records)
    aborted = data.draw(st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 12)), max_size=2))
    log = log[: len(log) - cut] if cut < len(log) else log
    options: dict[str, Any] = {"aborted": aborted, "start": start, "isolation": int(committed)}
    expected, end = read_by(MemoryRecords, log, **options)
    assert read_by(RecordBatches, log, **options) == (expected, end)
    parsed, parsed_end = counted(log, **options)
    assert (plain(parsed), parsed_end) == (plain(expected), end)


DELTAS = st.lists(st.integers(-3, 9) | st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5)


@given(st.lists(DELTAS | st.integers(1, 5).map(lambda count: list(range(count))), min_size=1, max_size=4), st.data())
def test_whatever_records_say_of_their_offsets_each_stands_at_its_own_and_who_errs_is_refused(
    batches: list[list[int]], data: st.DataObject
) -> None:
    log, base, expected = b"", 0, []
    for deltas in batches:
        written: list[RawRecord] = [(b"MUG", b"%d" % (base + place), []) for place in range(len(deltas))]
        log += placed(batch_of(written, deltas), base)
        expected += [place == delta for place, delta in enumerate(deltas)]
        base += len(deltas)
    start = data.draw(st.integers(0, len(batches[0]) - 1))  # a broker begins with the batch that holds it
    parsed = salvaged(log, start)
    assert [record.offset for record in parsed] == list(range(start, base))
    assert [record.body if isinstance(record, MalformedRecord) else record.value for record in parsed] == [
        b"%d" % offset for offset in range(start, base)
    ]
    assert [isinstance(record, MalformedRecord) for record in parsed] == [not right for right in expected[start:]]
    assert {record.reason for record in parsed if isinstance(record, MalformedRecord)} <= {MALFORMED_OFFSET}
    if all(expected):
        assert counted(log, start)[1] == base
    else:
        with pytest.raises(OffsetMismatchError):
            counted(log)


def test_before_the_first_record_that_errs_none_is_read_otherwise_than_where_it_stands() -> None:
    batch = placed(batch_of([(b"MUG", GOOD, [])] * 4, deltas=[0, 1, 5, 3]), 10)
    unread = NumberedRecords.of(PartitionRecords(TP, MemoryRecords(batch), [], 10, None, None, True, 1))
    assert [next(unread).offset for _ in range(2)] == [10, 11]
    with pytest.raises(OffsetMismatchError, match=r"record 12 .* says that its offset is 15"):
        next(unread)


def test_a_compacted_batch_is_left_to_our_own_parser_which_believes_its_gaps() -> None:
    batch = batch_of([(b"MUG", GOOD, [])] * 3, deltas=[1, 4, 7])
    batch[LAST_DELTA_AT : LAST_DELTA_AT + 4] = (7).to_bytes(4, "big")
    with pytest.raises(OffsetMismatchError):
        counted(placed(batch, 20))
    assert [(record.offset, record.value) for record in salvaged(placed(batch, 20))] == [
        (21, GOOD),
        (24, GOOD),
        (27, GOOD),
    ]


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_from_before_headers_are_read_as_aiokafka_reads_them(magic: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 16)
    for offset in range(3):
        builder.append(offset, timestamp=1_000 + offset, key=b"MUG", value=GOOD)
    old, new = bytes(builder.build()), placed(batch_of([(b"MUG", GOOD, [])]), 3)
    with pytest.raises(OffsetMismatchError):
        counted(old)
    assert read_by(RecordBatches, old) == read_by(MemoryRecords, old)
    parsed, end = read_by(RecordBatches, old + new)
    assert ([record.offset for record in parsed], end) == ([0, 1, 2, 3], 4)


def test_a_transactions_marker_is_passed_over() -> None:
    marker = placed(batch_of([(b"\0\0\0\0", b"\0\0\0\0\0\0", [])], producer_id=7, is_transactional=1), 1, CONTROL)
    log = placed(batch_of([(b"MUG", GOOD, [])], producer_id=7, is_transactional=1), 0) + marker
    log += placed(batch_of([(b"MUG", GOOD, [])], producer_id=7, is_transactional=1), 2)
    parsed, end = read_by(RecordBatches, log, aborted=[(7, 0)])
    assert ([record.offset for record in parsed], end) == ([2], 3)
    assert (parsed, end) == read_by(MemoryRecords, log, aborted=[(7, 0)])
    assert plain(counted(log, aborted=[(7, 0)])[0]) == plain(parsed)


def test_a_name_that_is_not_utf_8_stays_what_it_is_and_its_neighbours_are_read() -> None:
    bad: RawRecord = (b"MUG", GOOD, [(b"ok", b"1"), (b"\xff\xfe", None)])
    batch = placed(batch_of([(b"MUG", GOOD, []), bad, (b"MUG", None, [])]), 5)
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(batch))
    parsed = list(RecordBatch(memoryview(batch)))
    assert [record.offset for record in parsed] == [5, 6, 7]
    assert parsed[1].headers == [("ok", b"1"), (b"\xff\xfe", None)]


@given(st.lists(st.tuples(st.binary(max_size=20), nullable), max_size=5), nullable)
def test_a_record_with_such_a_name_is_refused_whole_and_its_bytes_can_be_had_again(
    headers: list[tuple[bytes, bytes | None]], value: bytes | None
) -> None:
    headers = [(b"\xffbad\\", b"1"), *headers]
    [record] = salvaged(placed(batch_of([(b"MUG", value, headers)]), 3))
    assert isinstance(record, MalformedRecord)
    with pytest.raises(RefusedError) as refusal:
        read(InventoryRoom.accepts, record, 0, Partitioning(1))
    assert refusal.value.reason == MALFORMED_HEADERS
    letter = decode(dead_letter("inventory", record, TP.topic, refusal.value, 9).value)
    assert isinstance(letter, DeadLetter)
    assert (letter.key, letter.value, letter.offset) == (b"MUG", value, 3)
    assert list(letter.headers.values()) == [content or b"" for _, content in headers]
    for (shown, _), (raw, _) in zip(record.headers, headers, strict=True):
        assert raw in (shown.encode(), unescaped(shown))


def unescaped(shown: str) -> bytes:
    return re.sub(
        rb"\\(x[0-9a-f]{2}|\\)",
        lambda match: b"\\" if match[1] == b"\\" else bytes.fromhex(match[1][1:].decode()),
        shown.encode(),
    )


@pytest.mark.parametrize("attributes", [0x80, 0xFF])
def test_attributes_that_mislead_aiokafka_have_their_record_refused_and_no_other(attributes: int) -> None:
    batch = batch_of([(b"MUG", GOOD, []), (b"MUG", GOOD, [(b"name", b"1")]), (b"MUG", GOOD, [])])
    batch[attributes_at(batch, record=1)] = attributes
    with pytest.raises(CorruptRecordException):
        read_by(MemoryRecords, placed(batch, 4))
    first, odd, last = salvaged(placed(batch, 4))
    assert (first.offset, first.value, last.offset, last.value) == (4, GOOD, 6, GOOD)
    assert isinstance(odd, MalformedRecord)
    assert (odd.offset, odd.body, odd.headers, odd.reason) == (5, GOOD, [("name", b"1")], MALFORMED_ATTRIBUTES)


@pytest.mark.parametrize("at", [61, 70, -1])
def test_a_changed_byte_is_no_record(at: int) -> None:
    batch = bytearray(placed(batch_of([(b"MUG", GOOD, [])]), 0))
    batch[at] ^= 1
    with pytest.raises(CorruptRecordException):
        read_by(RecordBatches, bytes(batch))


@given(st.data())
def test_what_is_sealed_but_no_batch_is_distinguished_from_a_record(data: st.DataObject) -> None:
    batch = batch_of([(b"MUG", GOOD, [(b"name", b"value")])] * 2)
    at = data.draw(st.integers(61, len(batch) - 1))
    batch[at] = data.draw(st.integers(0, 255))
    try:
        parsed, _ = read_by(RecordBatches, placed(batch, 0))
    except CorruptRecordException:
        return
    assert all(isinstance(record, ConsumerRecord) for record in parsed)


def test_a_codec_that_is_not_there_is_named() -> None:
    batch = placed(batch_of([(b"MUG", GOOD, [])]), 0, 7)
    with pytest.raises(UnsupportedCodecError):
        read_by(RecordBatches, batch)
