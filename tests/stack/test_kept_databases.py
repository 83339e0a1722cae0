"""What a test did to its database is nothing to the next one that is given it (tests/harness/tables.py)."""

from __future__ import annotations

import asyncpg
import pytest

from infra.base.settings import Settings
from tests.harness.tables import give_database, give_tables, take_back

_ROW = "INSERT INTO stock (sku, partition, on_hand, reserved, allocated) VALUES ('MUG', 0, 1, 0, 0)"


@pytest.mark.parametrize(
    ("done", "is_kept"),
    [
        (f"{_ROW}; ANALYZE; CREATE TEMP TABLE mine (n int)", True),
        ("CREATE INDEX mine ON stock (on_hand)", False),
        ("ALTER TABLE pauses DISABLE TRIGGER ALL", False),
        ("DELETE FROM registered_schemas WHERE id = 1", False),
    ],
)
async def test_a_database_is_kept_for_the_next_test_unless_more_than_rows_changed(
    settings: Settings, done: str, is_kept: bool
) -> None:
    dsn = f"{settings.postgres_dsn}_second"
    await give_database(dsn)
    await give_tables(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(done)

    assert await take_back(dsn) is is_kept, "with somebody connected"
    assert connection.is_closed()

    await give_database(dsn)
    await give_tables(dsn)
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM stock") == 0
    await connection.execute(_ROW)
    await connection.close()
    assert await take_back(dsn)
