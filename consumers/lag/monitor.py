"""Looks at a cluster again and again: our groups every 3 s, foreign ones every 10 s."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from consumers.lag.book import LagBook
from consumers.lag.kafka import Claims, Cluster
from consumers.lag.model import Claimed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumers.lag.model import LagReport, OwnGroup

log = structlog.get_logger()

OURS_SECONDS: Final = 3.0
FOREIGN_SECONDS: Final = 10.0
CLAIMS_SECONDS: Final = 3.0
"""How long PostgreSQL may take to answer; then the positions of our rooms are unknown."""

CLAIMS_QUERY: Final = """
SELECT c.room, c.partition, c.next_offsets[1] AS next_offset, (extract(epoch FROM c.committed_at) * 1000)::bigint AS moved_at_ms,
    coalesce((SELECT 'by ' || p.by_whom || ': ' || p.why FROM pauses p
              WHERE p.room = c.room AND coalesce(p.partition, c.partition) = c.partition LIMIT 1), '') AS paused
FROM claims c
"""


class LagMonitor:
    """Watches the lag of one cluster. `own_groups` has our groups by the name that Kafka has for them.

    `read_claims` reads the rooms' positions in PostgreSQL; whatever it raises of asyncpg, OSError or TimeoutError means
    that they are unknown.
    """

    def __init__(
        self, bootstrap: str, own_groups: Mapping[str, OwnGroup], read_claims: Callable[[], Awaitable[Claims]]
    ) -> None:
        self.latest: LagReport | None = None
        self._own_groups = own_groups
        self._read_claims = read_claims
        self._cluster = Cluster(bootstrap, own_groups)
        self._book = LagBook(own_groups)

    async def close(self) -> None:
        """Leave the cluster."""
        await asyncio.to_thread(self._cluster.close)

    async def look(self, *, foreign: bool = True) -> LagReport:
        """Look once; without `foreign` at our groups only, and the others stand as before."""
        loop = asyncio.get_running_loop()

        def claims() -> Claims | None:
            return asyncio.run_coroutine_threadsafe(self._claims(), loop).result()

        began = time.perf_counter()
        look = await asyncio.to_thread(
            self._cluster.look, claims, wanted=lambda group: foreign or group in self._own_groups
        )
        self.latest = self._book.report(look, time.perf_counter() - began)
        return self.latest

    async def run(self, on_report: Callable[[LagReport], None] = lambda _: None) -> None:
        """Look until cancelled; each report is `latest`, and handed to `on_report`."""
        loop = asyncio.get_running_loop()
        foreign_at = loop.time()
        while True:
            began = loop.time()
            is_foreign_due = began >= foreign_at
            if is_foreign_due:
                foreign_at = began + FOREIGN_SECONDS
            report = await self.look(foreign=is_foreign_due)
            for error in report.errors:
                log.warning("lag_not_measured", error=error)
            on_report(report)
            await asyncio.sleep(max(0.0, began + OURS_SECONDS - loop.time()))

    async def _claims(self) -> Claims | None:
        try:
            async with asyncio.timeout(CLAIMS_SECONDS):
                return await self._read_claims()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return None


async def read_claims(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy, rooms: Mapping[str, tuple[str, str]]
) -> Claims:
    """Read the positions of all rooms: room -> (its group, its log as Kafka names it)."""
    return {
        (*rooms[room], partition): Claimed(next_offset, moved_at_ms, paused)
        for room, partition, next_offset, moved_at_ms, paused in await connection.fetch(CLAIMS_QUERY)
        if room in rooms
    }
