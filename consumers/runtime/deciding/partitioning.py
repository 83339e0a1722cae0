"""To how many partitions a topic's keys are dealt, and how a room's owners learn that this changes.

A change makes a new generation. While it is announced, each partition is decided up to where the new generation starts
and no further; once it is in force, claims are made anew under it. Every step of a change raises the epochs, so whoever
has not heard of it is fenced: hearing early only makes the pause short. See docs/guides/repartition.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.postgres.commit import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.postgres.database import Database
    from consumers.runtime.room import Room

LOOK_SECONDS: Final = 0.5


class Generation(msgspec.Struct, frozen=True):
    """One number of partitions. `starts` has for each the first offset that is decided under it."""

    partitions: int
    starts: tuple[int, ...]
    in_force: bool = True


class Partitioning(msgspec.Struct, frozen=True):
    """How keys are dealt now, and the numbers of partitions by which they were dealt before.

    `stops` is empty, or, while another generation is announced, the offset before which each partition stops.
    """

    partitions: int
    earlier: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()

    def stop(self, partition: int) -> int | None:
        """Return the offset before which deciding stops, None where it goes on."""
        return self.stops[partition] if partition < len(self.stops) else None


def in_force(generations: Sequence[Generation]) -> list[Generation]:
    """Return the generations up to the one by which keys are dealt now."""
    return [generation for generation in generations if generation.in_force]


def partitioning_of(generations: Sequence[Generation]) -> Partitioning:
    """Return what a topic's generations, in their order, mean for its owners now."""
    *past, now = in_force(generations)
    announced = [generation for generation in generations if not generation.in_force]
    return Partitioning(
        now.partitions,
        tuple(generation.partitions for generation in past),
        announced[0].starts[: now.partitions] if announced else (),
    )


def generations_in(rows: Iterable[Any]) -> list[Generation]:
    """Read rows of (partitions, starts, in_force)."""
    return [Generation(partitions, tuple(starts), is_in_force) for partitions, starts, is_in_force in rows]


class PartitioningWatcher:
    """What one room's owner knows of its partitioning; it looks now and then whether that is still so."""

    def __init__(self, room: Room[Any], database: Database) -> None:
        self.now = Partitioning(0)
        self._room = room
        self._database = database
        self._look_at = 0.0

    async def begin(self, partitions: int) -> None:
        """Learn how keys are dealt; where that was never recorded, by as many `partitions` as the topic has."""
        self.now = Partitioning(partitions)
        if self._room.may_be_repartitioned:
            topic = self._room.sources[0].name
            await self._database.run_with_retry(
                "load", lambda c: c.execute(QUERIES["first_generation"], topic, partitions)
            )
            await self.look()

    @property
    def is_due(self) -> bool:
        """Tell whether it is time to look again."""
        return self._room.may_be_repartitioned and time.monotonic() >= self._look_at

    async def look(self) -> bool:
        """Read how keys are dealt; return whether that has changed."""
        if not self._room.may_be_repartitioned:
            return False
        topic = self._room.sources[0].name
        rows = await self._database.run_with_retry("load", lambda c: c.fetch(QUERIES["generations"], topic))
        self._look_at = time.monotonic() + LOOK_SECONDS
        before, self.now = self.now, partitioning_of(generations_in(rows))
        return self.now != before
