from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from infra.base.errors import MigrationError
from infra.base.migrate import MIGRATIONS, migrate, read_migrations
from infra.base.settings import Settings
from schemas.codec.lock import read_lock
from schemas.limits import GATHER_MS
from topology.states import FINAL_ORDER_STATES, OrderState


def written(folder: Path, **migrations: str) -> Path:
    for name, sql in migrations.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(sql)
    return folder


async def answer(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def dsn_of(settings: Settings) -> str:
    assert settings.postgres_dsn is not None
    return settings.postgres_dsn


async def test_our_migrations_are_applied_once(settings: Settings) -> None:
    dsn = dsn_of(settings)

    assert await migrate(dsn) == [migration.name for migration in read_migrations(MIGRATIONS)]
    assert await migrate(dsn) == []
    assert await answer(dsn, "SELECT count(*) FROM stock") == 0


async def test_migrations_run_in_the_order_of_their_numbers(settings: Settings, tmp_path: Path) -> None:
    written(tmp_path, m0002_fill="INSERT INTO t VALUES (1)", m0001_make="CREATE TABLE t (x int)")

    assert await migrate(dsn_of(settings), tmp_path) == ["0001_make", "0002_fill"]

    written(tmp_path, m0003_more="INSERT INTO t VALUES (2)")
    assert await migrate(dsn_of(settings), tmp_path) == ["0003_more"]
    assert await answer(dsn_of(settings), "SELECT sum(x) FROM t") == 3


async def test_an_edited_migration_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    await migrate(dsn_of(settings), written(tmp_path, m0001_make="CREATE TABLE t (x int)"))
    written(tmp_path, m0001_make="CREATE TABLE t (x bigint)", m0002_more="CREATE TABLE u (x int)")

    with pytest.raises(MigrationError, match=r"0001_make\.sql was edited"):
        await migrate(dsn_of(settings), tmp_path)

    assert await answer(dsn_of(settings), "SELECT to_regclass('u')") is None


async def test_a_faulty_migration_leaves_nothing_of_itself_and_all_of_those_before(
    settings: Settings, tmp_path: Path
) -> None:
    written(tmp_path, m0001_make="CREATE TABLE t (x int)", m0002_faulty="CREATE TABLE u (x int); SELECT 1 / 0")

    with pytest.raises(MigrationError, match=r"0002_faulty\.sql failed and was rolled back: division by zero"):
        await migrate(dsn_of(settings), tmp_path)

    assert await answer(dsn_of(settings), "SELECT array_agg(name) FROM schema_migrations") == ["0001_make"]
    assert await answer(dsn_of(settings), "SELECT to_regclass('u')") is None


async def test_of_many_migrators_at_once_exactly_one_applies_each(settings: Settings, tmp_path: Path) -> None:
    written(tmp_path, m0001_make="CREATE TABLE t (x int); SELECT pg_sleep(0.2)", m0002_fill="INSERT INTO t VALUES (1)")

    applied = await asyncio.gather(*(migrate(dsn_of(settings), tmp_path) for _ in range(8)))

    assert sorted(applied) == [[]] * 7 + [["0001_make", "0002_fill"]]
    assert await answer(dsn_of(settings), "SELECT count(*) FROM t") == 1


async def test_orders_that_followed_events_alone_go_on_where_they_were(settings: Settings, tmp_path: Path) -> None:
    for migration in read_migrations(MIGRATIONS):
        if migration.name < "0007":
            (tmp_path / f"{migration.name}.sql").write_text(migration.sql)
    dsn = dsn_of(settings)
    await migrate(dsn, tmp_path)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch) VALUES "
            "('orders', 0, 3, '{70}', 9, 5), ('orders', 1, 1, '{0}', 0, 0)"
        )
        begun = "INSERT INTO orders VALUES ($1, 0, $2, '', '', '', '', 1, 1, $3, '{}', 0)"
        for number, (state, authorized) in enumerate([("reserved", False), ("reserved", True), ("paid", True)]):
            await connection.execute(begun, f"01a0bf2a-1000-7c3e-8f00-00000000000{number}", state, authorized)
        await migrate(dsn)
        claims = await connection.fetch("SELECT partition, next_offsets FROM claims ORDER BY partition")
        assert [tuple(row) for row in claims] == [(0, [70]), (1, [0])]
        ranges = await connection.fetch("SELECT room, partition, batch, ranges FROM decided_ranges")
        assert [tuple(row) for row in ranges] == [("orders", 0, 5, [0, 0, 70])]
        orders = await connection.fetch("SELECT state, terms FROM orders ORDER BY order_id")
        assert [tuple(row) for row in orders] == [("reserved", ""), ("committing", ""), ("paid", "")]
    finally:
        await connection.close()


async def test_an_order_that_was_waiting_for_lines_before_there_was_a_deadline_gets_one(
    settings: Settings, tmp_path: Path
) -> None:
    for migration in read_migrations(MIGRATIONS):
        if migration.name < "0012":
            (tmp_path / f"{migration.name}.sql").write_text(migration.sql)
    dsn = dsn_of(settings)
    await migrate(dsn, tmp_path)
    connection = await asyncpg.connect(dsn)
    try:
        for number, state in enumerate(("pending", "reserved")):
            await connection.execute(
                "INSERT INTO orders (order_id, partition, state, reason, customer_id, payment_token, currency, line_count, "
                "amount_minor, lines, updated_at_ms) VALUES ($1, 0, $2, '', '', '', '', 2, 0, '{}', 7)",
                f"01a0bf2a-1000-7c3e-8f00-00000000000{number}",
                state,
            )
        await migrate(dsn)
        orders = await connection.fetch("SELECT state, deadline_ms FROM orders ORDER BY order_id")
        assert [tuple(row) for row in orders] == [("pending", 7 + GATHER_MS), ("reserved", None)]
    finally:
        await connection.close()


