"""The way of a replay through a topic that got more partitions: generation by generation, partition by partition.

Where a generation ends, what is known of each SKU goes to the partition of the next one, as the live system's rows did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from consumers.inventory.repartition import repartition
from consumers.runtime.deciding.partitioning import in_force, partitioning_of
from infra.ops.audit.replay import Replay
from infra.ops.log import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.room import Room
    from infra.ops.audit.inputs import AuditInputs
    from infra.ops.audit.report import Tally


class ReplayStage(NamedTuple):
    """One partition's share of one generation. `is_last` is whether the replay ends with it."""

    replay: Replay[Any]
    ranges: Sequence[Range]
    is_last: bool


async def replay_stages(inputs: AuditInputs, room: Room[Any], asked: Collection[int]) -> AsyncIterator[ReplayStage]:
    """Yield the stages that lead to the present state of the asked partitions, each to be decided before the next one.

    Of a topic that never got more partitions these are the asked ones, each by itself.
    """
    generations = in_force(inputs.generations(room))
    before: list[Replay[Any]] = []
    for number, generation in enumerate(generations, start=1):
        partitioning = partitioning_of(generations[:number])
        is_last = number == len(generations)
        replays = _carried_over(before, partitioning) if before else []
        before = []
        for partition in range(generation.partitions):
            if is_last and partition not in asked:
                continue
            replay = replays[partition] if replays else Replay(room, partition, partitioning)
            ranges: Sequence[Range]
            if not is_last:
                before.append(replay)
                ranges = [Range(0, generation.starts[partition], generations[number].starts[partition])]
            elif number > 1:
                ranges = [Range(0, generation.starts[partition], inputs.position(room, partition))]
            else:
                replay.follow(await inputs.course(room, partition))
                ranges = replay.course.ranges
            yield ReplayStage(replay, ranges, is_last)


def check_generations(inputs: AuditInputs, room: Room[Any], tally: Tally) -> None:
    """Check that each generation was decided to its end before the next one was begun."""
    now = in_force(inputs.generations(room))[-1]
    for partition, start in enumerate(now.starts):
        reached = inputs.position(room, partition)
        if start > reached:
            tally.breach(
                f"{room.name}/{partition} is decided up to {reached}, but {now.partitions} partitions are in force "
                f"from {start} on: what is between was never decided under the earlier number"
            )


def _carried_over(before: Sequence[Replay[Any]], partitioning: Partitioning) -> list[Replay[Any]]:
    at_ms = max(replay.at_ms for replay in before)
    version = max(replay.rules_version for replay in before)
    states = repartition([replay.state for replay in before], partitioning.partitions)
    replays = [
        Replay(before[0].room, partition, partitioning, state, at_ms, rules_version=version)
        for partition, state in enumerate(states)
    ]
    for replay in replays:
        replay.facts.subjects |= set().union(*(each.facts.subjects for each in before))
        if replay.partition < len(before):
            replay.unversioned = before[replay.partition].unversioned
    return replays
