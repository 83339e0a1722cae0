"""By how many partitions a topic's keys are partitioned, now and before. Pure.

A change makes a new generation. While it is announced, each partition is decided up to where the new generation starts
and no further; once it is in force, claims are made anew under it. Every step of a change raises the epochs, so an owner
that has not noticed it is fenced: noticing early only makes the pause short. See docs/guides/repartition.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


LOOK_SECONDS: Final = 0.5


class Generation(msgspec.Struct, frozen=True):
    """One number of partitions. `starts` has for each the first offset that is decided under it."""

    partitions: int
    starts: tuple[int, ...]
    in_force: bool = True


class Partitioning(msgspec.Struct, frozen=True):
    """By how many partitions keys are partitioned now, and by how many they were before.

    `stops` is empty, or, while another generation is announced, the offset before which each partition stops.
    """

    partitions: int
    earlier: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()

    @property
    def generation(self) -> int:
        """The number of this partitioning, from 1."""
        return len(self.earlier) + 1

    def stop(self, partition: int) -> int | None:
        """Return the offset before which deciding stops, None where it goes on."""
        return self.stops[partition] if partition < len(self.stops) else None


def in_force(generations: Sequence[Generation]) -> list[Generation]:
    """Return the generations up to the one that is in force now."""
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