async def test_every_schema_of_this_release_is_registered(settings: Settings) -> None:
    await migrate(dsn_of(settings))

    assert await answer(dsn_of(settings), "SELECT count(*) FROM registered_schemas") == len(read_lock())


async def test_a_schema_id_that_means_another_schema_here_is_refused(settings: Settings) -> None:
    dsn = dsn_of(settings)
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("UPDATE registered_schemas SET sha256 = 'other' WHERE id = 1")
    finally:
        await connection.close()

    with pytest.raises(MigrationError, match=r"mean other schemas in this database: 1 \("):
        await migrate(dsn)


async def test_intake_goes_on_in_order_commands_where_the_room_stands_that_is_furthest_behind(
    settings: Settings, tmp_path: Path
) -> None:
    for migration in read_migrations(MIGRATIONS):
        if migration.name < "0025":
            (tmp_path / f"{migration.name}.sql").write_text(migration.sql)
    dsn = dsn_of(settings)
    await migrate(dsn, tmp_path)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            """
            INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch, cluster_id, topic_ids, last_records,
                reread_up_to, group_id, rules_version)
            VALUES ('orders', 0, 3, '{70,9}', 9, 5, 'C', '{e,c}', '{69:e,8:c}', '{70,9}', 'saga', 1),
                ('payments', 0, 4, '{7,71}', 8, 6, 'C', '{c,e}', '{6:c,70:e}', NULL, 'saga', 1),
                ('fulfilment', 0, 5, '{8,72}', 7, 7, 'C', '{c,e}', '{7:c,71:e}', NULL, 'saga', 1),
                ('notifications', 0, 6, '{73}', 6, 8, 'C', '{e}', '{72:e}', NULL, 'saga', 1),
                ('orders', 1, 1, '{0,0}', 0, 0, NULL, NULL, NULL, NULL, NULL, 0)
            """
        )
        await migrate(dsn)
        claims = await connection.fetch(
            "SELECT room, partition, epoch, next_offsets, cluster_id, topic_ids, last_records, reread_up_to FROM claims "
            "ORDER BY partition, room"
        )
        assert [tuple(row) for row in claims] == [
            ("fulfilment", 0, 6, [72], "C", ["e"], ["71:e"], None),
            ("intake", 0, 1, [7], "C", ["c"], ["6:c"], None),
            ("notifications", 0, 6, [73], "C", ["e"], ["72:e"], None),
            ("orders", 0, 4, [70], "C", ["e"], ["69:e"], [70]),
            ("payments", 0, 5, [71], "C", ["e"], ["70:e"], None),
            ("orders", 1, 2, [0], None, None, None, None),
        ], "where not all three had begun, intake begins at the beginning as well"
        taken_over = await connection.fetch("SELECT * FROM order_commands_decided ORDER BY partition, room")
        assert [tuple(row) for row in taken_over] == [
            ("fulfilment", 0, 8, 1),
            ("orders", 0, 9, 1),
            ("payments", 0, 7, 1),
            ("orders", 1, 0, 0),
        ]
    finally:
        await connection.close()


async def test_claims_are_kept_as_their_columns_change_places_and_orders_that_wait_are_open(
    settings: Settings, tmp_path: Path
) -> None:
    for migration in read_migrations(MIGRATIONS):
        if migration.name < "0026":
            (tmp_path / f"{migration.name}.sql").write_text(migration.sql)
    dsn = dsn_of(settings)
    await migrate(dsn, tmp_path)
    connection = await asyncpg.connect(dsn)
    everything = (
        "SELECT room, partition, epoch, next_offsets, at_ms, batch, committed_at, cluster_id, topic_ids, last_records, "
        "went_back_at, reread_up_to, rules_version, group_id FROM claims ORDER BY room"
    )
    states = set(OrderState) - {OrderState.UNKNOWN}
    waiting = states - FINAL_ORDER_STATES
    try:
        await connection.execute(
            """
            INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch, committed_at, cluster_id, topic_ids,
                last_records, went_back_at, reread_up_to, rules_version, group_id)
            VALUES ('orders', 0, 3, '{70}', 9, 5, now(), 'C', '{e}', '{69:e}', now(), '{80}', 1, 'saga'),
                ('payments', 0, 1, '{0}', 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL)
            """
        )
        begun = (
            "INSERT INTO orders (order_id, partition, state, reason, customer_id, payment_token, currency, line_count, "
            "amount_minor, lines, updated_at_ms) VALUES ($1, 0, $2, '', '', '', '', 2, 0, '{}', 7)"
        )
        for number, state in enumerate(states):
            await connection.execute(begun, f"01a0bf2a-1000-7c3e-8f00-00000000000{number:x}", state.value)
        before = await connection.fetch(everything)
        await migrate(dsn)
        assert await connection.fetch(everything) == before
        rows = await connection.fetch("SELECT state FROM orders WHERE is_open")
        assert {row["state"] for row in rows} == waiting
        await connection.execute(begun, "01a0bf2a-1000-7c3e-8f00-00000000000f", "paid")
        assert await connection.fetchval("SELECT count(*) FROM orders WHERE is_open") == len(waiting) + 1, (
            "as an earlier release writes it"
        )
    finally:
        await connection.close()
