import pytest

from topology.copartitioning import partitions_in_use, surplus
from topology.errors import CoPartitioningError


def counts(commands: int, events: int, notifications: int) -> dict[str, int]:
    return {"order.commands": commands, "order.events": events, "order.notifications": notifications}


def test_before_the_first_start_the_number_that_all_topics_have_is_taken() -> None:
    assert partitions_in_use(counts(4, 4, 4), recorded=None) == 4


def test_uneven_topics_are_refused_before_the_first_start_with_the_command_that_mends_each() -> None:
    with pytest.raises(CoPartitioningError) as refused:
        partitions_in_use(counts(4, 6, 4), recorded=None, namespace="t.")
    assert refused.value.lacking == {"t.order.commands": 4, "t.order.notifications": 4}
    assert "--alter --topic t.order.commands --partitions 6" in str(refused.value)
    assert "--alter --topic t.order.notifications --partitions 6" in str(refused.value)


@pytest.mark.parametrize("grown", [(4, 6, 4), (6, 6, 6), (6, 4, 4), (5, 6, 7)])
def test_once_recorded_the_number_stays_whatever_grows(grown: tuple[int, int, int]) -> None:
    assert partitions_in_use(counts(*grown), recorded=4) == 4


def test_a_topic_with_fewer_than_recorded_is_refused() -> None:
    with pytest.raises(CoPartitioningError, match=r"orders are keyed by 6 partitions.*\n.*order\.events has 4"):
        partitions_in_use(counts(6, 4, 6), recorded=6)


def test_surplus_names_what_is_beyond_the_number_in_use() -> None:
    assert surplus(counts(4, 6, 4), 4) == {"order.events": 6}
    assert surplus(counts(4, 4, 4), 4) == {}
