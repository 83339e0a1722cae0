"""The rooms that share one reader in a process: what they read together, and what each of them has to decide of it.

A record is fetched and decoded once. Each room keeps its own claim rows, its state and the order of its outcomes, so what it
decides is what it decides alone.

Decisions: docs/decisions, 034.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.errors import CannotShareReaderError, NotDecidedError, RefusedError
from consumers.runtime.deciding.batch import DecodedSlice, accepted_by, decode_records
from consumers.runtime.deciding.record import MisroutedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.runtime.claim import Claim, HostedPartition
    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.deciding.record import Reading
    from consumers.runtime.room import Room


class Hosting:
    """Rooms in the order in which they decide. `topics` are Kafka's names of all that they read, each once.

    `sources` has, for each room, the place of each of its topics among them. Raises CannotShareReaderError for a room
    that reads no topic with another one, or whose topic may get more partitions alone.
    """

    def __init__(self, rooms: Sequence[Room[Any]], namespace: str) -> None:
        self.rooms = tuple(rooms)
        self.name = "+".join(room.name for room in rooms)
        together = list(dict.fromkeys(topic for room in rooms for topic in room.sources))
        for room in rooms if len(rooms) > 1 else ():
            others = {topic for other in rooms if other is not room for topic in other.sources}
            if room.may_be_repartitioned or others.isdisjoint(room.sources):
                raise CannotShareReaderError(room.name, [other.name for other in rooms if other is not room])
        self.topics = [topic.in_namespace(namespace) for topic in together]
        self.names = [topic.name for topic in together]
        self.sources = [[together.index(topic) for topic in room.sources] for room in rooms]
        self._own_source = [{place: own for own, place in enumerate(places)} for places in self.sources]
        self._accepted = [accepted_by(room) for room in rooms]
        self.accepted = frozenset().union(*self._accepted)
        self.guards = frozenset().union(*(room.guards for room in rooms))
        self.confirms_in_commit = frozenset().union(*(room.confirms_in_commit for room in rooms))

    def is_barrier(self, message: type[Any]) -> bool:
        """Tell whether a room decides such a message alone."""
        return any(room.is_barrier(message) for room in self.rooms)

    def least_offsets(self, claims: Sequence[Claim[Any]]) -> list[int]:
        """Return, for each topic, the position of the room that is furthest behind.

        A room that is paused counts where no other reads the topic: it is gone back to when it resumes.
        """
        least: dict[int, tuple[bool, int]] = {}
        for places, claim in zip(self.sources, claims, strict=True):
            for place, offset in zip(places, claim.next_offsets, strict=True):
                position = claim.is_paused, offset
                least[place] = min(position, least.get(place, position))
        return [least[place][1] for place in range(len(self.topics))]

    def begin_again(self, hosted: HostedPartition) -> None:
        """Have the reader go back to what a room has held and not decided; the other rooms leave out what they have."""
        for claim in hosted.claims:
            claim.take_held()
        hosted.next_offsets = self.least_offsets(hosted.claims)

    def share(
        self, number: int, decoded: DecodedSlice, claim: Claim[Any], partitioning: Partitioning
    ) -> DecodedSlice | None:
        """Return a room's share of a slice, in its own numbering of topics; None where nothing of it is left to decide."""
        if len(self.rooms) == 1:
            return decoded
        source = self._own_source[number].get(decoded.source)
        if source is None or decoded.next <= claim.next_offsets[source]:
            return None
        first = max(decoded.first, claim.next_offsets[source])
        readings = list(self._share(number, decoded.readings, first, partitioning))
        last = decoded.last if decoded.last is not None and decoded.last.offset >= first else None
        return DecodedSlice(decoded.partition, source, first, decoded.next, readings, last)

    def _share(
        self, number: int, readings: Sequence[Reading], first: int, partitioning: Partitioning
    ) -> Iterator[Reading]:
        accepted, guards = self._accepted[number], self.rooms[number].guards
        for record, read_as in readings:
            if record.offset < first:
                continue
            if isinstance(read_as, NotDecidedError):
                if (kind := type(read_as.message)) in accepted:
                    yield record, read_as if kind in guards else read_as.message
            elif isinstance(read_as, RefusedError | MisroutedRecord):
                # Whether the room would have refused it depends on what it accepts, so it reads such a record by itself.
                yield from decode_records(accepted, [record], partitioning)
            elif type(read_as) in accepted:
                yield record, read_as
