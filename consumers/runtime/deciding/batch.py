"""What was read in one go, cut into steps; and a step once it is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from consumers.errors import MovedError, RefusedError
from consumers.runtime.deciding.decision import MAX_KEY_BYTES, WRONG_PARTITION, Record, read
from topology.partitioner import partition_of, partitions_of
from topology.topics import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.kafka.fetch_buffer import FetchedSlice
    from consumers.runtime.room import Changes, Subscriber
    from producers.publisher import Outgoing
    from schemas.messages import Message

S = TypeVar("S")

MAX_SENT_ON_BYTES: Final = MAX_RECORD_BYTES // 2
"""A record that is sent on gets a header more, and must fit its topic still; only foreign headers can make one so large."""


class DecodedSlice(msgspec.Struct):
    """Records of one source topic's partition, in offset order, with what they say.

    `readings` leaves out what the room does not hear; `first` and `next` (exclusive) are fetch positions that span all of
    them, and offsets without a record.
    """

    partition: int
    source: int
    first: int
    next: int
    readings: list[tuple[Record, Message | RefusedError]]

    def cut(self, at: int) -> tuple[DecodedSlice, DecodedSlice, DecodedSlice]:
        """Return the run before, at, and after reading `at`."""
        middle = self.readings[at][0].offset
        return (
            DecodedSlice(self.partition, self.source, self.first, middle, self.readings[:at]),
            DecodedSlice(self.partition, self.source, middle, middle + 1, [self.readings[at]]),
            DecodedSlice(self.partition, self.source, middle + 1, self.next, self.readings[at + 1 :]),
        )


class BatchStep(msgspec.Struct):
    """Runs that are decided and committed together; a `barrier` first waits for all before it."""

    runs: list[DecodedSlice]
    barrier: bool = False


class Claim(msgspec.Struct, Generic[S], eq=False):
    """Our right to decide about one partition, and how far we have decided (which is ahead of the database)."""

    partition: int
    epoch: int
    next_offsets: list[int]
    at_ms: int
    batch: int
    state: S


class PartitionBatch(msgspec.Struct, Generic[S], eq=False):
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
    """A decided step, with the runs that were decided in case they must be decided anew; those of lost partitions are not."""

    runs: list[DecodedSlice]
    parts: list[PartitionBatch[Any]]


def decode_records(
    room: Subscriber, records: Sequence[Record], dealt: Partitioning
) -> list[tuple[Record, Message | RefusedError]]:
    """Decode the records that the room hears, each once, and check that they are where their key belongs."""
    homes = partitions_of([(record.key or b"")[:MAX_KEY_BYTES] for record in records], dealt.partitions)
    readings: list[tuple[Record, Message | RefusedError]] = []
    for record, home in zip(records, homes, strict=True):
        try:
            message = read(room, record, home)
        except RefusedError as refusal:
            readings.append((record, _or_moved(refusal, record, home, dealt.earlier)))
        else:
            if message is not None:
                readings.append((record, message))
    return readings


def decode_slice(room: Subscriber, portion: FetchedSlice, dealt: Partitioning) -> DecodedSlice | None:
    """Read a portion to its end, or to where the next generation starts; None where all of it lies beyond that.

    The run begins and ends exactly where the fetch did, even where no record stands: a transaction's marker has an offset
    too, and so has what was aborted.
    """
    end, records, stop = portion.next, portion.records, dealt.stop(portion.tp.partition)
    if stop is not None and end > stop:
        end, records = stop, [record for record in records if record.offset < stop]
    if portion.first >= end:
        return None
    return DecodedSlice(portion.tp.partition, portion.source, portion.first, end, decode_records(room, records, dealt))


def _or_moved(refusal: RefusedError, record: Record, home: int, earlier: Sequence[int]) -> RefusedError:
    """Tell a producer that knew an earlier number of partitions from one that errs."""
    if refusal.reason != WRONG_PARTITION or _size(record) > MAX_SENT_ON_BYTES:
        return refusal
    belonged = {partition_of(record.key or b"", partitions) for partitions in earlier}
    return MovedError(home) if record.partition in belonged else refusal


def _size(record: Record) -> int:
    return len(record.value or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)


def steps(runs: Iterable[DecodedSlice], is_barrier: Callable[[type], bool]) -> list[BatchStep]:
    """Cut runs at their barriers; all that needs no barrier before it goes into the first step."""
    plain: list[DecodedSlice] = []
    later: list[BatchStep] = []
    for run in runs:
        if not any(map(is_barrier, {type(message) for _, message in run.readings})):
            plain.append(run)
            continue
        at = next(i for i, (_, message) in enumerate(run.readings) if is_barrier(type(message)))
        head, barrier, tail = run.cut(at)
        if head.next > head.first:
            plain.append(head)
        later.append(BatchStep([barrier], barrier=True))
        if tail.next > tail.first:
            later += steps([tail], is_barrier)
    return [BatchStep(plain), *later] if plain else later
