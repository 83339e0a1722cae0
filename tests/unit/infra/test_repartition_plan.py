"""The plan of a change: who moves, where the old partitions end, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.runtime.deciding.partitioning import Generation
from infra.ops.repartition.errors import RepartitionRefusedError
from infra.ops.repartition.plan import moves, require_possible, require_topic, starts_of_next, undrained
from tests.samples import samples
from topology.partitioner import partition_of

FOUR = [Generation(4, (0, 0, 0, 0))]
TO_SIX = [*FOUR, Generation(6, (3, 3, 3, 3, 0, 0), in_force=False)]
OFFSETS = st.lists(st.integers(0, 50), min_size=1, max_size=8)


@settings(max_examples=samples(200), deadline=None, derandomize=True)
@given(st.sets(st.text(min_size=1, max_size=9)), st.integers(1, 30), st.integers(1, 30))
def test_exactly_those_move_whose_partition_is_another_one(skus: set[str], before: int, after: int) -> None:
    moved = moves(sorted(skus), before, after)
    for sku in skus:
        was, will_be = (partition_of(sku.encode(), count) for count in (before, after))
        assert moved.get(sku, was) == will_be
        assert (sku in moved) == (was != will_be)


@settings(max_examples=samples(200), deadline=None, derandomize=True)
@given(OFFSETS, st.integers(0, 5), st.data())
def test_no_partition_ends_before_what_is_decided_or_before_what_was_published(
    ends: list[int], more: int, data: st.DataObject
) -> None:
    """Owners go on between the reading of the ends and the fencing, so they may be beyond them by then."""
    decided = {partition: data.draw(st.integers(0, 60)) for partition in range(len(ends)) if data.draw(st.booleans())}
    starts = starts_of_next(ends, decided, len(ends) + more)
    assert len(starts) == len(ends) + more
    assert starts[len(ends) :] == [0] * more
    for partition, end in enumerate(ends):
        assert starts[partition] == max(end, decided.get(partition, 0))


def test_drained_is_decided_exactly_up_to_the_end_no_less_and_no_more() -> None:
    assert undrained([5, 5, 0], {0: 5, 1: 5}, 2) == {}
    assert undrained([5, 5, 0], {0: 4, 1: 6}, 2) == {0: 1, 1: -1}
    assert undrained([5, 0, 0], {}, 2) == {0: 5}


def test_more_partitions_are_possible_and_so_is_going_on_with_an_announced_change() -> None:
    require_possible("t", FOUR, 6, in_kafka=4)
    require_possible("t", FOUR, 4, in_kafka=4)
    require_possible("t", TO_SIX, 6, in_kafka=4)
    require_possible("t", TO_SIX, 6, in_kafka=6)
    require_possible("t", FOUR, 6, in_kafka=6)  # somebody else made them


@pytest.mark.parametrize("topic", ["order.events", "stock.levels", "nonsense"])
def test_other_topics_keep_their_number(topic: str) -> None:
    require_topic("inventory.commands")
    with pytest.raises(RepartitionRefusedError, match=r"only inventory\.commands can get more"):
        require_topic(topic)


@pytest.mark.parametrize(
    ("generations", "wanted", "in_kafka", "words"),
    [
        (FOUR, 3, 4, "cannot take partitions away"),
        (FOUR, 6, 8, "ask for at least 8"),
        (TO_SIX, 8, 4, "being changed from 4 to 6"),
        (TO_SIX, 4, 4, "--cancel"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    generations: list[Generation], wanted: int, in_kafka: int, words: str
) -> None:
    with pytest.raises(RepartitionRefusedError, match=words):
        require_possible("t", generations, wanted, in_kafka)
