"""Decides one record: decode, check its address, ask the room, name the outcomes. Pure; the replay runs the same code."""

from __future__ import annotations

from itertools import accumulate, groupby, repeat
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec
import structlog

from consumers.errors import MovedError, RefusedError
from consumers.runtime.room import Tombstone
from producers.publisher import BY_KEY, FORWARDED, Outgoing
from schemas.codec.wire import decode_if, encode, encode_all
from schemas.errors import DecodeError
from schemas.limits import MAX_TEXT_BYTES
from schemas.messages import DeadLetter, Message
from topology.topics import DEAD_LETTERS, TOPIC_NAMES, key_of, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.room import Room, Subscriber

    Readings = Sequence[tuple["Record", Message | RefusedError]]

log = structlog.get_logger()
S = TypeVar("S")

MAX_KEY_BYTES: Final = MAX_TEXT_BYTES + 1
"""As much of a key is hashed and published: a longer one is no message's, and hashing a megabyte takes 0.25 s."""

LEAST_RUN: Final = 8
"""Messages of a run that is worth being decided as one."""
WRONG_PARTITION: Final = "wrong_partition"
MALFORMED_HEADERS: Final = "malformed_headers"
MALFORMED_ATTRIBUTES: Final = "malformed_attributes"
MALFORMED_OFFSET: Final = "malformed_offset"


class Record(Protocol):
    """What is read of a Kafka record (aiokafka's ConsumerRecord fits); `timestamp` is its append time in ms."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class MalformedRecord(msgspec.Struct, kw_only=True):
    """A record that must not be decided, whatever its `body` says.

    To a reader it has no value, so that nobody has to look at other records twice. Names in `headers` are made readable.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    body: bytes | None
    reason: str
    detail: str
    value: bytes | None = None


def read(room: Subscriber, record: Record, home: int) -> Message | None:
    """Return the record's message, or None where the room does not hear its type.

    `home` is the partition that the record's key belongs to. Raises RefusedError for what must not be decided here.
    """
    try:
        message = decode_if(record.value, room.accepts)
    except DecodeError as error:
        if isinstance(record, MalformedRecord):
            raise RefusedError(record.reason, record.detail) from error
        raise RefusedError(error.reason, str(error)) from error
    if message is None:
        return None
    key = key_of(message)
    if key is None:
        return message
    if record.key != key:
        raise RefusedError("key_mismatch", f"the record's key is {record.key!r}, its message belongs to {key!r}")
    if home != record.partition:
        raise RefusedError(
            WRONG_PARTITION,
            f"key {key!r} belongs to partition {home}, not {record.partition}; partition by murmur2, Java's default "
            "(librdkafka: partitioner=murmur2_random)",
        )
    return message


def outgoing(message: Message, event_id: bytes = b"", partition: int = BY_KEY) -> Outgoing:
    """Encode a message for its topic."""
    return Outgoing(TOPIC_NAMES[type(message)], partition, key_of(message), encode(message), event_id)


def level(record: Message | Tombstone) -> Outgoing:
    """Encode what a batch says of a key of a compacted topic: its latest value, or that it ended."""
    return Outgoing(record.topic, BY_KEY, record.key, None) if isinstance(record, Tombstone) else outgoing(record)


def dead_letter(room: str, record: Record, source: str, refusal: RefusedError, at_ms: int) -> Outgoing:
    """Keep a refused record whole, with the reason; keyed as its source was, by the beginning of a key that none can be."""
    letter = DeadLetter(
        room=room,
        topic=source,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.body if isinstance(record, MalformedRecord) else record.value,
        headers=_named_once(record.headers),
        reason=refusal.reason,
        detail=refusal.detail,
        at_ms=at_ms,
    )
    event_id = f"{source}/{record.partition}/{record.offset}/dead:{room}".encode()
    key = record.key and record.key[:MAX_KEY_BYTES]
    return Outgoing(DEAD_LETTERS.name, BY_KEY, key, encode(letter), event_id)


