"""A database that goes back to an older state, as a backup is restored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.harness.shop import Shop


@asynccontextmanager
async def restored(shop: Shop) -> AsyncIterator[None]:
    """Copy the database, and put the copy in its place after the block. Nothing of the shop may be at work at either moment."""
    server, _, name = (shop.settings.postgres_dsn or "").rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await _alone(connection, shop, f"CREATE DATABASE {name}_copy TEMPLATE {name}", name)
        yield
        await _alone(connection, shop, f"DROP DATABASE {name}", name)
        await connection.execute(f"ALTER DATABASE {name}_copy RENAME TO {name}")
    finally:
        await connection.close()


async def _alone(connection: asyncpg.Connection, shop: Shop, statement: str, name: str) -> None:
    await shop.database.expire_connections()
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await connection.execute(statement)
