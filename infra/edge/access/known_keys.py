"""The API keys as one process knows them: all of them, read anew every few seconds, so that no request costs a query.

A key that is revoked is refused REFRESH_SECONDS later. Where PostgreSQL does not answer for VALID_SECONDS nobody can tell any
more whether a key is revoked, and no key is taken. One that is unknown is looked for once more, for all such requests together and
RELOAD_SECONDS after the last time at the earliest: a new key is good at once, and unknown ones cost a bounded number of queries.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.postgres.database import ConnectionLostError, Database
from infra.edge.access.key_rows import QUERIES
from infra.edge.access.key_text import digest_of, is_key
from infra.edge.access.principal import CannotTellError, Principal, UnknownCallerError

if TYPE_CHECKING:
    import asyncpg

    from producers.outage import Readiness

REFRESH_SECONDS: Final = 5.0
VALID_SECONDS: Final = 15.0
RELOAD_SECONDS: Final = 0.2
USE_NOTED: Final = timedelta(minutes=10)
"""How precisely the last use of a key is kept."""
_USE_NOTED_SECONDS: Final = USE_NOTED.total_seconds()
_AWAY: Final = "The API key cannot be checked: PostgreSQL does not answer."


class _Known(msgspec.Struct, frozen=True):
    principal: Principal
    sha256: bytes
    is_revoked: bool


class KnownKeys:
    """Tells whose key a request has. `exist` is whether a key was ever made; `readiness` shows that they cannot be read."""

    def __init__(self, dsn: str, readiness: Readiness | None = None) -> None:
        self._database = Database(dsn, "access", readiness)
        self._by_digest: dict[bytes, _Known] = {}
        self._loaded_at = -math.inf
        self._reload: asyncio.Task[bool] | None = None
        self._noted: dict[bytes, float] = {}
        self._to_note: set[bytes] = set()

    @property
    def exist(self) -> bool:
        """Whether a key was ever made; one that is revoked or past its time counts."""
        return bool(self._by_digest)

    async def run(self) -> None:
        """Read the keys anew every REFRESH_SECONDS and write down which were used, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.load()

    async def load(self) -> None:
        """Read the keys, however long PostgreSQL takes to answer."""
        began = time.monotonic()
        self._take(await self._database.run_with_retry("keys", self._read), began)

    async def find(self, text: str) -> Principal:
        """Return whose key it is. Raises UnknownCallerError, CannotTellError."""
        digest = digest_of(text)
        if digest not in self._by_digest:
            await self._look_for(digest, text)
        if time.monotonic() - self._loaded_at > VALID_SECONDS:
            raise CannotTellError(_AWAY)
        known = self._by_digest.get(digest)
        if known is None or not hmac.compare_digest(known.sha256, digest):
            raise UnknownCallerError("Nobody has this API key here.")
        _require_good(known)
        self._note(digest)
        return known.principal

    def still_hold(self, principal: Principal) -> bool:
        """Return whether a key that was good still is."""
        known = self._by_digest.get(principal.digest or b"")
        if known is None or time.monotonic() - self._loaded_at > VALID_SECONDS:
            return False
        try:
            _require_good(known)
        except UnknownCallerError:
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        if self._reload is not None:
            await asyncio.wait({self._reload}, timeout=1)
            self._reload.cancel()
        await self._database.close()

    async def _look_for(self, digest: bytes, text: str) -> None:
        """Read the keys anew for a text that may be a new one. Raises UnknownCallerError, CannotTellError."""
        if not is_key(text):
            raise UnknownCallerError("This is no API key: its form or its checksum is wrong. Was it copied whole?")
        asked_at = time.monotonic()
        while digest not in self._by_digest and self._loaded_at < asked_at:
            await self._reloaded()

    async def _reloaded(self) -> None:
        """Read the keys, together with whoever else asks. Raises CannotTellError."""
        if self._reload is None or self._reload.done():
            self._reload = asyncio.create_task(self._load_once(), name="API keys")
        if not await asyncio.shield(self._reload):
            raise CannotTellError(_AWAY)

    async def _load_once(self) -> bool:
        await asyncio.sleep(self._loaded_at + RELOAD_SECONDS - time.monotonic())
        began = time.monotonic()
        try:
            self._take(await self._database.run("look", self._read), began)
        except ConnectionLostError:
            return False
        return True

    async def _read(self, connection: asyncpg.Connection) -> list[Any]:
        if used := frozenset(self._to_note):
            await connection.execute(QUERIES["note_uses"], list(used), USE_NOTED)
            self._to_note -= used
        return list(await connection.fetch(QUERIES["load_keys"]))

    def _take(self, rows: list[Any], began: float) -> None:
        if began < self._loaded_at:
            return  # what was read later is known already
        self._by_digest = {row["sha256"]: _known(row) for row in rows}
        self._loaded_at = began

    def _note(self, digest: bytes) -> None:
        now = time.monotonic()
        if now - self._noted.get(digest, -math.inf) > _USE_NOTED_SECONDS:
            self._noted[digest] = now
            self._to_note.add(digest)


def _known(row: Any) -> _Known:
    principal = Principal(row["client"], frozenset(row["scopes"]), row["expires_at"], row["sha256"])
    return _Known(principal, row["sha256"], row["is_revoked"])


def _require_good(known: _Known) -> None:
    if known.is_revoked:
        raise UnknownCallerError("This API key was revoked.")
    expires_at = known.principal.expires_at
    if expires_at is not None and expires_at <= time.time():
        raise UnknownCallerError("This API key is past its time.")
