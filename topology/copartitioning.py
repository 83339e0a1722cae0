"""By how many partitions keys are partitioned where that may not change, whatever Kafka has of each topic. Pure.

One order is in the same partition of every order.* topic, so one number holds for all of them; products have theirs. It is
recorded when the first room starts, and stays: Kafka cannot take partitions away, and another number would give one order
two owners. Topics that got more partitions by hand keep working by the recorded number, and the surplus stays unused; it
does not matter whether all of them grew. A topic that has fewer cannot be worked with. (inventory.commands alone can get
more: docs/guides/repartition.md.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from topology.errors import CoPartitioningError
from topology.topics import CATALOGUE_COMMANDS, CO_PARTITIONED

FIXED: Final = (CO_PARTITIONED, (CATALOGUE_COMMANDS,))
"""Topics that have one number of partitions together, and keep it."""


def partitions_in_use(actual: Mapping[str, int], recorded: Mapping[str, int], namespace: str = "") -> dict[str, int]:
    """Return how many partitions are in use of each topic whose number is fixed: as recorded, else as all of them have.

    All by plain topic names, such as `order.events`. Raises CoPartitioningError where a topic has fewer, naming the topics
    and the commands that mend them.
    """
    in_use: dict[str, int] = {}
    for topics in FIXED:
        known = [recorded[topic.name] for topic in topics if topic.name in recorded]
        wanted = min(known) if known else max(actual[topic.name] for topic in topics)
        counts = {topic.in_namespace(namespace): actual[topic.name] for topic in topics}
        if lacking := {name: count for name, count in counts.items() if count < wanted}:
            raise CoPartitioningError(wanted, lacking, is_recorded=bool(known))
        in_use |= dict.fromkeys((topic.name for topic in topics), wanted)
    return in_use
