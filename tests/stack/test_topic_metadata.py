"""What a topic's name means: its id and its partitions, against the real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.base.settings import Settings
from tests.harness.waiting import until
from topology.topic_metadata import topic_metadata


@pytest_asyncio.fixture
async def client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def test_a_topic_that_is_made_again_has_the_same_name_and_another_id(
    client: AIOKafkaAdminClient, settings: Settings
) -> None:
    name = f"{settings.namespace}order.commands"

    async def seen(partitions: int) -> str:
        """Return the topic's id once the cluster shows so many partitions; 0: no such topic."""
        topic_id = ""

        async def is_shown() -> bool:
            nonlocal topic_id
            cluster = await topic_metadata(client._client, [name])
            assert cluster.cluster_id == settings.cluster_id
            topic = cluster.topics.get(name)
            topic_id = topic.topic_id if topic else ""
            return (topic.partitions if topic else 0) == partitions

        await until(is_shown)
        return topic_id

    await client.create_topics([NewTopic(name, 2, 1)])
    first = await seen(2)
    assert await seen(2) == first
    await client.delete_topics([name])
    assert not await seen(0)
    await client.create_topics([NewTopic(name, 3, 1)])
    second = await seen(3)

    assert len(first) == len(second) == 22
    assert first != second
