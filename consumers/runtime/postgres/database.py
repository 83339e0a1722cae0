"""The owner's connections to PostgreSQL: one a purpose, bounded in time, replaced when lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger()
T = TypeVar("T")

STATEMENT_SECONDS: Final = 10.0
"""Server-side limit of one statement; our own limit is a little later, so that the server's answer comes first."""
RETRY_SECONDS: Final = 0.2
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

LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
)
"""What says nothing about the statement itself, only that its answer did not come."""


class ConnectionLostError(Exception):
    """The answer to a statement did not come; whether it took effect is unknown."""


class Database:
    """Connections by purpose. Statements of one purpose run one after the other; purposes do not wait for each other."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._connections: dict[str, asyncpg.Connection] = {}

    async def run(self, purpose: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` on this purpose's connection. Raises ConnectionLostError when its outcome is unknown."""
        try:
            connection = await self._connected(purpose)
            task = asyncio.ensure_future(work(connection))
            done, _ = await asyncio.wait({task}, timeout=STATEMENT_SECONDS + 2)
            if not done:
                # asyncpg's own cancellation can hang on a dead peer, so the connection goes first.
                self._terminate(purpose)
                task.cancel()
                raise TimeoutError(f"no answer within {STATEMENT_SECONDS + 2:.0f} s")
            return task.result()
        except LOST as error:
            self._terminate(purpose)
            log.warning("connection_lost", name=self._name, purpose=purpose, error=repr(error))
            raise ConnectionLostError(repr(error)) from error

    async def run_with_retry(self, purpose: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run repeatable `work` (reads, deletes of what is done) until it has an answer."""
        while True:
            try:
                return await self.run(purpose, work)
            except ConnectionLostError:
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Close every connection."""
        for purpose in list(self._connections):
            connection = self._connections.pop(purpose)
            try:
                await connection.close(timeout=2)
            except LOST:
                connection.terminate()

    async def _connected(self, purpose: str) -> asyncpg.Connection:
        connection = self._connections.get(purpose)
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(
                self._dsn,
                timeout=STATEMENT_SECONDS,
                server_settings={
                    "application_name": f"lastunit {self._name} {purpose}",
                    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
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
