"""What was fetched, decoded, cut into steps; and a step once it is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from consumers.errors import RefusedError
from consumers.runtime.deciding.record import MAX_KEY_BYTES, Forward, MisroutedRecord, Reading, read
from schemas.codec.wire import decode_run
from schemas.errors import DecodeError
from schemas.messages import AdoptRules
from topology.partitioner import partitions_of
from topology.topics import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiokafka import TopicPartition

    from consumers.runtime.claim import Claim, HostedPartition
    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.deciding.record import Record
    from consumers.runtime.room import Changes, Room, Subscriber
    from producers.publisher import Outgoing
    from schemas.messages import Message

S = TypeVar("S")


class FetchedSlice(NamedTuple):
    """What one fetch returned of one partition, and the claims under which it was fetched.

    `first` and `next` (exclusive) are fetch positions: before the first record and after the last one there may be offsets
    without a record (a transaction's marker, aborted records).
    """

    tp: TopicPartition
    claim: HostedPartition
    records: Sequence[Any]
    first: int
    next: int


class DecodedSlice(msgspec.Struct):
    """Records of one partition, in offset order, decoded.

    `readings` leaves out messages that no room accepts; `first` and `next` (exclusive) are fetch positions that span
    all of them, and offsets without a record. `last` is a record near the end: the last one where no barrier cut the slice.
    `refused` has the places among the readings of those that are refusals, where the whole slice was decoded at once.
    """

    partition: int
    first: int
    next: int
    readings: list[Reading]
    last: Record | None = None
    refused: Sequence[int] = ()

    def cut(self, at: int) -> tuple[DecodedSlice, DecodedSlice, DecodedSlice]:
        """Return the slice before, at, and after reading `at`."""
        record = self.readings[at][0]
        before, after, middle = self.readings[:at], self.readings[at + 1 :], record.offset
        last = self.last if self.last is not None and self.last.offset > middle else None
        return (
            DecodedSlice(self.partition, self.first, middle, before, before[-1][0] if before else None),
            DecodedSlice(self.partition, middle, middle + 1, [self.readings[at]], record),
            DecodedSlice(self.partition, middle + 1, self.next, after, last),
        )


class BatchStep(msgspec.Struct):
    """Slices that are decided and committed together; a `barrier` first waits for all before it."""

    slices: list[DecodedSlice]
    barrier: bool = False


class PartitionBatch(msgspec.Struct, Generic[S], eq=False):
    """One room's and partition's share of a decided batch: what the commit writes, and what is published after it.

    `began` is when its step was taken (monotonic, s).
    """

    room: Room[S]
    claim: Claim[S]
    old_offset: int
    new_offset: int
    at_ms: int
    batch: int
    outputs: list[Outgoing]
    changes: Changes
    last_record: str
    rules_version: int = 0
    began: float = 0.0

    @property
    def has_results(self) -> bool:
        """Tell whether something is to be written or published, or begins with it, beside the position."""
        return bool(self.outputs or self.changes.effects or any(map(len, self.changes.columns)))


class Batch(msgspec.Struct, eq=False):
    """A decided step; `is_thorough` tells whether all that its messages touch was loaded for it."""

    parts: list[PartitionBatch[Any]]
    is_thorough: bool = False


def accepted_by(room: Subscriber) -> frozenset[type[Message]]:
    """Return what a room decodes: what it decides, and what says by which rules."""
    return room.accepts | {AdoptRules}


def decode_records(
    accepted: frozenset[type[Message]], records: Sequence[Record], partitioning: Partitioning
) -> list[Reading]:
    """Decode the records of accepted messages, each once, and check that they are where their key belongs."""
    return _decode(accepted, records, partitioning)[0]


def _decode(
    accepted: frozenset[type[Message]], records: Sequence[Record], partitioning: Partitioning
) -> tuple[list[Reading], list[int]]:
    """Return the readings, and the places of the refusals among them."""
    homes = partitions_of([(record.key or b"")[:MAX_KEY_BYTES] for record in records], partitioning.partitions)
    if (run := _decode_run(accepted, records, homes)) is not None:
        return run, []
    readings: list[Reading] = []
    refused: list[int] = []
    for record, home_partition in zip(records, homes, strict=True):
        try:
            message = read(accepted, record, home_partition, partitioning)
        except RefusedError as refusal:
            refused.append(len(readings))
            readings.append((record, refusal))
        else:
            if message is not None:
                readings.append((record, message))
    return readings, refused


def _decode_run(
    accepted: frozenset[type[Message]], records: Sequence[Record], homes: Sequence[int]
) -> list[Reading] | None:
    """Do what `read` does for each of many records of one type; None where one may have to be refused or forwarded."""
    if homes != [record.partition for record in records]:
        return None
    try:
        messages = decode_run([record.value for record in records], accepted)
    except DecodeError:
        return None
    if not messages:
        return messages  # type: ignore[return-value]  # None, or nothing
    is_theirs = list(keys_of(messages)) == [record.key for record in records]
    return list(zip(records, messages, strict=True)) if is_theirs else None


def decode_slice(
    accepted: frozenset[type[Message]], fetched: FetchedSlice, partitioning: Partitioning
) -> DecodedSlice | None:
    """Decode a slice to its end, or to where the next generation starts; None where all of it lies beyond that.

    The decoded slice begins and ends exactly where the fetch did, even where no record stands: a transaction's marker has an
    offset too, and so has an aborted record.
    """
    end, records, stop = fetched.next, fetched.records, partitioning.stop(fetched.tp.partition)
    if stop is not None and end > stop:
        end, records = stop, [record for record in records if record.offset < stop]
    if fetched.first >= end:
        return None
    readings, refused = _decode(accepted, records, partitioning)
    last = records[-1] if records else None
    return DecodedSlice(fetched.tp.partition, fetched.first, end, readings, last, tuple(refused))


def messages_in(slices: Iterable[DecodedSlice]) -> list[Message]:
    """Return the messages that are to be decided, in their order."""
    others = (RefusedError, MisroutedRecord, Forward, AdoptRules)
    found: list[Any] = [read_as for each in slices for _, read_as in each.readings]
    if not any(issubclass(kind, others) for kind in set(map(type, found))):
        return found
    return [read_as for read_as in found if not isinstance(read_as, others)]


def refused_keys(slices: Iterable[DecodedSlice]) -> list[bytes]:
    """Return the keys of records of which no message can be read."""
    readings = (reading for each in slices for reading in each.readings)
    return [record.key for record, read_as in readings if isinstance(read_as, RefusedError) and record.key is not None]


def adopted_rules(decoded: DecodedSlice) -> AdoptRules | None:
    """Return the adoption that the slice consists of; `steps` gives each a slice of its own."""
    first = decoded.readings[0][1] if decoded.readings else None
    return first if type(first) is AdoptRules else None


def steps(slices: Iterable[DecodedSlice], is_barrier: Callable[[type], bool]) -> list[BatchStep]:
    """Cut slices at their barriers; all that needs no barrier before it goes into the first step.

    An adoption of rules is a barrier in every room: what stands before and after it is decided apart.
    """
    plain: list[DecodedSlice] = []
    later: list[BatchStep] = []
    for each in slices:
        barriers = {kind for kind in {type(message) for _, message in each.readings} if _is_alone(kind, is_barrier)}
        if not barriers:
            plain.append(each)
            continue
        at = next(i for i, (_, message) in enumerate(each.readings) if type(message) in barriers)
        head, barrier, tail = each.cut(at)
        if head.next > head.first:
            plain.append(head)
        later.append(BatchStep([barrier], barrier=True))
        if tail.next > tail.first:
            later += steps([tail], is_barrier)
    return [BatchStep(plain), *later] if plain else later


def _is_alone(kind: type, is_barrier: Callable[[type], bool]) -> bool:
    return kind is AdoptRules or is_barrier(kind)
