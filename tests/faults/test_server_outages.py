"""Kafka is away for longer than anybody's patience: rooms wait, start meanwhile, and go on by themselves."""

from __future__ import annotations

import asyncio
import math

import pytest
from structlog.testing import capture_logs

from consumers.inventory.room import InventoryRoom
from consumers.runtime import log_watch
from consumers.runtime.owner import PartitionOwner
from infra.local.stack import Stack
from producers.outage import Readiness
from producers.publisher import Publisher
from tests.harness.shop import Level, Shop, order


async def test_rooms_wait_for_a_kafka_that_is_away_and_start_while_it_is(
    shop: Shop, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_watch, "LOG_WATCH_SECONDS", 0.2)
    readiness = Readiness()
    await shop.receive(MUG=10)
    async with Publisher(
        shop.settings.kafka_bootstrap or "",
        namespace=shop.settings.namespace,
        give_up_seconds=math.inf,
        readiness=readiness,
    ) as patient:
        running = PartitionOwner(InventoryRoom(), shop.options(watchdog_seconds=1.0), patient, readiness)
        with capture_logs() as logs:
            async with shop.owning(running) as first:
                await shop.until_quiet("inventory")
                await stack.kafka.kill()

                async def noticed() -> bool:
                    return "Kafka" in readiness.obstacles

                await shop.until(noticed)
                late = PartitionOwner(InventoryRoom(), shop.options(watchdog_seconds=1.0), patient, Readiness())
                async with shop.owning(late) as second:
                    await asyncio.wait({first, second}, timeout=3)
                    assert not first.done()
                    assert not second.done()
                    await stack.kafka.start()
                    await shop.place(*(order(("MUG", 1)) for _ in range(4)))
                    await shop.until_quiet("inventory")

                async def ready() -> bool:
                    return readiness.is_ready

                await shop.until(ready)
    assert {log["server"] for log in logs if log["event"] == "server_unavailable"} == {"Kafka"}
    assert await shop.levels() == {"MUG": Level(10, 4, 0)}
    await shop.assert_sound()
