"""How keys are partitioned, and what becomes of a record that was published by an earlier number of them."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.runtime.claim import HostedPartition
from consumers.runtime.deciding.batch import DecodedSlice, FetchedSlice, decode_records, decode_slice
from consumers.runtime.deciding.decision import decide_records
from consumers.runtime.deciding.partitioning import Generation, Partitioning, partitioning_of
from consumers.runtime.deciding.record import Forward, MisroutedRecord
from consumers.runtime.deciding.routing import MAX_FORWARDED_BYTES, settle
from producers.publisher import FORWARDED, Outgoing
from schemas.codec.wire import encode
from tests.given_when_then import PlaceOrderLine
from tests.samples import samples
from tests.unit.runtime.records import ARecord
from topology.partitioner import partition_of

ROOM = InventoryRoom()
SOURCE = "inventory.commands"
SKUS = st.text("ABCDEFGHIJ0123456789-", min_size=1, max_size=12)
GROWTH = st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True).map(sorted)


def partitioning_by(*counts: int) -> Partitioning:
    """Return the partitioning of a topic that had these numbers of partitions, one after the other."""
    return partitioning_of([Generation(count, (0,) * count) for count in counts])


def published(sku: str, partition: int, *headers: tuple[str, Any], offset: int = 7) -> ARecord:
    return ARecord(partition, offset, 1_000, sku.encode(), encode(PlaceOrderLine(sku=sku)), headers)


def read_as(record: ARecord, partitioning: Partitioning) -> Any:
    [(_, message)] = decode_records(ROOM.accepts, [record], partitioning)
    return message


def sent_on(record: ARecord, partitioning: Partitioning) -> Outgoing:
    [outgoing], _ = decide_records(ROOM, Ledger(record.partition), SOURCE, [(record, read_as(record, partitioning))], 0)
    return outgoing


# --- generations --------------------------------------------------------------------------------------------------------


def test_a_topic_that_never_changed_is_decided_without_end() -> None:
    partitioning = partitioning_by(4)
    assert (partitioning.partitions, partitioning.earlier, partitioning.stop(3)) == (4, (), None)


def test_an_announced_generation_stops_the_partitions_of_the_one_before() -> None:
    partitioning = partitioning_of([Generation(2, (0, 0)), Generation(3, (5, 9, 0), in_force=False)])
    assert partitioning.partitions == 2
    assert [partitioning.stop(partition) for partition in range(3)] == [5, 9, None]
    assert partitioning.earlier == ()


def test_a_generation_in_force_stops_nobody_and_knows_what_was_before() -> None:
    assert partitioning_by(2, 3, 8) == Partitioning(8, earlier=(2, 3))


@pytest.mark.parametrize(
    ("offsets", "span"),
    [
        ([3, 4, 5, 6], (3, 5)),
        ([3, 6], (3, 5)),  # a transaction's marker stands at 4
        ([6, 7], (3, 5)),
        ([5], (3, 5)),
    ],
)
def test_the_last_run_ends_exactly_where_the_next_generation_starts(offsets: list[int], span: tuple[int, int]) -> None:
    two_generations = partitioning_of([Generation(1, (0,)), Generation(2, (5, 0), in_force=False)])
    claim = HostedPartition(0, [], 3)
    records = [published("MUG", 0, offset=offset) for offset in offsets]
    fetched = FetchedSlice(TopicPartition(SOURCE, 0), claim, records, 3, offsets[-1] + 1)
    run = decode_slice(ROOM.accepts, fetched, two_generations)
    assert run is not None
    assert (run.first, run.next) == span
    assert [record.offset for record, _ in run.readings] == [offset for offset in offsets if offset < 5]
    assert decode_slice(ROOM.accepts, fetched._replace(first=5), two_generations) is None


def test_a_run_begins_and_ends_where_the_fetch_did_even_where_only_a_marker_stands() -> None:
    claim, tp = HostedPartition(0, [], 3), TopicPartition(SOURCE, 0)
    run = decode_slice(ROOM.accepts, FetchedSlice(tp, claim, [published("MUG", 0, offset=4)], 3, 6), partitioning_by(1))
    assert run is not None
    assert (run.first, run.next, len(run.readings)) == (3, 6, 1)
    assert decode_slice(ROOM.accepts, FetchedSlice(tp, claim, [], 5, 7), partitioning_by(1)) == DecodedSlice(
        0, 5, 7, []
    )


# --- what went astray ---------------------------------------------------------------------------------------------------


@settings(max_examples=samples(300), deadline=None, derandomize=True)
@given(SKUS, GROWTH, st.data())
def test_whichever_number_a_producer_knew_its_record_is_decided_in_one_partition_only(
    sku: str, counts: list[int], data: st.DataObject
) -> None:
    partitioning = partitioning_by(*counts)
    record = published(sku, partition_of(sku.encode(), data.draw(st.sampled_from(counts))))
    home = partition_of(sku.encode(), counts[-1])
    if record.partition != home:
        passed = sent_on(record, partitioning)
        assert (passed.topic, passed.partition) == (SOURCE, home)
        headers: Any = passed.headers
        record = ARecord(home, 1, 2_000, passed.key, passed.value, headers)
    assert read_as(record, partitioning) == PlaceOrderLine(sku=sku)


@settings(max_examples=samples(300), deadline=None, derandomize=True)
@given(SKUS, GROWTH, st.integers(0, 39))
def test_what_was_right_by_no_number_is_an_error_of_a_partitioners(sku: str, counts: list[int], partition: int) -> None:
    right = {partition_of(sku.encode(), count) for count in counts}
    message = read_as(published(sku, partition), partitioning_by(*counts))
    if partition not in right:
        assert isinstance(message, MisroutedRecord)
        assert not message.is_of_earlier_number


def moved() -> tuple[str, Partitioning, int]:
    """Return a SKU whose partition changed, how keys are partitioned, and where it was."""
    sku = next(f"SKU-{n}" for n in range(99) if partition_of(f"SKU-{n}".encode(), 6) > 3)
    return sku, partitioning_by(4, 6), partition_of(sku.encode(), 4)


def test_it_is_sent_on_whole_with_the_place_that_it_came_from() -> None:
    sku, partitioning, before = moved()
    headers = (("ce_id", b"x"), ("ce_id", b"y"), ("traceparent", None))
    record = published(sku, before, *headers)
    assert sent_on(record, partitioning) == Outgoing(
        SOURCE,
        partition_of(sku.encode(), 6),
        record.key,
        record.value,
        f"{SOURCE}/{before}/7/forward".encode(),
        headers,
    )


def test_what_was_sent_on_before_carries_the_last_place_only() -> None:
    sku, partitioning, before = moved()
    record = published(sku, before, ("ce_id", b"x"), (FORWARDED, b"inventory.commands/1/1/forward"))
    assert sent_on(record, partitioning).headers == (("ce_id", b"x"),)


def test_nothing_is_decided_where_it_is_sent_on_but_its_time_counts() -> None:
    sku, partitioning, before = moved()
    ledger, record = Ledger(before), published(sku, before)
    _, at_ms = decide_records(ROOM, ledger, SOURCE, [(record, read_as(record, partitioning))], 0)
    assert (ledger.stocks, ledger.holds, at_ms) == ({}, {}, 1_000)


@pytest.mark.parametrize("size", [MAX_FORWARDED_BYTES, 100])
def test_what_is_too_large_to_be_sent_on_is_a_dead_letter(size: int) -> None:
    sku, partitioning, before = moved()
    record = published(sku, before, ("huge", b"x" * size))
    settled = settle(ROOM.routing, read_as(record, partitioning), record, rules_version=1)
    if size == 100:
        assert isinstance(settled, Forward)
    else:
        assert isinstance(settled, RefusedError)
        assert settled.reason == "wrong_partition"
