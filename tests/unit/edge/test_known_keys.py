"""A process that cannot read the keys says so."""

from __future__ import annotations

import asyncio

from infra.edge.access.known_keys import KnownKeys
from producers.outage import Readiness


async def test_who_cannot_read_the_keys_is_not_ready() -> None:
    changed = asyncio.Event()
    readiness = Readiness(changed.set)
    keys = KnownKeys("postgresql://nobody@127.0.0.1:1/nothing", readiness)
    loading = asyncio.create_task(keys.load())
    await asyncio.wait_for(changed.wait(), 60)
    assert list(readiness.obstacles) == ["PostgreSQL (access)"]
    loading.cancel()
    await asyncio.wait([loading])
    await keys.close()
