"""Processes of two releases side by side: what only the newer one can read waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest_asyncio

from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from consumers.views.room import OrderViews, ViewsOptions
from consumers.views.store import read_timeline
from infra.base.connections import redis_client
from infra.base.settings import Settings
from producers.outage import Readiness
from schemas import messages as m
from schemas.codec import wire
from schemas.ids import new_order_id
from tests.harness.shop import PARTITIONS, Level, Shop, in_miniature, open_shop, order
from tests.harness.waiting import until
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS

WAITING = "schemas of inventory"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@contextmanager
def earlier_release(message: m.Message) -> Iterator[None]:
    """Let this process be of a release that cannot read such messages."""
    head = wire.encode(message)[:5]
    decoder, kind = wire._decoders.pop(head), wire._types.pop(head)
    try:
        yield
    finally:
        wire._decoders[head], wire._types[head] = decoder, kind


def _ids_in(partition: int) -> Iterator[str]:
    """Yield order ids of a partition."""
    while True:
        order_id = new_order_id()
        if partition_of(order_id.encode(), PARTITIONS) == partition:
            yield order_id


async def test_a_record_of_a_newer_release_waits_for_a_newer_process(shop: Shop) -> None:
    assert partition_of(b"MUG", 3) != partition_of(b"TIN", 3)
    suspend = m.SuspendSale(command_id=new_order_id(), sku="MUG", reason="recalled")
    await shop.receive(MUG=5, TIN=5)
    await shop.place(order(("MUG", 1)))
    await shop.say(suspend)
    await shop.place(order(("MUG", 1)), order(("TIN", 1)))
    earlier = PartitionOwner(InventoryRoom(), shop.options(), shop.publisher)

    with earlier_release(suspend):
        async with shop.owning(earlier):

            async def has_decided_what_it_can() -> bool:
                sold = {sku: level.reserved for sku, level in (await shop.levels()).items()}
                return sold == {"MUG": 1, "TIN": 1} and WAITING in earlier.readiness.obstacles

            await shop.until(has_decided_what_it_can)
            assert "is a newer release's; upgrade this process" in earlier.readiness.obstacles[WAITING]
            await shop.supervisor.start("inventory")  # of this release, beside the earlier one
    await shop.until_quiet("inventory")

    assert await shop.levels() == {"MUG": Level(5, 1, 0), "TIN": Level(5, 1, 0)}
    assert await shop.value("SELECT is_suspended FROM stock WHERE sku = 'MUG'")
    assert await shop.records(DEAD_LETTERS) == []


async def test_views_leave_an_event_of_a_newer_release_to_a_newer_process(shop: Shop) -> None:
    order_a, others = (next(_ids_in(partition)) for partition in (0, 1))
    paid, shipped = m.OrderPaid(order_a, 500, "GBP"), m.OrderShipped(order_a)
    readiness = Readiness()
    options = ViewsOptions(
        kafka_bootstrap=shop.settings.kafka_bootstrap or "",
        redis_url=shop.settings.redis_url or "",
        postgres_dsn=shop.settings.postgres_dsn,
        namespace=shop.settings.namespace,
        watchdog_seconds=1.0,
    )

    async def states() -> list[str | None]:
        async with redis_client(shop.settings) as redis:
            views = [await read_timeline(redis, shop.settings.namespace, order_id) for order_id in (order_a, others)]
        return [view.events[-1].type if view is not None and view.events else None for view in views]

    async def shown(*wanted: str) -> bool:
        return await states() == list(wanted)

    await shop.say(paid)
    await shop.say(shipped)
    await shop.say(m.OrderPaid(others, 500, "GBP"))
    with earlier_release(shipped):
        earlier = OrderViews(options, readiness)
        running = asyncio.create_task(earlier.run())
        await shop.until(lambda: shown("OrderPaid", "OrderPaid"))
        await until(lambda: "schemas of views" in readiness.obstacles, running)
        await shop.supervisor.start("views")  # of this release, beside the earlier one
        earlier.stop()
        await running
    await shop.until(lambda: shown("OrderShipped", "OrderPaid"))
    assert earlier.skipped == 0


async def test_a_schema_that_no_release_registered_is_a_dead_letter(shop: Shop) -> None:
    suspend = m.SuspendSale(command_id=new_order_id(), sku="MUG", reason="recalled")
    await shop.database.execute("DELETE FROM registered_schemas WHERE name = 'lastunit.SuspendSale'")
    await shop.receive(MUG=5)
    await shop.say(suspend)
    await shop.place(order(("MUG", 1)))

    with earlier_release(suspend):
        async with shop.owning(PartitionOwner(InventoryRoom(), shop.options(), shop.publisher)):
            await shop.until_quiet("inventory")

    assert await shop.levels() == {"MUG": Level(5, 1, 0)}
    assert len(await shop.records(DEAD_LETTERS)) == 1
