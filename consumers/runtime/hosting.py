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

    from consumers.runtime.claim import Claim
    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.deciding.record import Reading
    from consumers.runtime.room import Room


class Hosting:
    """Rooms in the order in which they decide. `source` is the log that all of them read, `topic` Kafka's name of it.

    Raises CannotShareReaderError for a room that reads another log, or one that may get more partitions alone.
    """

    def __init__(self, rooms: Sequence[Room[Any]], namespace: str) -> None:
        self.rooms = tuple(rooms)
        self.name = "+".join(room.name for room in rooms)
        self.source = rooms[0].source
        for room in rooms if len(rooms) > 1 else ():
            if room.may_be_repartitioned or room.source is not self.source:
                raise CannotShareReaderError(room.name, [other.name for other in rooms if other is not room])
        self.topic = self.source.in_namespace(namespace)
        self._accepted = [accepted_by(room) for room in rooms]
        self.accepted = frozenset().union(*self._accepted)
        self.guards = frozenset().union(*(room.guards for room in rooms))
        self.confirms_in_commit = frozenset().union(*(room.confirms_in_commit for room in rooms))

    def is_barrier(self, message: type[Any]) -> bool:
        """Tell whether a room decides such a message alone."""
        return any(room.is_barrier(message) for room in self.rooms)

    def share(
        self, number: int, decoded: DecodedSlice, claim: Claim[Any], partitioning: Partitioning
    ) -> DecodedSlice | None:
        """Return a room's share of a slice; None where nothing of it is left to decide."""
        if len(self.rooms) == 1:
            return decoded
        if decoded.next <= claim.next_offset:
            return None
        first = max(decoded.first, claim.next_offset)
        readings = list(self._share(number, decoded.readings, first, partitioning))
        last = decoded.last if decoded.last is not None and decoded.last.offset >= first else None
        return DecodedSlice(decoded.partition, first, decoded.next, readings, last)

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
