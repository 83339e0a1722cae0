"""A record as it was fetched, and what is read in it: a message, a refusal, or that it stands in the wrong place. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from consumers.errors import RefusedError
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from schemas.limits import MAX_TEXT_BYTES
from schemas.messages import Message
from topology.partitioner import partition_of
from topology.topics import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.deciding.partitioning import Partitioning

MAX_KEY_BYTES: Final = MAX_TEXT_BYTES + 1
"""As much of a key is hashed and published: a longer one is no message's, and hashing a megabyte takes 0.25 s."""
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
    """The record stands where its `key` does not belong, or came without the key of its `message`: `routing.py` says what is to be done.

    `is_of_earlier_number`: it stands where its key belonged under an earlier number of partitions.
    """

    home_partition: int
    key: bytes
    message: Message
    is_of_earlier_number: bool = False

    def refusal(self, record: Record) -> RefusedError:
        """Return why nothing is decided about the record where it stands."""
        if record.key is None:
            return key_mismatch(record, self.key)
        return RefusedError(
            WRONG_PARTITION,
            f"key {self.key!r} belongs to partition {self.home_partition}, not {record.partition}; partition by murmur2, "
            "Java's default (librdkafka: partitioner=murmur2_random)",
        )


class Forward(msgspec.Struct, frozen=True):
    """The record is decided nowhere here: it is sent on, whole, to `home_partition` under its key."""

    home_partition: int
    key: bytes


ReadAs: TypeAlias = Message | RefusedError | MisroutedRecord | Forward
Reading: TypeAlias = tuple[Record, ReadAs]


def read(
    accepted: frozenset[type[Message]], record: Record, home_partition: int, partitioning: Partitioning
) -> Message | MisroutedRecord | None:
    """Return the record's message, or None where its type is not among the accepted ones.

    `home_partition` is the one that the record's key belongs to. Raises RefusedError for what no message can be read in, or
    whose key is another's.
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
        if record.key is not None:
            raise key_mismatch(record, key)
        return MisroutedRecord(partition_of(key, partitioning.partitions), key, message)
    if home_partition != record.partition:
        belonged = {partition_of(key, partitions) for partitions in partitioning.earlier}
        return MisroutedRecord(home_partition, key, message, record.partition in belonged)
    return message


def key_mismatch(record: Record, key: bytes) -> RefusedError:
    """Return the refusal of a record that does not have the key of its message."""
    return RefusedError("key_mismatch", f"the record's key is {record.key!r}, its message belongs to {key!r}")
