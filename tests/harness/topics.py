"""Some of our topics for a test that needs no more: each partition of one takes the broker 7 ms of CPU to make and to delete."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.base.settings import Settings
from tests.harness.waiting import until
from topology.rules import VERSIONED, begin_with_newest
from topology.topics import Topic


async def give_topics(settings: Settings, *topics: Topic, partitions: int) -> None:
    """Make these topics and wait until they can be written; those that are decided begin with the newest rules."""
    bootstrap = settings.kafka_bootstrap or ""
    names = [topic.in_namespace(settings.namespace) for topic in topics]
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def are_led() -> bool:
        found = await client.describe_topics(names)
        leaders = [partition["leader"] for topic in found for partition in topic["partitions"]]
        return len(leaders) == partitions * len(names) and min(leaders) >= 0

    try:
        await client.start()
        await client.create_topics(
            [
                NewTopic(name, partitions, 1, topic_configs=topic.kafka_configs())
                for name, topic in zip(names, topics, strict=True)
            ]
        )
        await until(are_led)
    finally:
        await client.close()
    if versioned := [name for name, topic in zip(names, topics, strict=True) if topic in VERSIONED]:
        await begin_with_newest(bootstrap, versioned)
