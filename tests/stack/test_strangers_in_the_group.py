"""Somebody who is no room joins a room's consumer group: named, given nothing, and never silently in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from structlog.testing import capture_logs

from consumers.inventory.room import InventoryRoom
from consumers.runtime.kafka.group import OBSTACLE
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from topology.topics import INVENTORY_COMMANDS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@asynccontextmanager
async def stranger(shop: Shop, assignor: type = RangePartitionAssignor) -> AsyncIterator[AIOKafkaConsumer]:
    """Read inventory.commands in inventory's group, as somebody with a copied configuration does."""
    consumer = AIOKafkaConsumer(
        INVENTORY_COMMANDS.in_namespace(shop.settings.namespace),
        bootstrap_servers=shop.settings.kafka_bootstrap,
        group_id=f"{shop.settings.namespace}inventory",
        client_id="somebodys-report",
        partition_assignment_strategy=[assignor],
        enable_auto_commit=False,
        heartbeat_interval_ms=200,
        session_timeout_ms=6_000,
    )
    await consumer.start()
    reading = asyncio.create_task(_read(consumer))
    try:
        yield consumer
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer) -> None:
    while True:
        await consumer.getmany(timeout_ms=100)


def owner_of(shop: Shop) -> PartitionOwner:
    return PartitionOwner(InventoryRoom(), shop.options(), shop.publisher)


async def test_a_stranger_that_joins_a_room_gets_no_partition_and_is_named(shop: Shop) -> None:
    await shop.receive(MUG=50, TIN=50)
    owner = owner_of(shop)
    with capture_logs() as logs:
        async with shop.owning(owner):
            await shop.until_quiet("inventory")
            async with stranger(shop) as reader:

                async def named() -> bool:
                    return any(log["event"] == "stranger_in_group" for log in logs)

                await shop.until(named)
                assert reader.assignment() == frozenset()
                await shop.place(*(order(("MUG", 1), ("TIN", 1)) for _ in range(20)))
                await shop.until_quiet("inventory")
    [named_once] = [log for log in logs if log["event"] == "stranger_in_group"]
    assert named_once["client_id"] == "somebodys-report"
    assert named_once["member"].startswith("somebodys-report-")
    assert "127.0.0.1" in named_once["host"]
    assert await shop.levels() == {"MUG": Level(50, 20, 0), "TIN": Level(50, 20, 0)}


async def test_partitions_that_a_stranger_leads_away_count_as_not_ready_until_it_is_gone(shop: Shop) -> None:
    """Whoever leads a group shares its partitions out by its own rules."""
    await shop.receive(MUG=50, TIN=50, CUP=50, TEA=50)
    owner = owner_of(shop)
    async with stranger(shop) as leader:
        await shop.until(lambda: _holds(leader, 3))
        async with shop.owning(owner):

            async def not_ready() -> bool:
                return OBSTACLE in owner.readiness.obstacles

            await shop.until(not_ready)
            reason = owner.readiness.obstacles[OBSTACLE]
            assert "client id somebodys-report" in reason
            assert INVENTORY_COMMANDS.name in reason
            await leader.stop()
            await shop.until_quiet("inventory")
            await shop.until(lambda: _is_ready(owner))


async def test_a_stranger_with_another_assignor_is_waited_for_and_named(shop: Shop) -> None:
    owner = owner_of(shop)
    with capture_logs() as logs:
        async with stranger(shop, RoundRobinPartitionAssignor) as reader:
            await shop.until(lambda: _holds(reader, 3))
            async with shop.owning(owner) as running:

                async def named() -> bool:
                    return OBSTACLE in owner.readiness.obstacles

                await shop.until(named)
                assert "roundrobin, so no room can join" in owner.readiness.obstacles[OBSTACLE]
                assert not running.done()
                await reader.stop()
                await shop.receive(MUG=1)
                await shop.until_quiet("inventory")
                assert owner.readiness.is_ready
    assert [log["assignor"] for log in logs if log["event"] == "stranger_in_group"] == ["roundrobin"]


async def _holds(consumer: AIOKafkaConsumer, partitions: int) -> bool:
    return len(consumer.assignment()) == partitions


async def _is_ready(owner: PartitionOwner) -> bool:
    return owner.readiness.is_ready
