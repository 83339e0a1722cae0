"""Owners that do not know that they no longer own: paused, partitioned away, resumed. And what happens without a fence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.commit import commit_statement
from infra.local.supervisor import Supervisor
from producers.clients.orders import place_order_lines
from schemas import messages as m
from tests.harness.postgres_proxy import Fate, PostgresProxy
from tests.harness.race import race
from tests.harness.shop import Level, Shop, order
from tests.harness.shop_evidence import copies, logged
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS

ORDERS = 200
CHANGED_HANDS = "SELECT min(epoch) > 2 FROM claims WHERE room IN ('inventory', 'orders')"
FENCE = "AND c.epoch = f.epoch AND c.next_offsets = ARRAY[f.old_offset]"


class UngroupedOwner(PartitionOwner):
    """Reads in a group of its own: for Kafka it owns every partition, whoever else does."""

    @override
    def _new_consumer(self) -> Any:
        options = self.options
        self.options = msgspec.structs.replace(options, namespace=f"stray.{options.namespace}")
        try:
            return super()._new_consumer()
        finally:
            self.options = options


def without_fence(owner: PartitionOwner) -> PartitionOwner:
    """Take the compare-and-set out of an owner's commit statement."""
    assert FENCE in commit_statement(())
    owner._statement = lambda saves: commit_statement(saves).replace(FENCE, "")
    return owner


@pytest.mark.timeout(400)
async def test_a_paused_owner_that_wakes_up_changes_nothing_and_publishes_nothing_new(
    shop: Shop, tmp_path: Path
) -> None:
    traffic = await race(shop, 4_711, orders=ORDERS)
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy:
        settings = shop.settings.model_copy(update={"postgres_dsn": proxy.dsn})
        async with Supervisor(settings, folder=tmp_path / "first") as first:
            await first.start("inventory")
            await shop.until(lambda: shop.value("SELECT count(*) = 3 FROM claims"))
            proxy.bring(Fate.HOLD, at=8)
            await shop.place(*traffic.orders)
            await asyncio.wait_for(proxy.held.wait(), 60)
            first.pause("inventory")
            await shop.supervisor.start("inventory")
            await shop.until_quiet("inventory")
            published = copies([*await shop.records(ORDER_EVENTS), *await shop.records(INVENTORY_COMMANDS)])
            levels = await shop.levels()
            first.resume("inventory")
            proxy.release()
            await shop.until(lambda: _has_logged(tmp_path / "first", "fenced"))
            await first.stop("inventory")
        await shop.until_quiet("inventory")
    assert await shop.levels() == levels
    published_now = copies([*await shop.records(ORDER_EVENTS), *await shop.records(INVENTORY_COMMANDS)])
    assert published_now.keys() == published.keys()
    assert all(len(contents) == 1 for contents in published_now.values())
    await shop.assert_sound()


def _has_logged(folder: Path, event: str) -> bool:
    return bool(logged(folder, "inventory", event))


@pytest.mark.release
@pytest.mark.timeout(400)
async def test_two_owners_whom_kafka_does_not_keep_apart_do_the_work_of_one(shop: Shop) -> None:
    traffic = await race(shop, 4_712, orders=ORDERS)
    often = shop.options(session_timeout_ms=1_000, batch_records=20)
    async with (
        shop.owning(PartitionOwner(InventoryRoom(), often, shop.publisher)),
        shop.owning(UngroupedOwner(InventoryRoom(), often, shop.publisher)),
        shop.owning(UngroupedOwner(OrdersRoom(), often, shop.publisher)),
        shop.running("orders", "payments", "fulfilment"),
    ):
        for start in range(0, ORDERS, 20):
            await shop.place(*traffic.orders[start : start + 20])
            await shop.until(lambda start=start: shop.has_decided("inventory", start))  # type: ignore[misc]
        await shop.until(lambda: shop.value(CHANGED_HANDS))
        await shop.until_quiet(orders=ORDERS)
    await shop.assert_sound()


@pytest.mark.release
@pytest.mark.parametrize("fenced", [True, False])
async def test_the_fence_is_what_keeps_a_second_owner_from_deciding_the_same_records_again(
    shop: Shop, fenced: bool
) -> None:
    orders = [order(("MUG", 1)) for _ in range(6)]
    await shop.receive(MUG=10)
    await shop.place(*orders)
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy:
        slow = PartitionOwner(InventoryRoom(), shop.options(postgres_dsn=proxy.dsn), shop.publisher)
        other = UngroupedOwner(InventoryRoom(), shop.options(), shop.publisher)
        for owner in () if fenced else (slow, other):
            without_fence(owner)
        async with shop.owning(slow):
            await shop.until_quiet("inventory")
            proxy.bring(Fate.HOLD, at=1)
            released = [place_order_lines(each)[0] for each in orders[:2]]
            await shop.say(*(m.ReleaseLine(line.order_id, 1, line.sku, "changed my mind") for line in released))
            await asyncio.wait_for(proxy.held.wait(), 30)
            async with shop.owning(other):
                await shop.until_quiet("inventory")
                assert await shop.levels() == {"MUG": Level(10, 4, 0)}
                proxy.release()
                await shop.until(lambda: _settled(slow))
    report = await shop.audit()
    if fenced:
        assert await shop.levels() == {"MUG": Level(10, 4, 0)}
        await shop.assert_sound()
    else:
        assert await shop.levels() == {"MUG": Level(10, 2, 0)}
        assert {"on_hand_is_the_sum_of_movements", "replay_gives_the_same_decisions"} <= report.breaches


def _settled(owner: PartitionOwner) -> bool:
    return owner._in_flight is None
