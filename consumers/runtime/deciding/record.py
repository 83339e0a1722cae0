"""A record as it was fetched, and what is read in it: a message, a refusal, or that it belongs to another partition. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from consumers.errors import RefusedError
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from schemas.limits import MAX_TEXT_BYTES
from schemas.messages import Message
from topology.partitioner import partition_of
from topology.topics import MAX_RECORD_BYTES, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_KEY_BYTES: Final = MAX_TEXT_BYTES + 1
"""As much of a key is hashed and published: a longer one is no message's, and hashing a megabyte takes 0.25 s."""
MAX_REROUTED_BYTES: Final = MAX_RECORD_BYTES // 2
"""A rerouted record gets one header more, and must fit its topic still; only foreign headers can make one so large."""

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
    """A record that must not be decided, whatever its `body` contains.

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


class MisroutedRecord(msgspec.Struct, frozen=True):
    """The record stands where its key belonged under an earlier number of partitions.

    It is not decided here and is no dead letter: it is rerouted, whole, to `home_partition`, where its key belongs now.
    """

    home_partition: int


ReadAs: TypeAlias = Message | RefusedError | MisroutedRecord
Reading: TypeAlias = tuple[Record, ReadAs]


def read(accepted: frozenset[type[Message]], record: Record, home_partition: int) -> Message | None:
    """Return the record's message, or None where its type is not among the accepted ones.

    `home_partition` is the one that the record's key belongs to. Raises RefusedError for what must not be decided here.
    """
    try:
        message = decode_if(record.value, accepted)
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
    if home_partition != record.partition:
        raise RefusedError(
            WRONG_PARTITION,
            f"key {key!r} belongs to partition {home_partition}, not {record.partition}; partition by murmur2, Java's "
            "default (librdkafka: partitioner=murmur2_random)",
        )
    return message


def refusal_or_misrouted(
    refusal: RefusedError, record: Record, home_partition: int, earlier: Sequence[int]
) -> RefusedError | MisroutedRecord:
    """Distinguish a producer that knew one of the `earlier` numbers of partitions from one that errs."""
    if refusal.reason != WRONG_PARTITION or _size(record) > MAX_REROUTED_BYTES:
        return refusal
    belonged = {partition_of(record.key or b"", partitions) for partitions in earlier}
    return MisroutedRecord(home_partition) if record.partition in belonged else refusal


def _size(record: Record) -> int:
    return len(record.value or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)
