"""The last record of a SKU on stock.levels is its level, whoever delivers late; readers know an old one by its version."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from typing_extensions import override

from consumers.errors import OwnerStoppedError
from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.latest_levels import LatestLevels
from tests.harness.shop import Shop, in_miniature, open_shop, order
from topology.topics import INVENTORY_COMMANDS, STOCK_LEVELS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


def level_in(value: bytes | None) -> m.StockLevel | None:
    return None if value is None else cast("m.StockLevel", decode(value))


async def last_records(shop: Shop) -> dict[bytes, m.StockLevel | None]:
    """Return what compaction leaves: the last record of each SKU."""
    return {record.key or b"": level_in(record.value) for record in await shop.records(STOCK_LEVELS)}


async def latest(shop: Shop) -> LatestLevels:
    """Return what a reader knows that goes by the versions."""
    levels = LatestLevels()
    for record in await shop.records(STOCK_LEVELS):
        levels.take(record.key or b"", level_in(record.value), record.headers)
    return levels


async def available(shop: Shop) -> int:
    level = (await last_records(shop))[b"MUG"]
    return level.available if level else 0


async def late(shop: Shop) -> None:
    """Deliver the first level of the SKU again, as an owner does that was paused with it in its hands."""
    first = next(record for record in await shop.records(STOCK_LEVELS) if record.key == b"MUG")
    await shop.publisher.publish([Outgoing(STOCK_LEVELS.name, BY_KEY, first.key, first.value)])


async def test_a_level_that_comes_late_is_known_as_old_and_stated_again_by_the_next_claim(shop: Shop) -> None:
    await shop.receive(MUG=10, TIN=3)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        await shop.place(*(order(("MUG", 1)) for _ in range(4)))
        await shop.until_quiet("inventory")
    await late(shop)
    assert await available(shop) == 10
    known = await latest(shop)
    assert known.ignored == 1
    level = known.levels[b"MUG"]
    assert level is not None
    assert (level.available, level.generation, level.offset) == (6, 1, 5)

    async with shop.running("inventory"):
        await shop.until(lambda: _is_available(shop, 6))
    assert (await latest(shop)).levels == await last_records(shop)


async def test_an_old_level_does_not_bring_a_retired_sku_back(shop: Shop) -> None:
    await shop.receive(MUG=1)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        await shop.say(m.AdjustStock("a-1", "MUG", -1, "broken"), m.RetireSku("r-1", "MUG"))
        await shop.until_quiet("inventory")
    await late(shop)
    assert (await latest(shop)).levels[b"MUG"] is None
    async with shop.running("inventory"):
        await shop.until(lambda: _is_available(shop, 0))
    assert (await last_records(shop))[b"MUG"] is None


class Paused(Publisher):
    """Kafka as an owner finds it that is paused in the middle of publishing."""

    @override
    async def publish(self, records: Sequence[Outgoing]) -> None:
        raise OSError("paused")


async def test_levels_that_a_paused_owner_may_still_deliver_are_stated_again_when_it_comes_back(shop: Shop) -> None:
    await shop.receive(MUG=10)
    async with Paused(shop.settings.kafka_bootstrap or "", namespace=shop.settings.namespace) as paused:
        with pytest.raises(OwnerStoppedError):
            await PartitionOwner(InventoryRoom(), shop.options(), paused).run()
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        await shop.place(*(order(("MUG", 1)) for _ in range(4)))
        await shop.until_quiet("inventory")
        await late(shop)
        assert await available(shop) == 10
        async with joining(shop):
            await shop.until(lambda: _is_available(shop, 6))


@contextlib.asynccontextmanager
async def joining(shop: Shop) -> AsyncIterator[None]:
    """Join inventory's group, so that its partitions are shared out anew."""
    consumer = AIOKafkaConsumer(
        INVENTORY_COMMANDS.in_namespace(shop.settings.namespace),
        bootstrap_servers=shop.settings.kafka_bootstrap,
        group_id=f"{shop.settings.namespace}inventory",
        partition_assignment_strategy=[RangePartitionAssignor],
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def _is_available(shop: Shop, units: int) -> bool:
    return await available(shop) == units