def _named_once(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Return every header. One whose name is taken gets its place in the list as well: `name#2`. No value becomes b""."""
    found: dict[str, bytes] = {}
    for place, (name, value) in enumerate(headers, start=1):
        free = name
        while free in found:
            free += f"#{place}"
        found[free] = value or b""
    return found


def forward(record: Record, source: str, home: int) -> Outgoing:
    """Send a record on, whole, to where its key belongs now, with the place that it comes from in a header of its own."""
    headers = tuple((name, value) for name, value in record.headers if name != FORWARDED)
    event_id = f"{source}/{record.partition}/{record.offset}/forward".encode()
    return Outgoing(source, home, record.key, record.value, event_id, headers)


def decide_records(room: Room[S], state: S, source: str, records: Readings, at_ms: int) -> tuple[list[Outgoing], int]:
    """Decide records in their order; return what they say and the latest append time, which never steps back.

    Each outcome has an id that derives from its cause. A record that is refused, whose decision failed or cannot be written
    down, changes nothing and becomes a dead letter: a room evolves its state only when all its outcomes are taken.
    """
    says: list[Outgoing] = []
    for run in _runs(records, room.run_type):
        found = _decide_run(room, state, source, run, at_ms) if len(run) >= LEAST_RUN else None
        said, at_ms = found or _decide_each(room, state, source, run, at_ms)
        says += said
    return says, at_ms


def _runs(records: Readings, run_type: type[Message] | None) -> Iterable[Readings]:
    """Cut records into runs of such messages and of others, where a room decides runs."""
    if run_type is None:
        return (records,)
    kinds = {type(read_as) is run_type for _, read_as in records}
    if len(kinds) == 1:
        return (records,)
    return (list(run) for _, run in groupby(records, lambda reading: type(reading[1]) is run_type))


def _decide_run(room: Room[S], state: S, source: str, run: Readings, at_ms: int) -> tuple[list[Outgoing], int] | None:
    """Decide many messages of one type at once; None where that cannot be, and nothing has changed."""
    records, messages = zip(*run, strict=True)
    if room.run_type is None or type(messages[0]) is not room.run_type:
        return None
    times_ms = list(accumulate((record.timestamp for record in records), max, initial=at_ms))[1:]
    outcomes = room.decide_run(state, messages, times_ms)
    if outcomes is None:
        return None
    place = f"{source}/{records[0].partition}/"
    event_ids = [f"{place}{record.offset}/0".encode() for record in records]
    topic = TOPIC_NAMES[type(outcomes[0])]
    says = list(map(Outgoing, repeat(topic), repeat(BY_KEY), keys_of(outcomes), encode_all(outcomes), event_ids))
    room.evolve_run(state, outcomes)
    return says, times_ms[-1]


def _decide_each(room: Room[S], state: S, source: str, records: Readings, at_ms: int) -> tuple[list[Outgoing], int]:
    says: list[Outgoing] = []
    for record, read_as in records:
        if record.timestamp > at_ms:  # noqa: PLR1730  max() would be a call for each record
            at_ms = record.timestamp
        if isinstance(read_as, RefusedError):
            says.append(_refused(room.name, record, source, read_as, at_ms))
            continue
        before = len(says)
        try:
            for index, outcome in enumerate(room.decide(state, read_as, at_ms)):
                if isinstance(outcome, RefusedError):
                    says.append(dead_letter(room.name, record, source, outcome, at_ms))
                else:
                    says.append(outgoing(outcome, f"{source}/{record.partition}/{record.offset}/{index}".encode()))
        except RefusedError as refusal:
            del says[before:]
            says.append(_refused(room.name, record, source, refusal, at_ms))
        except Exception as error:
            log.exception("decision_failed", room=room.name, source=source, offset=record.offset)
            del says[before:]
            says.append(_refused(room.name, record, source, RefusedError("decision_failed", repr(error)), at_ms))
    return says, at_ms


def _refused(room: str, record: Record, source: str, refusal: RefusedError, at_ms: int) -> Outgoing:
    if isinstance(refusal, MovedError):
        return forward(record, source, refusal.home)
    log.warning("dead_letter", room=room, source=source, offset=record.offset, reason=refusal.reason)
    return dead_letter(room, record, source, refusal, at_ms)
