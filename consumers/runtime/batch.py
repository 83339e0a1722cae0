"""What was read in one go, cut into steps; and a step once it is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from consumers.errors import RefusedError
from consumers.runtime.decision import MAX_KEY_BYTES, Record, read
from topology.partitioner import partitions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumers.runtime.room import Changes, Hearer
    from producers.publisher import Outgoing
    from schemas.messages import Message

S = TypeVar("S")


class Run(msgspec.Struct):
    """Records of one source topic's partition, in offset order, with what they say.

    `readings` leaves out what the room does not hear; `first` and `next` (exclusive) span all of them.
    """

    partition: int
    source: int
    first: int
    next: int
    readings: list[tuple[Record, Message | RefusedError]]

    def cut(self, at: int) -> tuple[Run, Run, Run]:
        """Return the run before, at, and after reading `at`."""
        middle = self.readings[at][0].offset
        return (
            Run(self.partition, self.source, self.first, middle, self.readings[:at]),
            Run(self.partition, self.source, middle, middle + 1, [self.readings[at]]),
            Run(self.partition, self.source, middle + 1, self.next, self.readings[at + 1 :]),
        )


class Step(msgspec.Struct):
    """Runs that are decided and committed together; a `barrier` first waits for all before it."""

    runs: list[Run]
    barrier: bool = False


class Claim(msgspec.Struct, Generic[S], eq=False):
    """Our right to decide about one partition, and how far we have decided (which is ahead of the database)."""

    partition: int
    epoch: int
    next_offsets: list[int]
    at_ms: int
    batch: int
    state: S


class Part(msgspec.Struct, Generic[S], eq=False):
    """One partition's share of a decided batch."""

    claim: Claim[S]
    old_offsets: list[int]
    new_offsets: list[int]
    at_ms: int
    batch: int
    ranges: list[int]
    says: list[Outgoing]
    changes: Changes


class Batch(msgspec.Struct, eq=False):
    """A decided step, with the runs that it came from in case it must be decided anew."""

    runs: list[Run]
    parts: list[Part[Any]]


def read_run(room: Hearer, source: int, records: Sequence[Record], partitions: int) -> Run:
    """Decode the records that the room hears, each once, and check that they are where their key belongs."""
    homes = partitions_of([(record.key or b"")[:MAX_KEY_BYTES] for record in records], partitions)
    readings: list[tuple[Record, Message | RefusedError]] = []
    for record, home in zip(records, homes, strict=True):
        try:
            message = read(room, record, home)
        except RefusedError as refusal:
            readings.append((record, refusal))
        else:
            if message is not None:
                readings.append((record, message))
    return Run(records[0].partition, source, records[0].offset, records[-1].offset + 1, readings)


def steps(runs: Iterable[Run], is_barrier: Callable[[type], bool]) -> list[Step]:
    """Cut runs at their barriers; all that needs no barrier before it goes into the first step."""
    plain: list[Run] = []
    later: list[Step] = []
    for run in runs:
        if not any(map(is_barrier, {type(message) for _, message in run.readings})):
            plain.append(run)
            continue
        at = next(i for i, (_, message) in enumerate(run.readings) if is_barrier(type(message)))
        head, barrier, tail = run.cut(at)
        if head.next > head.first:
            plain.append(head)
        later.append(Step([barrier], barrier=True))
        if tail.next > tail.first:
            later += steps([tail], is_barrier)
    return [Step(plain), *later] if plain else later
