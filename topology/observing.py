"""What topics a live cluster has, and how they are configured."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    UnknownTopicOrPartitionError,
    for_code,
)

from topology.differences import (
    ObservedCluster,
    ObservedTopic,
)
from topology.topics import TOPICS


async def observe(client: AIOKafkaAdminClient, namespace: str) -> ObservedCluster:
    """Return what the cluster has of our topics.

    All topics are asked for, not ours: a cluster that creates topics by itself would create those that are asked for.
    """
    described = await client.describe_cluster()
    names = {topic.in_namespace(namespace) for topic in TOPICS}
    partitions = {
        topic["topic"]: topic["partitions"] for topic in await client.describe_topics() if topic["topic"] in names
    }
    configs = await _configs(client, partitions)
    topics = {
        name: ObservedTopic(
            partitions=len(partitions[name]),
            replication_factor=min((len(partition["replicas"]) for partition in partitions[name]), default=0),
            configs=configs[name],
            leaderless=sum(partition["leader"] < 0 for partition in partitions[name]),
        )
        for name in partitions
        if name in configs
    }
    return ObservedCluster(described["cluster_id"], len(described["brokers"]), topics)


async def _configs(client: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str | None]]:
    """Return the configs of the topics; one that the asked broker does not know yet is left out."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str | None]] = {}
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code == UnknownTopicOrPartitionError.errno:
                continue
            if code:
                raise for_code(code)(f"the configs of {name}: {message}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
