"""PostgreSQL refuses, for as long as it likes: the owner waits, shows that it is not ready, and goes on by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres import database
from infra.base.settings import Settings
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order

ATTEMPTS = 5
"""The pauses between so many take 1.5 s, longer than the watchdog has patience."""
WATCHDOG_SECONDS = 1.0


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@asynccontextmanager
async def altered(shop: Shop, statement: str, back: str) -> AsyncIterator[None]:
    """Run a statement about the shop's database, and another afterwards; owners have to connect anew each time."""
    server, _, name = (shop.settings.postgres_dsn or "").rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        for each in (statement, back):
            await connection.execute(each.format(name=name))
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = $1 AND application_name LIKE 'lastunit %'",
                name,
            )
            if each is statement:
                yield
    finally:
        await connection.close()


def read_only(shop: Shop) -> AbstractAsyncContextManager[None]:
    return altered(
        shop,
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        "ALTER DATABASE {name} RESET default_transaction_read_only",
    )


def closed(shop: Shop) -> AbstractAsyncContextManager[None]:
    return altered(
        shop, "ALTER DATABASE {name} ALLOW_CONNECTIONS false", "ALTER DATABASE {name} ALLOW_CONNECTIONS true"
    )


@asynccontextmanager
async def locked(shop: Shop, statement: str) -> AsyncIterator[None]:
    """Hold a lock, as somebody with an open psql does."""
    async with shop.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement)
        try:
            yield
        finally:
            await transaction.rollback()


def locked_row(shop: Shop) -> AbstractAsyncContextManager[None]:
    return locked(shop, "SELECT FROM claims FOR UPDATE")


def altered_table(shop: Shop) -> AbstractAsyncContextManager[None]:
    return locked(shop, "ALTER TABLE stock ADD COLUMN note text")


@asynccontextmanager
async def full(shop: Shop) -> AsyncIterator[None]:
    """Answer as a server without space on its disk: nothing that writes is carried out."""
    await shop.database.execute(
        "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        "CREATE TRIGGER no_space BEFORE UPDATE ON claims FOR EACH STATEMENT EXECUTE FUNCTION no_space()"
    )
    yield
    await shop.database.execute("DROP TRIGGER no_space ON claims")


@pytest.mark.parametrize(
    "outage",
    [
        read_only,
        locked_row,
        pytest.param(closed, marks=pytest.mark.slow),
        pytest.param(altered_table, marks=pytest.mark.slow),
        pytest.param(full, marks=pytest.mark.slow),
    ],
)
async def test_an_owner_waits_for_as_long_as_postgresql_refuses(
    shop: Shop, outage: Callable[[Shop], AbstractAsyncContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STATEMENT_SECONDS", 0.3)
    await shop.receive(MUG=10)
    owner = PartitionOwner(InventoryRoom(), shop.options(watchdog_seconds=WATCHDOG_SECONDS), shop.publisher)
    with capture_logs() as logs:
        async with shop.owning(owner) as running:
            await shop.until_quiet("inventory")
            async with outage(shop):
                await shop.place(*(order(("MUG", 1)) for _ in range(4)))

                async def refused_often() -> bool:
                    return any(attempts >= ATTEMPTS for attempts in owner._database.outage._failing.values())

                await shop.until(refused_often)
                assert not running.done()
                assert owner.readiness.obstacles["PostgreSQL (inventory)"].startswith("PostgreSQL is unavailable: ")
            await shop.until_quiet("inventory")
            assert owner.readiness.is_ready
    assert await shop.levels() == {"MUG": Level(10, 4, 0)}
    events = [log["event"] for log in logs if log["event"].startswith("server_")]
    assert events.count("server_available") == 1
    assert len(events) <= 4, "one line for each kind of trouble, not for each attempt"
    await shop.assert_sound()
