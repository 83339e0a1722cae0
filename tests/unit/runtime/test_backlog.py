"""What was fetched is decided in portions, in its order, and only under the claim under which it was read."""

from __future__ import annotations

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backlog import Backlog, Portion
from consumers.runtime.batch import Claim
from tests.unit.runtime.records import ARecord

LIMITS = st.integers(1, 7)
FETCHES = st.lists(
    st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 9), st.integers(0, 3)).filter(any), max_size=4),
    max_size=4,
)


def claim_of(partition: int, epoch: int = 1) -> Claim[None]:
    return Claim(partition, epoch, [0], 0, 0, None)


def portion(claim: Claim[None], first: int, count: int, unread: int = 0) -> Portion:
    """Return records that were fetched, and so many offsets after them where none is to be read."""
    records = [ARecord(claim.partition, first + n, 0, None, None) for n in range(count)]
    return Portion(TopicPartition("inventory.commands", claim.partition), claim, records, first + count + unread)


@given(FETCHES, LIMITS)
def test_every_record_is_taken_once_in_the_order_of_its_partition(
    fetches: list[dict[int, tuple[int, int]]], limit: int
) -> None:
    claims = {partition: claim_of(partition) for partition in range(4)}
    backlog, reached, expected = Backlog(), dict.fromkeys(range(4), 0), {p: list[int]() for p in range(4)}
    for fetch in fetches:
        backlog.put(portion(claims[p], reached[p], count, unread) for p, (count, unread) in fetch.items())
        for partition, (count, unread) in fetch.items():
            expected[partition] += range(reached[partition], reached[partition] + count)
            reached[partition] += count + unread
    taken, ends = {partition: list[int]() for partition in range(4)}, dict.fromkeys(range(4), 0)
    while backlog:
        portions = backlog.take(limit, claims)
        assert sum(len(it.records) for it in portions) <= limit
        for it in portions:
            offsets, span = [record.offset for record in it.records], range(ends[it.tp.partition], it.next)
            assert set(offsets) <= set(span)
            taken[it.tp.partition] += offsets
            ends[it.tp.partition] = it.next
    assert taken == expected
    assert ends == reached


def test_what_was_read_under_an_earlier_claim_is_left_out_for_the_new_one_reads_it_again() -> None:
    backlog, earlier, other = Backlog(), claim_of(0), claim_of(1)
    backlog.put([portion(earlier, 0, 5), portion(other, 0, 2)])
    assert len(backlog.take(3, {0: earlier, 1: other})) == 1
    claims = {0: claim_of(0, epoch=2), 1: other}
    assert [it.tp.partition for it in backlog.take(9, claims)] == [1]
    assert not backlog
