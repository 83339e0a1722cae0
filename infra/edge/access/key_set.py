"""The keys with which an issuer signs its tokens (JWKS, RFC 7517): read from a file or an address, and read anew.

The type of a key fixes the one algorithm that it is used with, whatever a token names: a public key never becomes the secret of
an HMAC (RFC 8725, 2.1 and 3.1). Keys of other kinds in a set are left out. They are read anew every REFRESH_SECONDS, and where a
token names an unknown key, every REFETCH_SECONDS at most. Where they could not be read for VALID_SECONDS no token is taken.
"""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import jwt
import msgspec
import structlog

from infra.base.errors import SettingsError
from infra.edge.access.principal import CannotTellError

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

REFRESH_SECONDS: Final = 300.0
REFETCH_SECONDS: Final = 10.0
VALID_SECONDS: Final = 3_600.0
FETCH_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024
LEAST_RSA_BITS: Final = 2_048
_PUBLIC: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""The members of a public key, by its type; a private part is never read."""
_ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


class UnreadableKeySetError(Exception):
    """A set of keys could not be fetched, or is none; the text says why."""


class TokenKey(msgspec.Struct, frozen=True):
    """A public key that verifies tokens, by one algorithm only."""

    kid: str | None
    algorithm: str
    key: jwt.PyJWK


def read_keys(text: bytes) -> tuple[TokenKey, ...]:
    """Return the usable keys of a JWKS document. Raises UnreadableKeySetError where it is none, or has none."""
    try:
        document = msgspec.json.decode(text)
        given = document["keys"]
        keys = tuple(key for each in given if isinstance(each, dict) and (key := _usable(each)) is not None)
    except (msgspec.DecodeError, TypeError, KeyError) as error:
        raise UnreadableKeySetError("it is no JWKS document") from error
    if not keys:
        raise UnreadableKeySetError(f"it has no key for {', '.join(_ALGORITHMS.values())}")
    return keys


def _usable(given: dict[str, Any]) -> TokenKey | None:
    kind = str(given.get("kty"))
    algorithm = _ALGORITHMS.get((kind, given.get("crv") if kind != "RSA" else None))
    operations = given.get("key_ops", ["verify"])
    if algorithm is None or given.get("alg", algorithm) != algorithm or given.get("use", "sig") != "sig":
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = jwt.PyJWK({"kty": kind, **{name: given[name] for name in _PUBLIC[kind]}}, algorithm)
    except (jwt.PyJWTError, KeyError, ValueError, TypeError):
        return None
    if kind == "RSA" and key.key.key_size < LEAST_RSA_BITS:
        return None
    kid = given.get("kid")
    return TokenKey(kid if isinstance(kid, str) else None, algorithm, key)


class KeySet:
    """The keys of one issuer, as last read. `generation` grows when they change."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._is_file = "://" not in location
        self._keys: tuple[TokenKey, ...] = ()
        self._text = b""
        self._read_at = self._tried_at = -math.inf
        self._reading: asyncio.Task[None] | None = None
        self._is_failing = False
        self.generation = 0

    async def start(self) -> None:
        """Read the keys for the first time. Raises SettingsError for a file that cannot be used."""
        await self._read()
        if self._is_failing and self._is_file:
            raise SettingsError(f"LASTUNIT_API_JWT_KEYS={self._location} cannot be used: name a JWKS file.")

    async def run(self) -> None:
        """Read the keys anew every REFRESH_SECONDS, sooner where that failed, until cancelled."""
        while True:
            await asyncio.sleep(REFETCH_SECONDS if self._is_failing else REFRESH_SECONDS)
            await self._read_together()

    async def find(self, kid: str | None, algorithm: str) -> TokenKey | None:
        """Return the key that a token names, read anew if it is unknown; without a kid the only one of the algorithm.

        Raises CannotTellError where the keys could not be read for too long.
        """
        key = self._known(kid, algorithm)
        is_reading = self._reading is not None and not self._reading.done()
        if key is None and (is_reading or time.monotonic() - self._tried_at > REFETCH_SECONDS):
            await self._read_together()
            key = self._known(kid, algorithm)
        self.require_fresh()
        return key

    def require_fresh(self) -> None:
        """Raise CannotTellError where the keys could not be read for too long."""
        if time.monotonic() - self._read_at > VALID_SECONDS:
            raise CannotTellError("The token cannot be checked: the keys of its issuer cannot be read.")

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    def _known(self, kid: str | None, algorithm: str) -> TokenKey | None:
        of_algorithm = [key for key in self._keys if key.algorithm == algorithm]
        matching = of_algorithm if kid is None else [key for key in of_algorithm if key.kid == kid]
        return matching[0] if len(matching) == 1 else None

    async def _read_together(self) -> None:
        """Read the keys, once for all that ask meanwhile."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="keys of tokens")
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        self._tried_at = time.monotonic()
        try:
            text = await (_of_file if self._is_file else _of_address)(self._location)
            keys = read_keys(text) if text != self._text else self._keys
        except UnreadableKeySetError as error:
            self._report(log.warning, "token_keys_unreadable", is_failing=True, error=str(error))
            return
        if text != self._text:
            self._text, self._keys = text, keys
            self.generation += 1
        self._read_at = time.monotonic()
        self._report(log.info, "token_keys_read_again", is_failing=False)

    def _report(self, write: Callable[..., Any], event: str, *, is_failing: bool, **fields: str) -> None:
        if is_failing != self._is_failing:
            write(event, location=self._location, **fields)
        self._is_failing = is_failing


async def _of_file(path: str) -> bytes:
    def read() -> bytes:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES)

    try:
        return await asyncio.to_thread(read)
    except OSError as error:
        raise UnreadableKeySetError(str(error)) from error


async def _of_address(url: str) -> bytes:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:  # noqa: PLR2004  OK
                raise UnreadableKeySetError(f"it is answered with status {answer.status}")
            text = await answer.content.read(MAX_BYTES)
            while text and len(text) < MAX_BYTES and (more := await answer.content.read(MAX_BYTES - len(text))):
                text += more
            return text
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UnreadableKeySetError(repr(error)) from error
