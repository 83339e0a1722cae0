"""The answer to a COMMIT is lost, in every way there is: the owner finds out what happened, and goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from tests.harness.postgres_proxy import Fate, PostgresProxy
from tests.harness.shop import Level, Shop, order


@asynccontextmanager
async def inventory_behind(proxy: PostgresProxy, shop: Shop) -> AsyncIterator[None]:
    """Run inventory with the proxy between it and the database, until it has claimed all partitions."""
    owner = PartitionOwner(InventoryRoom(), shop.options(postgres_dsn=proxy.dsn), shop.publisher)
    async with shop.owning(owner):
        await shop.until(lambda: shop.value("SELECT count(*) = 3 FROM claims"))
        yield


@pytest.mark.parametrize("fate", [Fate.LOSE_STATEMENT, Fate.LOSE_ANSWER, Fate.LOSE_SIGHT])
async def test_the_owner_finds_out_whether_its_commit_took_effect(shop: Shop, fate: Fate) -> None:
    await shop.receive(MUG=100)
    with capture_logs() as logs:
        async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy, inventory_behind(proxy, shop):
            await shop.until_quiet("inventory")
            proxy.bring(fate, at=2)
            for _ in range(4):
                await shop.place(*(order(("MUG", 1)) for _ in range(5)))
                await shop.until_quiet("inventory")
    lost = [log for log in logs if log["event"] == "server_unavailable"]
    assert [log["purpose"] for log in lost] == ["commit"]
    assert not [log for log in logs if log["event"] == "fenced"]
    assert await shop.levels() == {"MUG": Level(100, 20, 0)}
    await shop.assert_sound()


@pytest.mark.release
async def test_a_commit_that_is_still_being_carried_out_when_it_is_sent_again_takes_effect_once(shop: Shop) -> None:
    await shop.receive(MUG=100)
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy, inventory_behind(proxy, shop):
        await shop.until_quiet("inventory")
        proxy.bring(Fate.LOSE_SIGHT, at=1)
        async with shop.database.acquire() as connection:
            held_up = connection.transaction()
            await held_up.start()
            await connection.execute("SELECT 1 FROM stock FOR UPDATE")  # the statement gets past its fence, and waits
            before = proxy.commits
            await shop.place(order(("MUG", 1)))
            await shop.until(lambda: _sent(proxy, before + 2))
            await shop.until(lambda: _waiting(shop, 2))
            await held_up.rollback()
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet("inventory")
    assert await shop.levels() == {"MUG": Level(100, 2, 0)}
    await shop.assert_sound()


def _sent(proxy: PostgresProxy, commits: int) -> bool:
    return proxy.commits >= commits


async def _waiting(shop: Shop, statements: int) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH fence AS%'"
    return int(await shop.value(waiting)) >= statements
