import pytest

from topology.copartitioning import partitions_in_use
from topology.errors import CoPartitioningError

ORDERS = ("order.commands", "order.events", "order.notifications")


def counts(commands: int, events: int, notifications: int, catalogue: int = 4) -> dict[str, int]:
    return dict(zip(ORDERS, (commands, events, notifications), strict=True)) | {"catalogue.commands": catalogue}


def in_use(orders: int, catalogue: int = 4) -> dict[str, int]:
    return dict.fromkeys(ORDERS, orders) | {"catalogue.commands": catalogue}


def test_before_the_first_start_the_number_that_all_topics_have_is_taken() -> None:
    assert partitions_in_use(counts(4, 4, 4, 6), {}) == in_use(4, 6)


def test_uneven_topics_are_refused_before_the_first_start_with_the_command_that_mends_each() -> None:
    with pytest.raises(CoPartitioningError) as refused:
        partitions_in_use(counts(4, 6, 4), {}, namespace="t.")
    assert refused.value.lacking == {"t.order.commands": 4, "t.order.notifications": 4}
    assert "--alter --topic t.order.commands --partitions 6" in str(refused.value)
    assert "--alter --topic t.order.notifications --partitions 6" in str(refused.value)


@pytest.mark.parametrize("grown", [(4, 6, 4), (6, 6, 6), (6, 4, 4), (5, 6, 7)])
def test_once_recorded_the_number_stays_whatever_grows(grown: tuple[int, int, int]) -> None:
    assert partitions_in_use(counts(*grown, catalogue=9), in_use(4)) == in_use(4)


def test_a_topic_with_fewer_than_recorded_is_refused() -> None:
    with pytest.raises(CoPartitioningError, match=r"recorded to have 6\.(.|\n)*order\.events has 4"):
        partitions_in_use(counts(6, 4, 6), in_use(6))


def test_a_record_of_one_order_topic_is_enough() -> None:
    assert partitions_in_use(counts(6, 6, 6), {"order.commands": 4, "catalogue.commands": 4}) == in_use(4)
