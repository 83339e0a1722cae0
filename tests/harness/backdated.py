"""Commands that were logged long ago: the only way to an old log without waiting for it is a topic whose times we set."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.codec.wire import encode
from schemas.messages import Message
from tests.harness.shop import Shop
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS, key_of


async def say_long_ago(shop: Shop, messages: Iterable[tuple[int, Message]]) -> None:
    """Append commands to inventory.commands, each at its own time (ms since the epoch)."""
    topic = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    bootstrap = shop.settings.kafka_bootstrap
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        configs = {**INVENTORY_COMMANDS.kafka_configs(), "message.timestamp.type": "CreateTime"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
    finally:
        await client.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for at_ms, message in messages:
            key = key_of(message)
            assert key is not None
            home = partition_of(key, shop.settings.partitions)
            record = await producer.send_and_wait(topic, encode(message), key, home, timestamp_ms=at_ms)
            assert record.timestamp_type == 0, "the topic still takes the broker's time"
