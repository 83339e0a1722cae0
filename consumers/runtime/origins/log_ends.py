"""Where the logs end that the ids of events name: also of topics and partitions that are not ours, or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topology.topic_metadata import topic_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition


async def log_ends(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the end offset of each of these partitions that is there.

    Of one that is not, the consumer would wait for its time-out (40 s), and anybody can invent an id. Raises KafkaError.
    """
    cluster = await topic_metadata(consumer._client, {tp.topic for tp in tps})  # noqa: SLF001
    known = [tp for tp in tps if tp.topic in cluster.topics and tp.partition < cluster.topics[tp.topic].partitions]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(known) if known else {}
    return ends
