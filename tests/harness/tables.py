"""Databases with our tables, copied from one that was migrated once: to migrate each anew takes four times as long."""

from __future__ import annotations

from typing import Final

import asyncpg

from infra.base.migrate import migrate

_TEMPLATE: Final = "migrated"
_has_one: Final[set[str]] = set()
"""The servers of this process that have the template."""


async def give_tables(dsn: str) -> None:
    """Put a migrated database in the place of this one, which is empty and to which nobody is connected."""
    server, _, name = dsn.rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        if server not in _has_one:
            await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
            await migrate(f"{server}/{_TEMPLATE}")
            _has_one.add(server)
        await connection.execute(f"DROP DATABASE {name}")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    finally:
        await connection.close()
