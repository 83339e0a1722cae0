"""Registers this release's schemas in the database, so that processes of earlier releases know whose records they cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.base.errors import MigrationError
from schemas.codec.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.codec.lock import Locked

_REGISTER: Final = """
INSERT INTO registered_schemas (id, name, version, sha256)
SELECT * FROM unnest($1::integer[], $2::text[], $3::integer[], $4::text[])
ON CONFLICT (id) DO NOTHING
"""
_OTHERS: Final = """
SELECT r.id, r.name, r.version
FROM registered_schemas r JOIN unnest($1::integer[], $2::text[]) AS lock (id, sha256) USING (id)
WHERE r.sha256 <> lock.sha256
ORDER BY r.id
"""


async def register_schemas(connection: asyncpg.Connection, lock: Sequence[Locked] | None = None) -> None:
    """Register every schema of the lock. Raises MigrationError where an id stands for another schema here."""
    lock = read_lock() if lock is None else lock
    ids, digests = [locked.id for locked in lock], [locked.sha256 for locked in lock]
    if others := await connection.fetch(_OTHERS, ids, digests):
        named = ", ".join(f"{row['id']} ({row['name']} version {row['version']})" for row in others)
        raise MigrationError(
            f"Schema ids mean other schemas in this database: {named}. Records would be misread; two branches have used the"
            " same ids. Run a release whose schemas/lock.json continues the one that was used here."
        )
    names, versions = [locked.name for locked in lock], [locked.version for locked in lock]
    await connection.execute(_REGISTER, ids, names, versions, digests)
