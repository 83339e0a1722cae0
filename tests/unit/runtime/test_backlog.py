"""What was fetched is decided in portions, in its order, and only under the claim under which it was read."""

from __future__ import annotations

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backlog import Backlog
from consumers.runtime.batch import Claim

LIMITS = st.integers(1, 7)
FETCHES = st.lists(st.dictionaries(st.integers(0, 3), st.integers(0, 9), max_size=4), max_size=4)


def claim_of(partition: int, epoch: int = 1) -> Claim[None]:
    return Claim(partition, epoch, [0], 0, 0, None)


def tp_of(partition: int) -> TopicPartition:
    return TopicPartition("inventory.commands", partition)


@given(FETCHES, LIMITS)
def test_every_record_is_taken_once_in_the_order_of_its_partition(fetches: list[dict[int, int]], limit: int) -> None:
    claims = {partition: claim_of(partition) for partition in range(4)}
    backlog, fetched, taken = Backlog(), dict.fromkeys(range(4), 0), {partition: list[int]() for partition in range(4)}
    for fetch in fetches:
        backlog.put({tp_of(p): range(fetched[p], fetched[p] + count) for p, count in fetch.items()}, claims)
        for partition, count in fetch.items():
            fetched[partition] += count
    while backlog:
        portions = backlog.take(limit, claims)
        assert 0 < sum(len(portion.records) for portion in portions) <= limit
        for portion in portions:
            taken[portion.tp.partition] += portion.records
    assert taken == {partition: list(range(count)) for partition, count in fetched.items()}


def test_what_is_not_claimed_is_left_out() -> None:
    backlog = Backlog()
    backlog.put({tp_of(0): range(3), tp_of(1): range(3)}, {1: (claim := claim_of(1))})
    assert [(portion.tp.partition, portion.claim) for portion in backlog.take(9, {1: claim})] == [(1, claim)]


def test_what_was_read_under_an_earlier_claim_is_left_out_for_the_new_one_reads_it_again() -> None:
    backlog, earlier, other = Backlog(), claim_of(0), claim_of(1)
    backlog.put({tp_of(0): range(5), tp_of(1): range(2)}, {0: earlier, 1: other})
    assert len(backlog.take(3, {0: earlier, 1: other})) == 1
    claims = {0: claim_of(0, epoch=2), 1: other}
    assert [portion.tp.partition for portion in backlog.take(9, claims)] == [1]
    assert not backlog
