"""Weeks are made, filled from what was there before, shown, kept while something in them lives, and dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from consumers.inventory import store
from consumers.runtime.postgres.database import Database
from infra.base.migrate import MIGRATIONS, migrate
from infra.base.settings import Settings
from infra.base.weekly import tables
from infra.base.weekly.weeks import DAY_MS, WEEK_MS, Week
from infra.ops.retention.run import LOCK_KEY, maintain
from schemas.ids import NIL_UUID, new_order_id, order_id_ms
from tests.harness.cli import lastunit
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.harness.shop_evidence import logged
from tests.harness.weeks import maintained, now_ms

PAID = "INSERT INTO orders VALUES ($1, 0, 'paid', '', '', '', '', 1, 1, true, '{}', 0)"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


# --- making weeks -------------------------------------------------------------------------------------------------------


def up_to(folder: Path, last: str) -> Path:
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.name < last:
            (folder / path.name).write_text(path.read_text())
    return folder


async def test_what_a_shop_had_before_there_were_weeks_goes_to_the_weeks_of_its_ids(
    settings: Settings, tmp_path: Path
) -> None:
    dsn = settings.postgres_dsn or ""
    await migrate(dsn, up_to(tmp_path, "0005"))
    now = now_ms()
    old, new, ancient = (new_order_id(now - age_ms) for age_ms in (30 * DAY_MS, 0, 900 * DAY_MS))
    commands = {f"{old}/1/shipment": old, f"adjust/{new}": new, new: new, "delivery/1/MUG": NIL_UUID}
    connection = await asyncpg.connect(dsn)
    try:
        for order_id in (old, new, ancient):
            await connection.execute("INSERT INTO holds VALUES ($1, 1, 'MUG', 0, 1, 2, 0)", order_id)
            await connection.execute("INSERT INTO payment_attempts VALUES ($1, $2, 0, 'x', 'y', 0)", order_id, order_id)
            await connection.execute(PAID, order_id)
            await connection.execute(
                "INSERT INTO payments VALUES ($1, 0, 'captured', 1, '', '', '', '', false, 0)", order_id
            )
        for command_id in commands:
            of_order = old if "shipment" in command_id else None
            await connection.execute(
                "INSERT INTO movements (command_id, sku, partition, kind, quantity, at_ms, order_id) "
                "VALUES ($1, 'MUG', 0, 'receipt', 1, 0, $2)",
                command_id,
                of_order,
            )
        await migrate(dsn)
        for table in tables.TABLES:
            rows = "SELECT {}::text, tableoid::regclass::text FROM {}"
            places = await connection.fetch(rows.format(table.key, table.name))
            assert len(places) == {"movements": 4, "fulfilments": 0}.get(table.name, 3)
            for uuid, place in places:
                week = "movements_named" if uuid == NIL_UUID else table.of(Week.of(order_id_ms(uuid)))
                assert place == week
        stored = await connection.fetch("SELECT command_id, id::text FROM movements")
        assert dict(map(tuple, stored)) == commands
    finally:
        await connection.close()


async def test_a_table_that_comes_later_has_the_weeks_that_the_others_have(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = settings.postgres_dsn or ""
    await migrate(dsn, up_to(tmp_path, "0009"))
    week = Week.of(now_ms())
    connection = await asyncpg.connect(dsn)
    try:
        with monkeypatch.context() as before:
            before.setattr(tables, "TABLES", [table for table in tables.TABLES if table.name != "fulfilments"])
            await tables.create(connection, week)
        await migrate(dsn)
        assert week in tables.weeks_of(await tables.partitions(connection))
    finally:
        await connection.close()


async def test_what_no_week_is_there_for_is_taken_in_all_the_same_and_moves_to_its_week(shop: Shop) -> None:
    far_ahead = new_order_id(now_ms() + 20 * WEEK_MS)
    await shop.value("INSERT INTO holds VALUES ($1, 1, 'MUG', 0, 1, 2, 0)", far_ahead)
    where = "SELECT tableoid::regclass::text FROM holds"
    assert await shop.value(where) == "holds_default"
    done = await maintained(shop, now_ms() + 18 * WEEK_MS)
    week = Week.of(order_id_ms(far_ahead))
    assert week.name in done.created
    assert await shop.value(where) == f"holds_{week.name}"
    assert done.weeks_ahead >= 5


async def test_a_second_run_finds_nothing_to_do(shop: Shop) -> None:
    assert (await maintained(shop)).created == []
    later = now_ms() + 3 * WEEK_MS
    assert len((await maintained(shop, later)).created) == 3
    again = await maintained(shop, later)
    assert (again.created, again.dropped, again.kept, again.busy) == ([], [], {}, [])


async def test_two_do_not_run_at_the_same_time(shop: Shop) -> None:
    async with shop.database.acquire() as other:
        await other.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        assert await maintain(shop.settings) is None
        await other.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    assert await maintain(shop.settings) is not None


# --- the rooms' statements ----------------------------------------------------------------------------------------------

TURN = """
UPDATE holds h SET state = c.state
FROM unnest($1::text::uuid[], $2::text::integer[], $3::text::text[], $4::text::smallint[]) AS c (order_id, line, sku, state)
WHERE h.order_id = c.order_id AND h.line = c.line AND h.sku = c.sku
"""
"""As in `save` of consumers/inventory/queries.sql."""


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [(store.QUERIES["load_holds"], ("{%s}", "{1}", "{MUG}")), (TURN, ("{%s}", "{1}", "{MUG}", "{2}"))],
    ids=["load_holds", "turned"],
)
async def test_a_hold_is_looked_for_in_no_week_but_its_own(
    shop: Shop, statement: str, arguments: tuple[str, ...]
) -> None:
    ids = [new_order_id(now_ms() - week * WEEK_MS) for week in range(10)]
    for order_id in ids:
        await shop.value("INSERT INTO holds VALUES ($1, 1, 'MUG', 0, 1, 0, 0)", order_id)
    database = Database(shop.settings.postgres_dsn or "", "test")
    try:
        connection = await database._connected("load")
        types = ", ".join(["text"] * len(arguments))
        await connection.execute(f"PREPARE looked_for ({types}) AS {statement}")
        values = ", ".join("'" + argument.replace("%s", ids[3]) + "'" for argument in arguments)
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE looked_for ({values})")]
    finally:
        await database.close()
    scans = [line for line in plan if " on holds_" in line and "Scan" in line]
    assert len(scans) >= 24, "the plan is made once for all weeks"
    assert all("Index Scan using" in line and "_pkey" in line for line in scans), plan
    looked_at = [line for line in scans if "never executed" not in line]
    assert len(looked_at) == 1, plan
    assert Week.of(order_id_ms(ids[3])).name in looked_at[0]


async def test_the_inventory_room_makes_weeks_by_itself(settings: Settings, tmp_path: Path) -> None:
    missing = Week(Week.of(now_ms()).number + 3)
    find = "SELECT to_regclass($1) IS NOT NULL"
    async with open_shop(in_miniature(settings, maintenance_seconds=2.0), tmp_path) as shop:
        for table in tables.TABLES:
            await shop.database.execute(f"DROP TABLE {table.of(missing)}")
        await shop.supervisor.start("inventory")

        async def created() -> list[Any]:
            done = logged(shop.supervisor.folder, "inventory", "maintained")
            return [log["created"] for log in done if log["created"]]

        assert await shop.until(created) == [[missing.name]]
        assert await shop.value(find, tables.TABLES[-1].of(missing))
        await shop.supervisor.stop("inventory")


# --- by hand ------------------------------------------------------------------------------------------------------------


async def test_the_command_line_shows_weeks_and_turns_them(shop: Shop, environment: dict[str, str]) -> None:
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    shown = await lastunit(environment, "maintenance", "show", "--json")
    assert shown.status == 0, shown.errors
    weeks = shown.json["weeks"]
    assert len(weeks) >= 24
    assert shown.json["weeks_ahead"] >= 5
    assert {partition["name"] for partition in shown.json["others"]} >= {"holds_default", "movements_named"}
    for table in tables.TABLES:
        await shop.database.execute(f"DROP TABLE {table.name}_{weeks[-1]['name']}")
    dry = await lastunit(environment, "maintenance", "run", "--dry-run", "--json")
    assert dry.json["created"] == [weeks[-1]["name"]]
    done = await lastunit(environment, "maintenance", "run")
    assert f"1 weeks made: {weeks[-1]['name']}" in done.output
    again = await lastunit(environment, "maintenance", "run", "--json")
    assert again.json["created"] == []


async def test_few_weeks_ahead_are_reported(shop: Shop, environment: dict[str, str]) -> None:
    ahead = [Week(Week.of(now_ms()).number + n) for n in range(2, 9)]
    for table in tables.TABLES:
        for week in ahead:
            await shop.database.execute(f"DROP TABLE IF EXISTS {table.of(week)}")
    shown = await lastunit(environment, "maintenance", "show")
    assert shown.status == 1
    assert "Only 1 weeks are ahead" in shown.output
    finding = (await shop.audit()).finding("partitions_are_ahead")
    assert finding.holds
    assert "maintenance has not run" in finding.examples[0]
