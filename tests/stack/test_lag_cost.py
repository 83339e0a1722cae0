"""What watching a wide cluster costs: 1,000 partitions that 20 groups read."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumers.lag.kafka import Claims, Cluster
from consumers.lag.monitor import FOREIGN_SECONDS, LagMonitor
from infra.base.settings import Settings
from producers.publisher import Outgoing, Publisher
from tests.harness.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:confluent_kafka")

TOPICS, PARTITIONS, GROUPS = 10, 100, 20
BAR = 0.05
"""Of one core."""


async def no_claims() -> Claims:
    return {}


async def widen(settings: Settings) -> list[str]:
    """Make the topics, with two records or more in each partition; return their names without the namespace."""
    names = [f"wide{number}" for number in range(TOPICS)]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=120_000)
    await admin.start()
    try:
        for name in names:
            await admin.create_topics([NewTopic(f"{settings.namespace}{name}", PARTITIONS, 1)])
    finally:
        await admin.close()
    async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
        for name in names:
            await publisher.publish([Outgoing(name, at, b"k", b"v") for at in range(PARTITIONS) for _ in range(2)])
    return names


@pytest.mark.release
@pytest.mark.timeout(900)
async def test_a_thousand_partitions_that_twenty_groups_read_cost_less_than_a_twentieth_of_a_core(
    settings: Settings,
) -> None:
    bootstrap = settings.kafka_bootstrap or ""
    topics = [f"{settings.namespace}{name}" for name in await widen(settings)]
    places = [(topic, number) for topic in topics for number in range(PARTITIONS)]
    cluster = Cluster(bootstrap, {})
    try:
        for number in range(GROUPS):
            positions = dict.fromkeys(places, number % 2 + 1)
            name = f"{settings.namespace}g{number}"

            async def are_set(group: str = name, to: dict[tuple[str, int], int] = positions) -> bool:
                return not await asyncio.to_thread(cluster.set_positions, group, to)

            await until(are_set)  # a coordinator that has just come up is loading
    finally:
        await asyncio.to_thread(cluster.close)
    monitor = LagMonitor(bootstrap, {}, no_claims)
    try:
        report = await monitor.look()  # reads the first record that waits in each partition, once
        running = asyncio.create_task(monitor.run())
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(3 * FOREIGN_SECONDS)
        share = (time.process_time() - cpu) / (time.monotonic() - began)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    finally:
        await monitor.close()
    ours = [group for group in report.groups if group.group.startswith(settings.namespace)]
    assert [(len(group.partitions), group.unknown) for group in ours] == [(TOPICS * PARTITIONS, 0)] * GROUPS
    logging.getLogger(__name__).info("watching costs %.1f %% of a core", 100 * share)
    assert share < BAR
