"""Which log a position belongs to, beyond the name of its topic.

A position means something in one log alone. Kafka names a cluster and each topic by an id: a topic that was deleted and
made again, or a cluster that was set up anew, has other ids. A log that was moved or mirrored has other ids too, and the
same records: `lastunit topology rebase` recognises it by the digest of the last record that was decided.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import UnknownTopicOrPartitionError

from consumers.runtime.deciding.record import MalformedRecord
from topology.topic_metadata import topic_metadata

if TYPE_CHECKING:
    from consumers.runtime.deciding.record import Record


class LogIdentity(NamedTuple):
    """A cluster, and a topic in it by Kafka's id."""

    cluster_id: str
    topic_id: str


class SourceLog(NamedTuple):
    """A topic as Kafka has it now, and how many partitions it has there."""

    identity: LogIdentity
    partitions: int


async def source_log(client: Any, topic: str) -> SourceLog:
    """Ask which log this topic is, through an AIOKafkaClient that is connected.

    Raises KafkaError, UnknownTopicOrPartitionError among them for a topic that is not there.
    """
    cluster = await topic_metadata(client, [topic])
    if (observed := cluster.topics.get(topic)) is None:
        raise UnknownTopicOrPartitionError(topic)
    return SourceLog(LogIdentity(cluster.cluster_id, observed.topic_id), observed.partitions)


def record_digest(record: Record) -> str:
    """Return `offset:digest` of a record: of its append time, key, value and headers, each with its length."""
    digest = hashlib.sha256(record.timestamp.to_bytes(8, "big", signed=True))
    value = record.body if isinstance(record, MalformedRecord) else record.value
    for part in (record.key, value, *(part for name, each in record.headers for part in (name.encode(), each))):
        digest.update(b"\0" if part is None else b"\1" + len(part).to_bytes(4, "big") + part)
    return f"{record.offset}:{digest.hexdigest()[:32]}"
