"""What a change of the number of partitions means: which SKUs move, and where each partition is drained up to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from consumers.runtime.deciding.partitioning import Generation, in_force
from infra.ops.repartition.errors import RepartitionRefusedError
from topology.partitioner import partitions_of
from topology.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Plan(msgspec.Struct, frozen=True):
    """What is about to happen. `lag` counts the commands of each partition that wait for a decision.

    `announced` means that an earlier run began with it.
    """

    topic: str
    partitions: int
    wanted: int
    in_kafka: int
    skus: int
    moving: int
    lag: tuple[int, ...]
    announced: bool

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to do."""
        return self.partitions == self.wanted and not self.announced


def moves(skus: Sequence[str], before: int, after: int) -> dict[str, int]:
    """Return the SKUs whose partition is another one with `after` partitions than with `before`, and which."""
    keys = [sku.encode() for sku in skus]
    homes = zip(skus, partitions_of(keys, before), partitions_of(keys, after), strict=True)
    return {sku: new for sku, old, new in homes if new != old}


def starts_of_next(ends: Sequence[int], decided: Mapping[int, int], partitions: int) -> list[int]:
    """Return where each partition of the next generation starts: the old ones where they are drained up to.

    `ends` of the old partitions were read first, so a partition may have been decided beyond its end by then; whatever
    is decided was decided under the old number. A new partition starts with its first record.
    """
    drained = [max(end, decided.get(partition, 0)) for partition, end in enumerate(ends)]
    return drained + [0] * (partitions - len(drained))


def undrained(starts: Sequence[int], decided: Mapping[int, int], partitions: int) -> dict[int, int]:
    """Return the old partitions that are not decided exactly up to where the next generation starts, by how much."""
    left = {partition: starts[partition] - decided.get(partition, 0) for partition in range(partitions)}
    return {partition: records for partition, records in left.items() if records}


def require_topic(name: str) -> None:
    """Raise RepartitionRefusedError for a topic whose number of partitions must stay."""
    possible = [topic.name for topic in TOPICS if topic.may_get_more_partitions]
    if name not in possible:
        raise RepartitionRefusedError(
            f"{name} keeps its number of partitions; only {', '.join(possible)} can get more. The order.* topics must have "
            "equally many and cost little when idle: give them many from the start."
        )


def require_possible(topic: str, generations: Sequence[Generation], wanted: int, in_kafka: int) -> None:
    """Raise RepartitionRefusedError for what cannot be done."""
    now = in_force(generations)[-1].partitions
    announced = [generation.partitions for generation in generations if not generation.in_force]
    if announced and announced[0] != wanted:
        raise RepartitionRefusedError(
            f"{topic} is being changed from {now} to {announced[0]} partitions. Finish that first: "
            f"--partitions {announced[0]} --yes; or, while Kafka still has {now}, call it off: --cancel."
        )
    if wanted < now:
        raise RepartitionRefusedError(
            f"{topic} has {now} partitions, and Kafka cannot take partitions away; {wanted} are only possible in a new "
            "namespace."
        )
    if in_kafka > wanted:
        raise RepartitionRefusedError(
            f"{topic} has {in_kafka} partitions in Kafka already, of which {now} are in use: Kafka cannot take any "
            f"away, so ask for at least {in_kafka}."
        )
