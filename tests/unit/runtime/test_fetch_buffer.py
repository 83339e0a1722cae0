"""What was fetched is decided in portions, in its order, and only under the claim under which it was read."""

from __future__ import annotations

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.claim import HostedPartition
from consumers.runtime.deciding.batch import FetchedSlice
from consumers.runtime.kafka.fetch_buffer import FetchBuffer
from tests.unit.runtime.records import ARecord

LIMITS = st.integers(1, 7)
FETCHES = st.lists(
    st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 9), st.integers(0, 3)).filter(any), max_size=4),
    max_size=4,
)


def claim_of(partition: int) -> HostedPartition:
    return HostedPartition(partition, [], 0)


def slice_of(claim: HostedPartition, first: int, count: int, unread: int = 0) -> FetchedSlice:
    """Return records that were fetched, and so many offsets after them where none is to be read."""
    records = [ARecord(claim.partition, first + n, 0, None, None) for n in range(count)]
    tp = TopicPartition("inventory.commands", claim.partition)
    return FetchedSlice(tp, claim, records, first, first + count + unread)


def decide(portions: list[FetchedSlice]) -> None:
    for slice_ in portions:
        slice_.claim.next_offset = slice_.next


@given(FETCHES, LIMITS)
def test_every_record_is_taken_once_in_the_order_of_its_partition(
    fetches: list[dict[int, tuple[int, int]]], limit: int
) -> None:
    claims = {partition: claim_of(partition) for partition in range(4)}
    buffer, reached, expected = FetchBuffer(), dict.fromkeys(range(4), 0), {p: list[int]() for p in range(4)}
    taken, ends = {partition: list[int]() for partition in range(4)}, dict.fromkeys(range(4), 0)
    for fetch in fetches:
        buffer.put(slice_of(claims[p], reached[p], count, unread) for p, (count, unread) in fetch.items())
        for partition, (count, unread) in fetch.items():
            expected[partition] += range(reached[partition], reached[partition] + count)
            reached[partition] += count + unread
        while buffer:
            portions = buffer.take(limit, claims)
            assert sum(len(slice_.records) for slice_ in portions) <= limit
            for slice_ in portions:
                assert slice_.first == ends[slice_.tp.partition]
                offsets, span = [record.offset for record in slice_.records], range(slice_.first, slice_.next)
                assert set(offsets) <= set(span)
                taken[slice_.tp.partition] += offsets
                ends[slice_.tp.partition] = slice_.next
            decide(portions)
    assert buffer.dropped() == []
    assert taken == expected
    assert ends == reached


def test_what_was_read_under_an_earlier_claim_is_left_out_for_the_new_one_reads_it_again() -> None:
    buffer, earlier, other = FetchBuffer(), claim_of(0), claim_of(1)
    buffer.put([slice_of(earlier, 0, 5), slice_of(other, 0, 2)])
    portions = buffer.take(3, {0: earlier, 1: other})
    assert [(slice_.first, slice_.next) for slice_ in portions] == [(0, 3)]
    decide(portions)
    claims = {0: claim_of(0), 1: other}
    assert [slice_.tp.partition for slice_ in buffer.take(9, claims)] == [1]
    assert not buffer
    assert [(slice_.first, slice_.next) for slice_ in buffer.dropped()] == [(3, 5)]
    assert buffer.dropped() == []


def test_what_does_not_begin_at_its_claims_position_is_dropped_with_all_that_follows() -> None:
    buffer, claim, other = FetchBuffer(), claim_of(0), claim_of(1)
    buffer.put([slice_of(claim, 0, 6), slice_of(other, 0, 1)])
    assert [(slice_.first, slice_.next) for slice_ in buffer.take(2, {0: claim, 1: other})] == [(0, 2)]
    # What was taken is not decided: its step fell into a rebalance, and the claim came back where it was.
    assert [(slice_.tp.partition, slice_.first) for slice_ in buffer.take(9, {0: claim, 1: other})] == [(1, 0)]
    assert [(slice_.first, slice_.next) for slice_ in buffer.dropped()] == [(2, 6)]


def test_a_revocation_drops_what_was_fetched_of_the_partition_and_nothing_else() -> None:
    buffer, claim, other = FetchBuffer(), claim_of(0), claim_of(1)
    buffer.put([slice_of(claim, 0, 6), slice_of(other, 0, 1)])
    buffer.revoke({0})
    assert [slice_.tp.partition for slice_ in buffer.take(9, {0: claim, 1: other})] == [1]
    assert buffer.dropped() == []
