"""What a batch changes is looked up by key, whatever the planner believes: an analysed empty table is full an hour later."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from consumers.payments.http_processor import HttpProcessor
from consumers.runtime.postgres.commit import commit_statement
from consumers.runtime.postgres.database import Database
from consumers.runtime.postgres.sql import load_queries
from infra.base.rooms import ROOMS
from infra.base.settings import Settings
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.tables import give_tables

READ_WHOLE = ("webhook_subscriptions",)
"""Every batch goes to every subscriber, so all of them are read; they are other systems, and do not grow with orders."""

UPDATED_BY_JOIN = """
WITH updated_orders AS (
    UPDATE orders o SET state = c.state FROM unnest($1::uuid[], $2::text[]) AS c (order_id, state)
    WHERE o.order_id = c.order_id
)
SELECT true
"""


class Unconnected:
    """Resources of a room that is asked for its statement and nothing else."""

    publisher: Any = None
    readiness: Any = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def processor(self) -> HttpProcessor:
        return HttpProcessor("http://127.0.0.1:9")


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """As an owner's, to a database of tables alone."""
    await give_tables(settings.postgres_dsn or "")
    database = Database(settings.postgres_dsn or "", "test")
    connection = await database._connected("commit")
    yield connection
    await database.close()


async def whole_scans(connection: asyncpg.Connection, statement: str) -> list[str]:
    """Return the scans of tables that read more than what one key names, of the plan that is made once for all batches."""
    count = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    await connection.execute(f"PREPARE planned AS {statement}")
    nulls = ", ".join(["NULL"] * count)
    plan = [row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE planned ({nulls})")]
    await connection.execute("DEALLOCATE planned")
    scans = [(line, following) for line, following in zip(plan, [*plan[1:], ""], strict=True) if " Scan " in line]
    tables = [(line, following) for line, following in scans if not re.search(r"(Function|CTE) Scan", line)]
    return [
        line.strip()
        for line, following in tables
        if "Index Cond" not in following and not any(f" on {table} " in line for table in READ_WHOLE)
    ]


@pytest.mark.parametrize("is_analysed", [False, True])
@pytest.mark.parametrize("name", ROOMS)
async def test_a_commit_reads_nothing_but_what_it_changes(
    settings: Settings, connection: asyncpg.Connection, name: str, is_analysed: bool
) -> None:
    if is_analysed:
        await connection.execute("ANALYZE")
    room = ROOMS[name].build(Unconnected(settings))
    await room.stop()
    assert await whole_scans(connection, commit_statement((room.save,) if room.save else ())) == []


@pytest.mark.parametrize("package", ["consumers.orders", "consumers.payments", "consumers.fulfilment"])
async def test_a_claim_reads_only_the_orders_that_are_dated_later(connection: asyncpg.Connection, package: str) -> None:
    await connection.execute("ANALYZE")
    assert await whole_scans(connection, load_queries(package)["dated_later"]) == []


async def test_an_update_by_a_join_reads_every_week_where_all_are_empty(connection: asyncpg.Connection) -> None:
    await connection.execute("ANALYZE")
    assert await whole_scans(connection, UPDATED_BY_JOIN) != []


async def test_the_row_of_an_order_that_moves_on_gets_no_new_index_entries(shop: Shop) -> None:
    """Of its three updates the last one does, which ends it: two are HOT."""
    two_of_three = (
        "SELECT sum(n_tup_upd) = 3 AND sum(n_tup_hot_upd) = 2 FROM pg_stat_user_tables "
        "WHERE schemaname = 'public' AND relname LIKE 'orders\\_%'"
    )
    async with shop.running("inventory", "orders", "payments"):
        await shop.receive(MUG=5)
        await shop.place(order(("MUG", 1)))
        await shop.until(lambda: shop.value("SELECT state = 'paid' AND NOT is_open FROM orders"))
    await shop.until(lambda: shop.value(two_of_three))
