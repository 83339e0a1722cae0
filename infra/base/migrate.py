"""Brings a database's tables up to this release: `infra/base/migrations/NNNN_name.sql`, in order, each exactly once.

What was applied stands in `schema_migrations` with its sha256: a migration that has left the house is never edited, a
mistake in it is mended by the next one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from infra.base.errors import MigrationError
from infra.base.registered_schemas import register_schemas
from infra.base.weekly.ahead import make_weeks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = structlog.get_logger(__name__)

MIGRATIONS: Final = Path(__file__).with_name("migrations")

_FILE_NAME: Final = re.compile(r"(?P<number>\d{4})_\w+\.sql")
_LOCK_KEY: Final = 0x6C61_7374_756E_6974  # "lastunit": one migrator at a time in each database
_CREATE_JOURNAL: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text        PRIMARY KEY,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name without `.sql`, and its statements, which run in one transaction."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Digest of the statements, to notice that a file was edited after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what this database has not seen yet; return the names of what was applied now.

    With our own migrations the partitions of the weeks around now are made too, so that nothing ever lacks one, and this
    release's schemas are registered.
    Callers at the same time wait for each other. Raises MigrationError, and then the migrations before the faulty one
    are applied, the faulty one not at all.
    """
    migrations = read_migrations(folder)
    async with _locked(dsn) as connection:
        await connection.execute(_CREATE_JOURNAL)
        rows = await connection.fetch("SELECT name, sha256 FROM schema_migrations ORDER BY name")
        missing = not_yet_applied(migrations, {row["name"]: row["sha256"] for row in rows})
        for migration in missing:
            await _apply(connection, migration)
        if folder == MIGRATIONS:
            await make_weeks(connection)
            await register_schemas(connection)
    return [migration.name for migration in missing]


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations of a folder in order. Raises MigrationError for a misnamed file or a number used twice."""
    migrations: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        named = _FILE_NAME.fullmatch(path.name)
        if named is None:
            raise MigrationError(f"{path.name} is no migration; name it like 0007_what_it_does.sql")
        if (number := named["number"]) in migrations:
            raise MigrationError(f"{path.name} and {migrations[number].name}.sql have one number; renumber the newer")
        migrations[number] = Migration(path.stem, path.read_text(encoding="utf-8"))
    return list(migrations.values())


def not_yet_applied(migrations: Sequence[Migration], applied: dict[str, str]) -> list[Migration]:
    """Return the migrations that follow those applied (name -> sha256).

    Raises MigrationError unless the applied ones are the first of ours, unedited: anything else is another history.
    """
    known = {migration.name for migration in migrations}
    if strangers := sorted(applied.keys() - known):
        raise MigrationError(
            f"The database has migrations that this release does not know: {', '.join(strangers)}."
            " Run the release that made them, or a later one."
        )
    edited = [
        migration.name
        for migration in migrations
        if migration.name in applied and applied[migration.name] != migration.sha256
    ]
    if edited:
        raise MigrationError(
            f"{edited[0]}.sql was edited after this database applied it. Restore the file and put the change into a new"
            " migration; a throwaway database is made anew by `make clean`."
        )
    missing = [migration for migration in migrations if migration.name not in applied]
    if overtaken := _names(migration for migration in missing if migration.name < max(applied, default="")):
        raise MigrationError(
            f"{overtaken} was added below {max(applied)}, which this database has applied already; renumber it above."
        )
    return missing


def _names(migrations: Iterable[Migration]) -> str:
    return ", ".join(migration.name for migration in migrations)


@asynccontextmanager
async def _locked(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect and hold the migrators' lock; PostgreSQL gives it back when the session ends, however it ends."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        yield connection
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.name}.sql failed and was rolled back: {error}") from error
    log.info("migrated", migration=migration.name)
