"""What a room has read, in which order: its log, and before there was intake two topics in the order that it noted.

Decision: docs/decisions, 037.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consumers.runtime.deciding.decision import CLOCK_STEP_MS, NO_STEP_MS
from infra.ops.log import Range
from topology.rules import UNVERSIONED
from topology.saga import INTAKE
from topology.topics import EARLIER_SOURCES, ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.runtime.room import Room
    from topology.topics import Topic


class TakenOver(NamedTuple):
    """Where a room stood in order.commands when intake took it over; see 0025_intake.sql."""

    next_offset: int
    rules_version: int


class Course(NamedTuple):
    """One partition's way. `ranges` name `sources` by their place.

    From offset `alone_from` of order.events on a room has read nothing else; `rules_version` is in force at the beginning.
    """

    sources: Sequence[Topic]
    ranges: Sequence[Range] = ()
    alone_from: int = 0
    rules_version: int = UNVERSIONED

    def step_ms(self, source: int, offset: int) -> int:
        """Return by how much time had to step back to be followed: of two topics one may have been read much later."""
        return CLOCK_STEP_MS if self.is_alone or self._is_later(source, offset) else NO_STEP_MS

    @property
    def is_alone(self) -> bool:
        """Whether there is one source all the way."""
        return len(self.sources) == 1

    def _is_later(self, source: int, offset: int) -> bool:
        return self.sources[source] is ORDER_EVENTS and offset >= self.alone_from


TakenOverByRoom = dict[tuple[str, int], TakenOver]
"""(room, partition) -> where it stood; empty in a system that began with intake."""


def sources_of(room: Room[Any], partition: int, taken_over: Mapping[tuple[str, int], TakenOver]) -> Sequence[Topic]:
    """Return the topics of which the room has decided records of this partition."""
    return EARLIER_SOURCES[room.name] if (room.name, partition) in taken_over else (room.source,)


def decided_of(
    room: Room[Any], partition: int, position: int, taken_over: Mapping[tuple[str, int], TakenOver]
) -> list[int]:
    """Return how far the room has decided each of its sources, if it stands at `position` in its log."""
    earlier = taken_over.get((room.name, partition))
    if earlier is None:
        return [position]
    return [earlier.next_offset if topic is ORDER_COMMANDS else position for topic in EARLIER_SOURCES[room.name]]


def course_of(
    room: Room[Any],
    partition: int,
    position: int,
    noted: Sequence[Range],
    taken_over: Mapping[tuple[str, int], TakenOver],
) -> Course:
    """Return the way to `position`; `noted` are the ranges that the room noted while it had two sources."""
    sources = sources_of(room, partition, taken_over)
    if len(sources) > 1:
        events = sources.index(ORDER_EVENTS)
        reached = max((part.next for part in noted if part.source == events), default=0)
        return Course(sources, [*noted, *_range(events, reached, position)], reached)
    start = beginning(room.name, partition, taken_over)
    return Course(sources, _range(0, start.next_offset, position), rules_version=start.rules_version)


def beginning(room: str, partition: int, taken_over: Mapping[tuple[str, int], TakenOver]) -> TakenOver:
    """Return where a room begins to decide its log: intake where the last of the others had left it."""
    others = [start for (_, p), start in taken_over.items() if p == partition] if room == INTAKE else []
    return min(others, default=_FIRST) if len(others) == len(EARLIER_SOURCES) else _FIRST


_FIRST: Final = TakenOver(0, UNVERSIONED)


def _range(source: int, first: int, following: int) -> list[Range]:
    return [Range(source, first, following)] if following > first else []
