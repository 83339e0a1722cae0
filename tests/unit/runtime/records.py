"""Records as Kafka hands them out, without Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas import messages as m
from schemas.codec.wire import encode
from topology.partitioner import partition_of
from topology.topics import key_of

PARTITIONS = 12


class ARecord(msgspec.Struct):
    """What `consumers.runtime` reads of aiokafka's ConsumerRecord."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def home_of(message: m.Message) -> int:
    return partition_of(key_of(message) or b"", PARTITIONS)


def record(message: m.Message, offset: int = 0, *, at_ms: int = 1_000) -> ARecord:
    """Return the record of a message where it belongs."""
    return ARecord(home_of(message), offset, at_ms, key_of(message), encode(message))
