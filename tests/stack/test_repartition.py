"""`lastunit topology repartition` as an operator meets it, on a system at work."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.base.settings import Settings
from tests.harness.cli import Answer, lastunit
from tests.harness.shop import Shop, in_miniature, open_shop, order

SKUS = [f"SKU-{number}" for number in range(12)]


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=2), tmp_path) as opened:
        yield opened


async def repartition(shop: Shop, *arguments: str) -> Answer:
    return await lastunit(
        {**os.environ, **shop.settings.environment()}, "topology", "repartition", "--wait-seconds", "20", *arguments
    )


async def state(shop: Shop) -> list[tuple[int, bool]]:
    query = "SELECT partitions, switched_at IS NOT NULL AS in_force FROM partitionings "
    query += "WHERE topic = 'inventory.commands' ORDER BY generation"
    return [tuple(row) for row in await shop.database.fetch(query)]


@pytest.mark.release
@pytest.mark.timeout(300)
async def test_a_plan_changes_nothing_and_yes_does_it_twice_in_a_row(shop: Shop) -> None:
    await shop.start_processes()
    await shop.receive(**dict.fromkeys(SKUS, 5))
    await shop.place(*(order((sku, 1), ("SKU-0", 1)) for sku in SKUS[1:4]))
    await shop.until_quiet(orders=3)

    planned = await repartition(shop, "--partitions", "3")
    assert (planned.status, planned.errors) == (0, "")
    assert "from 2 to 3 partitions" in planned.output
    assert "of 12 SKUs move" in planned.output
    assert await state(shop) == [(2, True)]

    done = await repartition(shop, "--partitions", "3", "--yes")
    assert (done.status, done.errors) == (0, "")
    for words in ("announced:", "drained:", "partitions_added:", "switched:", "resumed:", "3 partitions are in force"):
        assert words in done.output
    assert await state(shop) == [(2, True), (3, True)]
    await shop.assert_sound()
    await shop.place(*(order((sku, 1)) for sku in SKUS))
    await shop.until_quiet(orders=15)

    again = await repartition(shop, "--partitions", "5", "--yes", "--json")
    assert again.json["done"]["generation"] == 3
    assert again.json["done"]["pause_seconds"] < 20
    await shop.place(*(order((sku, 1)) for sku in SKUS))
    await shop.until_quiet(orders=27)
    await shop.assert_sound()

    environment = {**os.environ, **shop.settings.environment()}
    replayed = await lastunit(environment, "replay", "--sku", SKUS[5])
    assert (replayed.status, "all equal" in replayed.output) == (0, True)
    history = await lastunit(environment, "stock", "history", SKUS[5], "--json")
    assert history.json[-1]["level"]["on_hand"] == 5
    assert history.json[-1]["level"]["allocated"] == 2
    reconciled = await lastunit(environment, "stock", "reconcile")
    assert reconciled.status == 0, reconciled
    checked = await lastunit(environment, "topology", "check")
    assert checked.status == 0, checked


@pytest.mark.timeout(300)
async def test_what_cannot_be_done_is_refused_and_what_was_announced_can_be_called_off(shop: Shop) -> None:
    before = await repartition(shop, "--partitions", "3", "--yes")
    assert (before.status, "LASTUNIT_PARTITIONS" in before.errors) == (1, True)

    async with shop.running("inventory"):
        await shop.receive(MUG=5)
        await shop.until_quiet("inventory")
    fewer = await repartition(shop, "--partitions", "1", "--yes")
    assert (fewer.status, "cannot take partitions away" in fewer.errors) == (1, True)

    await shop.receive(TEA=5, MUG=1)  # nobody is there to decide these
    waiting = await repartition(shop, "--partitions", "3", "--yes", "--wait-seconds", "0.5")
    assert (waiting.status, "Does the inventory run?" in waiting.errors) == (2, True)
    assert await state(shop) == [(2, True), (3, False)]
    other = await repartition(shop, "--partitions", "4", "--yes", "--json")
    assert (other.status, other.json["error"]) == (1, "RepartitionRefusedError")
    assert "finished" in (await repartition(shop, "--partitions", "3")).output

    assert "Called off" in (await repartition(shop, "--partitions", "3", "--cancel")).output
    assert "No change" in (await repartition(shop, "--partitions", "3", "--cancel")).output
    assert await state(shop) == [(2, True)]
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await shop.assert_sound()
