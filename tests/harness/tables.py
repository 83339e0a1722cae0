"""Databases for tests, made in the cheapest way: to make and to drop one takes longer than many a test.

One with our tables is copied from one that was migrated once; to migrate each anew takes four times as long. The empty one
in whose place it comes is kept for the next test.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from typing import Final

import asyncpg

from infra.base.migrate import migrate

_TEMPLATE: Final = "migrated"
_has_one: Final[set[str]] = set()
"""The servers of this process that have the template."""
_spare: Final[defaultdict[str, list[str]]] = defaultdict(list)
"""Empty databases by server, to which nobody is connected."""


async def give_database(dsn: str) -> None:
    """Make an empty database, of the name that `dsn` ends with."""
    server, _, name = dsn.rpartition("/")
    spare = _spare[server].pop() if _spare[server] else None
    await maintain(dsn, f"ALTER DATABASE {spare} RENAME TO {name}" if spare else f"CREATE DATABASE {name}")


async def give_tables(dsn: str) -> None:
    """Put a migrated database in the place of this one, which is empty and to which nobody is connected."""
    server, _, name = dsn.rpartition("/")
    if server not in _has_one:
        await maintain(dsn, f"CREATE DATABASE {_TEMPLATE}")
        await migrate(f"{server}/{_TEMPLATE}")
        _has_one.add(server)
    spare = f"spare{secrets.token_hex(5)}"
    await maintain(
        dsn, f"ALTER DATABASE {name} RENAME TO {spare}", f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY WAL_LOG"
    )
    _spare[server].append(spare)


async def maintain(dsn: str, *statements: str) -> None:
    """Run statements about databases on a connection of their own: a test may restart the server."""
    connection = await asyncpg.connect(f"{dsn.rpartition('/')[0]}/postgres")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
