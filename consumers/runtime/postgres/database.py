"""The owner's connections to PostgreSQL: one a purpose, bounded in time, replaced when lost.

Whatever says nothing about the statement itself is waited out, for as long as it lasts: a server that is away, stopping,
recovering, read-only or full, a limit on connections that is reached, a lock that somebody else holds on our rows or tables.

Decision: docs/decisions, 026.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg

from producers.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from producers.outage import Readiness

T = TypeVar("T")

STATEMENT_SECONDS: Final = 10.0
"""Server-side limit of one statement; our own limit is a little later, so that the server's answer comes first."""
ASYNC_COMMIT: Final = "outbox"
"""The purpose whose writes may be lost in a crash of the server: a blob that is deleted too late is published twice, no
more; a claim is lost only with all that was decided by it, since the log of the server is flushed in its order."""

_PLANS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
}
"""Every statement looks rows up by key, or takes the first few in the order of an index. Planning it anew for each batch
would cost more than carrying it out, and a plan that was made while a week was empty must not read all of it once it is full."""

_LOST_CONNECTION: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""How asyncpg reports that a connection ended, or that it could not be made. InternalClientError is what it raises where the
server stops in the middle of an answer."""
_UNAVAILABLE_CLASSES: Final = frozenset({"08", "28", "53", "57", "58"})
"""Connection, authorisation (roles that are not there yet after a failover), resources (disk, memory, connections), operator
intervention (shutdown, recovery, cancelled, timed out), system errors (PostgreSQL manual, appendix A)."""
_UNAVAILABLE_STATES: Final = frozenset(
    {
        "25006",  # read_only_sql_transaction: a standby, or default_transaction_read_only
        "3D000",  # invalid_catalog_name: a database that is being put in another's place
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected: with somebody else, as our own statements lock in one order
        "55000",  # object_not_in_prerequisite_state: recovery is in progress
        "55006",  # object_in_use: a database that is being copied or renamed
        "55P03",  # lock_not_available
    }
)


def is_outage(error: BaseException) -> bool:
    """Return whether an error is about the server, not about the statement: the same statement may succeed later."""
    if isinstance(error, asyncpg.ClientConfigurationError):
        return False
    if isinstance(error, _LOST_CONNECTION):
        return True
    if not isinstance(error, asyncpg.PostgresError) or error.sqlstate is None:
        return False
    return error.sqlstate[:2] in _UNAVAILABLE_CLASSES or error.sqlstate in _UNAVAILABLE_STATES


class ConnectionLostError(Exception):
    """The server did not carry out a statement, or its answer did not come: whether it took effect is unknown.

    The cause is what asyncpg raised.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(repr(cause))
        self.cause = cause


class Database:
    """Connections by purpose. Statements of one purpose run one after the other; purposes do not wait for each other."""

    def __init__(self, dsn: str, name: str, readiness: Readiness | None = None) -> None:
        self._dsn = dsn
        self._name = name
        self._connections: dict[str, asyncpg.Connection] = {}
        self.outage = Outage("PostgreSQL", readiness, name)

    async def run(self, purpose: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` on this purpose's connection. Raises ConnectionLostError when its outcome is unknown."""
        try:
            return await self._answer(await self._connected(purpose), purpose, work)
        except Exception as error:
            if not is_outage(error):
                raise
            self._terminate(purpose)
            raise ConnectionLostError(error) from error

    async def _answer(
        self, connection: asyncpg.Connection, purpose: str, work: Callable[[asyncpg.Connection], Awaitable[T]]
    ) -> T:
        task = asyncio.ensure_future(work(connection))  # noqa: TID251  awaited below
        done, _ = await asyncio.wait({task}, timeout=STATEMENT_SECONDS + 2)
        if done:
            return task.result()
        # asyncpg's own cancellation can hang on a dead peer, so the connection goes first.
        self._terminate(purpose)
        task.cancel()
        raise TimeoutError(f"no answer within {STATEMENT_SECONDS + 2:.0f} s")

    async def run_with_retry(self, purpose: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run repeatable `work` (reads, deletes of what is done) until it has an answer, however long that takes."""
        try:
            while True:
                try:
                    return await self.run(purpose, work)
                except ConnectionLostError as lost:
                    await self.outage.wait(lost.cause, purpose)
        finally:
            self.outage.ended(purpose)

    async def close(self) -> None:
        """Close every connection."""
        for purpose in list(self._connections):
            connection = self._connections.pop(purpose)
            try:
                await connection.close(timeout=2)
            except (*_LOST_CONNECTION, asyncpg.PostgresError):
                connection.terminate()

    async def _connected(self, purpose: str) -> asyncpg.Connection:
        connection = self._connections.get(purpose)
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(
                self._dsn,
                timeout=STATEMENT_SECONDS,
                max_cacheable_statement_size=1_000_000,  # a batch of several rooms is more than asyncpg's 15 KiB
                server_settings={
                    "application_name": f"lastunit {self._name} {purpose}",
                    "statement_timeout": f"{STATEMENT_SECONDS * 1000:.0f}ms",
                    "jit": "off",
                    **_PLANS,
                    "synchronous_commit": "off" if purpose == ASYNC_COMMIT else "on",
                },
            )
            self._connections[purpose] = connection
        return connection

    def _terminate(self, purpose: str) -> None:
        connection = self._connections.pop(purpose, None)
        if connection is not None:
            connection.terminate()
