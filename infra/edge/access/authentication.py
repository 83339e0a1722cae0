"""Who a request is from, by its head alone: its transport, and what `Authorization` holds (RFC 6750)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from infra.edge.access.key_text import PREFIX, is_key
from infra.edge.access.principal import ANYBODY, InsecureTransportError, Principal, UnknownCallerError
from infra.edge.access.transport import is_private

if TYPE_CHECKING:
    from infra.edge.access.known_keys import KnownKeys
    from infra.edge.access.tokens import Tokens

_BEARER: Final = "bearer"
_ADVICE: Final = "send Authorization: Bearer KEY, as `lastunit keys create` printed it"


class Authentication:
    """Admits requests. Where neither a key was made nor tokens are configured it is open, which is for loopback only."""

    def __init__(self, keys: KnownKeys, tokens: Tokens | None, *, is_for_this_machine: bool) -> None:
        self._keys, self._tokens = keys, tokens
        self._is_for_this_machine = is_for_this_machine

    @property
    def has_callers(self) -> bool:
        """Whether a key was made or tokens are taken, so that a request shows who sent it."""
        return self._keys.exist or self._tokens is not None

    @property
    def is_open(self) -> bool:
        """Whether nobody has to show who they are."""
        return self._is_for_this_machine and not self.has_callers

    async def start(self) -> None:
        """Read keys for the first time, however long PostgreSQL takes. Raises SettingsError."""
        await self._keys.load()
        if self._tokens is not None:
            await self._tokens.keys.start()

    async def run(self) -> None:
        """Keep what is known of keys up to date, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keys.run())
            if self._tokens is not None:
                tasks.create_task(self._tokens.keys.run())

    async def close(self) -> None:
        """Close connections."""
        await self._keys.close()
        if self._tokens is not None:
            await self._tokens.keys.close()

    async def admit(self, scope: dict[str, Any], headers: dict[bytes, bytes]) -> Principal:
        """Return who asks. Raises UnknownCallerError, InsecureTransportError, CannotTellError."""
        given = headers.get(b"authorization", b"").decode("latin-1").strip()
        kind, _, credentials = given.partition(" ")
        credentials = credentials.strip()
        if self.is_open and not is_key(credentials):
            return ANYBODY
        if not given:
            raise UnknownCallerError(f"The request does not show who sent it: {_ADVICE}.", error="")
        if not is_private(scope):
            raise InsecureTransportError(
                "Credentials came over plain HTTP, where others can read them. Revoke them, and use https."
            )
        if kind.lower() != _BEARER or not credentials:
            raise UnknownCallerError(f"The Authorization header cannot be used: {_ADVICE}.", error="invalid_request")
        if not credentials.startswith(PREFIX):
            if self._tokens is None:
                raise UnknownCallerError(f"This is no API key: {_ADVICE}.")
            return await self._tokens.find(credentials)
        try:
            return await self._keys.find(credentials)
        except UnknownCallerError:
            if self.is_open:
                return ANYBODY
            raise

    def still_admits(self, principal: Principal) -> bool:
        """Return whether who was admitted before still would be: a stream ends with its key."""
        if principal.expires_at is not None and principal.expires_at <= time.time():
            return False
        if principal.digest is not None:
            return self._keys.still_hold(principal)
        return principal is not ANYBODY or self.is_open
