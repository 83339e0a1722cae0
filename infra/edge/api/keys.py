"""Idempotency keys: one request takes effect once, however often and to whichever process it is sent.

As draft-ietf-httpapi-idempotency-key-header-08 has it: the same key with the same request is answered as before (the answer
names the same order), while the first is being served with 409, with another request with 422.

The id of what is made is stored with the key before anything is published. So a key whose process died is taken over once its
lease is over, and publishes the same id again, which is harmless. A key is marked as done before its request is
answered: whoever got an answer never gets a 409 for it.

Requests that arrive while a statement runs go together with the next one: two statements for all of them, none waits for
company. A key is kept for RETENTION_DAYS, and belongs to one client.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from consumers.runtime.postgres.database import ConnectionLostError, Database
from consumers.runtime.postgres.sql import columns, load_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

log = structlog.get_logger()

QUERIES: Final = load_queries("infra.edge.api")
RETENTION_DAYS: Final = 7
LEASE: Final = timedelta(seconds=20)
"""How long a request may take to publish before another one with its key takes over."""
MOST_TOGETHER: Final = 1_000
"""Keys in one statement."""
CLEAN_UP_SECONDS: Final = 3_600.0
DELETED_TOGETHER: Final = 5_000
MAX_KEY: Final = 255
"""Characters of a key."""
KEY_PATTERN: Final = "^[ -~]*[!-~][ -~]*$"
"""Printable ASCII that is not blank."""


class KeyInFlightError(Exception):
    """Another request with this key is being served."""


class KeyReusedError(Exception):
    """The key belongs to a request with another path or body."""


class KeysUnavailableError(Exception):
    """PostgreSQL did not answer; whether the key was written is unknown. The same request may be sent again."""


class Claim(msgspec.Struct, frozen=True):
    """A key in this request's hands. `subject_id` is what it makes; with `is_done` that is on the log already."""

    client: str
    key: str
    subject_id: str
    is_done: bool


class _Asked(msgspec.Struct, frozen=True):
    client: str
    key: str
    fingerprint: bytes
    subject_id: str
    answer: asyncio.Future[Claim]


def fingerprint_of(method: str, path: str, body: bytes) -> bytes:
    """Return what distinguishes one request from another: its method, its path and its body in its canonical form."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).digest()


class IdempotencyKeys:
    """Keeps the keys of all processes in PostgreSQL."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn, "api")
        self._held: set[tuple[str, str]] = set()
        self._asked: list[_Asked] = []
        self._done: list[tuple[Claim, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def claim(self, client: str, key: str, fingerprint: bytes, make_id: Callable[[], str]) -> Claim:
        """Take a key for a request; `make_id` makes the id of what a new one makes.

        Raises KeyInFlightError, KeyReusedError, KeysUnavailableError.
        """
        held = (client, key)
        if held in self._held:
            raise KeyInFlightError
        self._held.add(held)
        try:
            asked = _Asked(client, key, fingerprint, make_id(), asyncio.get_running_loop().create_future())
            self._asked.append(asked)
            self._write_soon()
            claim = await asked.answer
        except BaseException:
            self._held.discard(held)
            raise
        if claim.is_done:
            self._held.discard(held)
        return claim

    async def complete(self, claim: Claim) -> None:
        """Note that what the key makes is on the log. PostgreSQL away, it is published again at the next request, no more."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done.append((claim, done))
        self._write_soon()
        try:
            with contextlib.suppress(KeysUnavailableError):
                await done
        finally:
            self._held.discard((claim.client, claim.key))

    async def release(self, claim: Claim) -> None:
        """Give a key back whose request could not be published, so that the next one need not wait for the lease."""
        try:
            await self._run(QUERIES["release_key"], claim.client, claim.key)
        except ConnectionLostError:
            log.warning("key_not_released", lease_seconds=LEASE.total_seconds())
        finally:
            self._held.discard((claim.client, claim.key))

    def abandon(self, claim: Claim) -> None:
        """Let go of a key whose request ended halfway; it is taken over once its lease is over."""
        self._held.discard((claim.client, claim.key))

    async def made(self, subject_ids: tuple[str, ...]) -> bool:
        """Return whether a request made one of these. Raises KeysUnavailableError."""
        try:
            return bool(await self._run(QUERIES["find_subject"], list(subject_ids)))
        except ConnectionLostError as error:
            raise KeysUnavailableError(str(error)) from error

    async def clean_up(self) -> None:
        """Delete keys that are past their retention, now and every hour, until cancelled."""
        while True:
            with contextlib.suppress(ConnectionLostError):
                while await self._deleted() == DELETED_TOGETHER:
                    pass
            await asyncio.sleep(CLEAN_UP_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=1)
            self._writer.cancel()
        await self._database.close()

    async def _deleted(self) -> int:
        rows = await self._run(QUERIES["delete_old_keys"], timedelta(days=RETENTION_DAYS), DELETED_TOGETHER)
        return len(rows)

    async def _run(self, query: str, *arguments: Any) -> list[Any]:
        async def work(connection: asyncpg.Connection) -> list[Any]:
            return list(await connection.fetch(query, *arguments))

        return await self._database.run("other", work)

    def _write_soon(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="idempotency keys")

    async def _write(self) -> None:
        while self._asked or self._done:
            waiting = [
                question for question in self._asked if not question.answer.done()
            ]  # a cancelled one's key may have come again
            asked, self._asked = waiting[:MOST_TOGETHER], waiting[MOST_TOGETHER:]
            done, self._done = self._done, []

            async def work(
                connection: asyncpg.Connection, asked: list[_Asked] = asked, done: list[Any] = done
            ) -> list[Any]:
                if done:
                    rows = sorted((claim.client, claim.key) for claim, _ in done)
                    await connection.execute(QUERIES["complete_keys"], *columns(rows, 2))
                return await _claimed(connection, asked) if asked else []

            try:
                claimed = await self._database.run("keys", work)
            except Exception as error:  # each request gets it
                failure = KeysUnavailableError(repr(error))
                if not isinstance(error, ConnectionLostError):
                    log.exception("keys_not_written", keys=len(asked))
                _settle([*(question.answer for question in asked), *(future for _, future in done)], failure)
                continue
            for _, future in done:
                if not future.done():
                    future.set_result(None)
            _answer(asked, claimed)


async def _claimed(connection: asyncpg.Connection, asked: list[_Asked]) -> list[Any]:
    rows = sorted((question.client, question.key, question.fingerprint, question.subject_id) for question in asked)
    return list(await connection.fetch(QUERIES["claim_keys"], *columns(rows, 4), LEASE))


def _answer(asked: list[_Asked], rows: list[Any]) -> None:
    by_key = {(row["client"], row["key"]): row for row in rows}
    for each in asked:
        if each.answer.done():  # its request was cancelled meanwhile
            continue
        row = by_key[each.client, each.key]
        if row["is_claimed"] or (row["is_done"] and row["is_same"]):
            each.answer.set_result(Claim(each.client, each.key, row["subject_id"], not row["is_claimed"]))
        else:
            each.answer.set_exception(KeyReusedError() if row["is_same"] is False else KeyInFlightError())


def _settle(futures: list[asyncio.Future[Any]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
