"""API keys in PostgreSQL, as operators make, list, rotate and revoke them. No row is ever deleted: a revoked key stays known."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.postgres.sql import load_queries
from infra.base.errors import InfraError
from infra.edge.access.key_text import HINT_LENGTH, digest_of, new_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

QUERIES: Final = load_queries("infra.edge.access")


class NoSuchKeyError(InfraError):
    """There is no key of this id, or none that is good still."""


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `last_used_at` is known to within ten minutes or so, and no use is null."""

    key_id: str
    client: str
    name: str
    hint: str
    scopes: list[str]
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class MadeKey(msgspec.Struct, frozen=True):
    """A new key; `key` is shown this once and kept nowhere."""

    key: str
    row: KeyRow


async def create_key(
    connection: asyncpg.Connection, name: str, scopes: Sequence[str], lifetime: timedelta | None
) -> MadeKey:
    """Make a key, of a client of its own, that is good for `lifetime`; None: until it is revoked."""
    key = new_key()
    made = _row(
        await connection.fetchrow(
            QUERIES["create_key"], _new_id(), name, digest_of(key), key[:HINT_LENGTH], list(scopes), lifetime
        )
    )
    assert made is not None  # noqa: S101  INSERT ... RETURNING
    return MadeKey(key, made)


async def rotate_key(
    connection: asyncpg.Connection, key_id: str, *, overlap: timedelta, lifetime: timedelta | None
) -> MadeKey:
    """Make a key beside an old one, of the same client, name and scopes; the old one is good for `overlap` more.

    Raises NoSuchKeyError.
    """
    key = new_key()
    made = _row(
        await connection.fetchrow(
            QUERIES["rotate_key"], key_id, _new_id(), digest_of(key), key[:HINT_LENGTH], overlap, lifetime
        )
    )
    if made is None:
        raise NoSuchKeyError(f"No key {key_id!r} is good now; `lastunit keys list` shows those that are.")
    return MadeKey(key, made)


async def revoke_key(connection: asyncpg.Connection, key_id: str) -> KeyRow:
    """End a key for good; a second time changes nothing. Raises NoSuchKeyError."""
    revoked = _row(await connection.fetchrow(QUERIES["revoke_key"], key_id))
    if revoked is None:
        raise NoSuchKeyError(f"There is no key {key_id!r}; `lastunit keys list --all` shows every one.")
    return revoked


async def list_keys(connection: asyncpg.Connection, *, with_ended: bool) -> list[KeyRow]:
    """Return the keys that are good, or all that ever were, in the order in which they were made."""
    return [msgspec.convert(dict(row), KeyRow) for row in await connection.fetch(QUERIES["list_keys"], with_ended)]


def _row(row: Any) -> KeyRow | None:
    return msgspec.convert(dict(row), KeyRow) if row is not None else None


def _new_id() -> str:
    return f"key-{secrets.token_hex(6)}"
