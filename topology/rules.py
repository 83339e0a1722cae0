"""The versions of the decision rules, and how a partition's log begins with one.

A change of a decision is a new version. Each partition of each topic that a room decides about has its own, adopted by a
logged `AdoptRules`: what comes before it was decided by the version before, whatever process decides it. So a log replays
to the same bytes for as long as the versions in it are known. See docs/guides/rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.codec.wire import encode
from schemas.messages import AdoptRules
from topology.topics import TOPICS

UNVERSIONED: Final = 0
"""What was decided before rules had versions: replayed by its published outcomes, never decided again."""
FORWARDS_MISROUTED: Final = 2
"""From this version on a record in the wrong partition is sent on, and a dead letter is an event of its order too (decision 043)."""
NEWEST: Final = 2
"""What this release decides by. A process that meets a later version stops."""

VERSIONED: Final = tuple(topic for topic in TOPICS if AdoptRules in topic.also_carries)
"""The topics that rooms decide about, each partition by rules of a version."""


async def begin_with_newest(bootstrap: str, names: Iterable[str]) -> dict[str, list[int]]:
    """Append the newest version to each partition of these topics that has never had a record; return which those are.

    Names are Kafka's. It may run twice, or at once in several processes: adopting a version again changes nothing.
    Raises KafkaError.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001  without a subscription it knows no topic
        tps = [TopicPartition(name, each) for name in names for each in cluster.partitions_for_topic(name) or ()]
        ends = await consumer.end_offsets(tps)
    finally:
        await consumer.stop()
    empty: dict[str, list[int]] = {}
    for tp in tps:
        if ends[tp] == 0:
            empty.setdefault(tp.topic, []).append(tp.partition)
    await adopt(bootstrap, NEWEST, empty)
    return empty


async def adopt(bootstrap: str, version: int, partitions: Mapping[str, Iterable[int]]) -> None:
    """Append the adoption of a version to these partitions, by Kafka's name of their topic. Raises KafkaError."""
    if not any(partitions.values()):
        return
    value = encode(AdoptRules(version))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for name, numbers in partitions.items():
            for partition in numbers:
                await producer.send_and_wait(name, value, partition=partition)
    finally:
        await producer.stop()
