"""By how many partitions orders are keyed, whatever Kafka has of each topic. Pure.

One order is in the same partition of every order.* topic, so one number holds for all of them. It is recorded when the
first room starts, and stays: Kafka cannot take partitions away, and to key orders by another number would give one order
two owners. Topics that got more partitions by hand keep working by the recorded number, and the surplus stays unused; it
does not matter whether all of them grew. A topic that has fewer cannot be worked with.
"""

from __future__ import annotations

from collections.abc import Mapping

from topology.errors import CoPartitioningError
from topology.topics import CO_PARTITIONED


def partitions_in_use(actual: Mapping[str, int], recorded: int | None, namespace: str = "") -> int:
    """Return the number by which orders are keyed: the recorded one, else the one that all topics have.

    `actual` has the partitions of each topic by its plain name, `order.events`. Raises CoPartitioningError where there is
    no such number, naming the topics and the commands that mend it.
    """
    counts = {topic: actual[topic.name] for topic in CO_PARTITIONED}
    wanted = max(counts.values()) if recorded is None else recorded
    lacking = {topic.in_namespace(namespace): count for topic, count in counts.items() if count < wanted}
    if lacking:
        raise CoPartitioningError(wanted, lacking, is_recorded=recorded is not None)
    return wanted


def surplus(actual: Mapping[str, int], in_use: int) -> dict[str, int]:
    """Return the order.* topics with more partitions than are in use, and how many they have."""
    return {topic.name: actual[topic.name] for topic in CO_PARTITIONED if actual[topic.name] > in_use}
