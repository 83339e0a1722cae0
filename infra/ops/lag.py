"""The lag monitor of the system that the settings name: which groups are ours, and where their positions are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from consumers.lag.model import OwnGroup
from consumers.lag.monitor import CLAIMS_SECONDS, LagMonitor, read_claims
from infra.base.connections import address_of
from infra.base.rooms import READERS, ROOMS
from topology.topics import ORDER_EVENTS, log_read_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.lag.kafka import Claims
    from infra.base.settings import Settings


def rooms_here(namespace: str) -> dict[str, tuple[str, str]]:
    """Return each room's group and log, as Kafka names them."""
    return {room: (f"{namespace}{room}", log_read_by(room).in_namespace(namespace)) for room in ROOMS}


def groups_here(namespace: str) -> dict[str, OwnGroup]:
    """Return our groups; the readers' positions are in Redis and Kafka, not in PostgreSQL."""
    groups = {group: OwnGroup(frozenset({topic})) for group, topic in rooms_here(namespace).values()}
    readers = {
        f"{namespace}{name}": OwnGroup(frozenset({ORDER_EVENTS.in_namespace(namespace)}), claims=False)
        for name in READERS
    }
    return groups | readers


@asynccontextmanager
async def lag_monitor(settings: Settings) -> AsyncIterator[LagMonitor]:
    """Open a monitor for the length of the block; PostgreSQL is connected when it is first asked.

    Raises NotRunningError where neither is named nor runs here.
    """
    rooms = rooms_here(settings.namespace)
    async with asyncpg.create_pool(
        address_of("postgres_dsn", settings), min_size=0, max_size=1, timeout=CLAIMS_SECONDS
    ) as pool:

        async def claims() -> Claims:
            async with pool.acquire() as connection:
                return await read_claims(connection, rooms)

        monitor = LagMonitor(address_of("kafka_bootstrap", settings), groups_here(settings.namespace), claims)
        try:
            yield monitor
        finally:
            await monitor.close()
