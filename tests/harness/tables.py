"""Databases for tests, made in the cheapest way: to make and to drop one takes longer than many a test.

One with our tables is copied from one that was migrated once; to migrate each anew takes four times as long. A copy has a thousand
files, so it is emptied after its test and given to a later one, if the test did nothing to it but to put rows in.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import asyncpg

from infra.base.migrate import migrate

_TEMPLATE: Final = "migrated"
_DEFINITIONS: Final = """
SELECT 'pg_class', string_agg(concat_ws(' ', oid, relnamespace, relname, relkind, relowner, relacl, reloptions), ',' ORDER BY oid)
FROM pg_class WHERE oid >= 16384
UNION ALL SELECT 'analysed', string_agg(oid::text, ',' ORDER BY oid)
FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p') AND reltuples >= 0 AND pg_relation_size(oid) = 0
UNION ALL SELECT 'pg_namespace', string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
UNION ALL SELECT 'settings', count(*)::text FROM pg_db_role_setting
JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
UNION ALL SELECT 'pg_attribute', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_attribute
UNION ALL SELECT 'pg_attrdef', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_attrdef
UNION ALL SELECT 'pg_constraint', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_constraint
UNION ALL SELECT 'pg_index', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_index
UNION ALL SELECT 'pg_inherits', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_inherits
UNION ALL SELECT 'pg_policy', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_policy
UNION ALL SELECT 'pg_proc', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_proc
UNION ALL SELECT 'pg_publication', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_publication
UNION ALL SELECT 'pg_rewrite', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_rewrite
UNION ALL SELECT 'pg_statistic_ext', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_statistic_ext
UNION ALL SELECT 'pg_trigger', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_trigger
UNION ALL SELECT 'pg_type', concat(count(*), ' ', max(xmin::text::bigint)) FROM pg_type
"""
"""Whoever changes a definition writes a row of these, with a higher xmin. TRUNCATE does so in pg_class alone."""
_USED: Final = """
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid >= 16384 AND relkind = 'r' AND nspname !~ '^pg_' AND (pg_relation_size(pg_class.oid) > 0 OR reltuples >= 0)
"""
_FORGET_STATISTICS: Final = """
DELETE FROM pg_statistic WHERE starelid >= 16384;
UPDATE pg_class SET reltuples = -1 WHERE oid >= 16384 AND relkind = 'p' AND reltuples >= 0;
SELECT pg_stat_reset()
"""
_ROWS: Final = "SELECT string_agg(each::text, ',' ORDER BY each::text) FROM {} AS each"
_END_OTHERS: Final = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}'"

Contents: TypeAlias = dict[str, str | None]
"""How a database's tables are defined, and what is in those that a migration fills."""


@dataclass(slots=True)
class _Kept:
    """Databases of one server to which nobody is connected, and what is the same in all of them."""

    empty: list[str] = field(default_factory=list)
    migrated: list[str] = field(default_factory=list)
    when_empty: Contents = field(default_factory=dict)
    when_migrated: Contents = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    """The tables that a migration fills."""


_kept: Final[defaultdict[str, _Kept]] = defaultdict(_Kept)
"""By the server's address."""


async def give_database(dsn: str) -> None:
    """Make an empty database, of the name that `dsn` ends with."""
    server, _, name = dsn.rpartition("/")
    kept = _kept[server]
    await maintain(
        dsn, f"ALTER DATABASE {kept.empty.pop()} RENAME TO {name}" if kept.empty else f"CREATE DATABASE {name}"
    )
    kept.when_empty = kept.when_empty or await _emptied(dsn, kept.filled)


async def give_tables(dsn: str) -> None:
    """Put a migrated database in the place of this one, which is empty and to which nobody is connected."""
    server, _, name = dsn.rpartition("/")
    kept, empty = _kept[server], _new_name()
    if not kept.when_migrated:
        template = f"{server}/{_TEMPLATE}"
        await maintain(dsn, f"CREATE DATABASE {_TEMPLATE}")
        await migrate(template)
        async with _connected(template) as connection:
            kept.filled = frozenset(await _used(connection))
        kept.when_migrated = await _emptied(template, kept.filled)
    copied = f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY WAL_LOG"
    renamed = f"ALTER DATABASE {kept.migrated.pop()} RENAME TO {name}" if kept.migrated else copied
    await maintain(dsn, f"ALTER DATABASE {name} RENAME TO {empty}", renamed)
    kept.empty.append(empty)


async def take_back(dsn: str) -> bool:
    """Keep a test's database, emptied, for a later test; drop one that differs from a new one in more than rows. Return which.

    Whoever is still connected is cut off, and does not find it again under the name in `dsn`.
    """
    server, _, name = dsn.rpartition("/")
    kept, new_name = _kept[server], _new_name()
    try:
        await maintain(dsn, _END_OTHERS.format(name), f"ALTER DATABASE {name} RENAME TO {new_name}")
    except asyncpg.ObjectInUseError:  # somebody connects again and again
        await maintain(dsn, f"DROP DATABASE {name} WITH (FORCE)")
        return False
    contents = await _emptied(f"{server}/{new_name}", kept.filled)
    for names, when_new in ((kept.migrated, kept.when_migrated), (kept.empty, kept.when_empty)):
        if contents == when_new:
            names.append(new_name)
            return True
    await maintain(dsn, f"DROP DATABASE {new_name} WITH (FORCE)")
    return False


async def maintain(dsn: str, *statements: str) -> None:
    """Run statements about databases on a connection of their own: a test may restart the server."""
    async with _connected(f"{dsn.rpartition('/')[0]}/postgres") as connection:
        for statement in statements:
            await connection.execute(statement)


async def _emptied(dsn: str, filled: Collection[str]) -> Contents:
    """Empty all tables but those that a migration fills; return what is then in the database."""
    async with _connected(dsn) as connection:
        used = await _used(connection)
        if of_a_test := [name for name in used if name not in filled]:
            await connection.execute(f"TRUNCATE {', '.join(of_a_test)} CASCADE")
        await connection.execute(_FORGET_STATISTICS)
        contents: Contents = {row[0]: row[1] for row in await connection.fetch(_DEFINITIONS)}
        for name in set(used).intersection(filled):
            contents[name] = await connection.fetchval(_ROWS.format(name))
        return contents


async def _used(connection: asyncpg.Connection) -> list[str]:
    return [name for (name,) in await connection.fetch(_USED)]


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


def _new_name() -> str:
    return f"kept{secrets.token_hex(5)}"
