"""The way of a replay through a topic that got more partitions: generation by generation, partition by partition.

Where a generation ends, what is known of each SKU goes to the partition of the next one, as the live system's rows did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from consumers.inventory.deal import deal
from consumers.runtime.partitioning import in_force, partitioning_of
from infra.ops.audit.replay import Replay
from infra.ops.log import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from consumers.runtime.partitioning import Partitioning
    from consumers.runtime.room import Room
    from infra.ops.audit.inputs import Evidence
    from infra.ops.audit.report import Tally


class Leg(NamedTuple):
    """One partition's share of one generation. `is_last` tells whether the replay ends with it."""

    replay: Replay[Any]
    ranges: Sequence[Range]
    is_last: bool


async def legs(evidence: Evidence, room: Room[Any], asked: Collection[int]) -> AsyncIterator[Leg]:
    """Yield the legs that lead to the present state of the asked partitions, each to be decided before the next one.

    Of a topic that never got more partitions these are the asked ones, each by itself.
    """
    generations = in_force(evidence.generations(room))
    before: list[Replay[Any]] = []
    for number, generation in enumerate(generations, start=1):
        dealt = partitioning_of(generations[:number])
        is_last = number == len(generations)
        replays = _carried_over(before, dealt) if before else []
        before = []
        for partition in range(generation.partitions):
            if is_last and partition not in asked:
                continue
            replay = replays[partition] if replays else Replay(room, partition, dealt)
            if not is_last:
                before.append(replay)
                ranges = [Range(0, generation.starts[partition], generations[number].starts[partition])]
            elif number > 1:
                ranges = [Range(0, generation.starts[partition], evidence.decided(room, partition)[0])]
            else:
                ranges = await evidence.ranges(room, partition)
            yield Leg(replay, ranges, is_last)


def check_generations(evidence: Evidence, room: Room[Any], tally: Tally) -> None:
    """Check that each generation was decided to its end before the next one was begun."""
    now = in_force(evidence.generations(room))[-1]
    for partition, start in enumerate(now.starts):
        reached = evidence.decided(room, partition)[0]
        if start > reached:
            tally.breach(
                f"{room.name}/{partition} is decided up to {reached}, but {now.partitions} partitions are in force "
                f"from {start} on: what is between was never decided under the earlier number"
            )


def _carried_over(before: Sequence[Replay[Any]], dealt: Partitioning) -> list[Replay[Any]]:
    at_ms = max(replay.at_ms for replay in before)
    states = deal([replay.state for replay in before], dealt.partitions)
    return [Replay(before[0].room, partition, dealt, state, at_ms) for partition, state in enumerate(states)]
