"""PostgreSQL is slow and commands keep coming: they wait in the log, and the owner stays the owner."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.runtime.kafka.consumer import FETCH_BYTES
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.outbox import MAX_UNACKED_BYTES
from infra.base.settings import Settings
from infra.local.supervisor import Supervisor
from schemas.messages import Message
from tests.harness import unbounded_reader
from tests.harness.postgres_proxy import PostgresProxy
from tests.harness.shop import PARTITIONS, Shop, order
from tests.harness.shop_evidence import logged
from tests.harness.waiting import until

BACKLOG = 40_000
MORE = 4 * BACKLOG
AT_ONCE = 5_000
NOISE_BYTES = 8 * 2**20
"""By which two peaks may differ: none was seen. Who reads the larger backlog ahead takes 16 MiB more for it."""
WATCHED_SECONDS = 6.0
SESSION_MS = 6_000
SHORT_SESSION_MS = 3_000
ROOM = "infra.local.room_process"


async def commands(shop: Shop, number: int) -> None:
    """Ask for units that are not there: whoever decides that remembers nothing, so what is in memory is the backlog."""
    for _ in range(number // AT_ONCE):
        await shop.place(*(order((f"SKU-{n % 30}", 1)) for n in range(AT_ONCE)))


@asynccontextmanager
async def inventory(settings: Settings, module: str, folder: Path) -> AsyncIterator[psutil.Process]:
    """Run inventory as a process of its own; it is a member of its group once, from its first record to its last."""
    log = folder / "logs" / "inventory.log"
    log.parent.mkdir(parents=True)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *(("inventory",) if module == ROOM else ())),
            env={**os.environ, **settings.environment()},
            cwd=Path(__file__).parents[2],
            stderr=output,
            stdout=asyncio.subprocess.DEVNULL,
        )
    try:
        yield psutil.Process(process.pid)
        assert process.returncode is None
        assert module != ROOM or times_joined(folder) == 1
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def times_joined(folder: Path) -> int:
    """Return how often the group was divided anew, as its only member has logged."""
    return len(logged(folder, "inventory", "partitions_shared"))


async def peak_bytes(shop: Shop, process: psutil.Process) -> int:
    """Return the most memory that the process holds in a while of slow progress."""
    before = await shop.progress("inventory")
    await shop.until(lambda: shop.has_decided("inventory", before + 1))
    peak, watched_until = 0, time.monotonic() + WATCHED_SECONDS

    def is_over() -> bool:
        nonlocal peak
        peak = max(peak, process.memory_info().rss)
        return time.monotonic() >= watched_until

    await until(is_over)
    assert await shop.progress("inventory") < before + BACKLOG // 2, "the database was not slow enough"
    return peak


@pytest.mark.release
@pytest.mark.timeout(400)
@pytest.mark.parametrize("module", [ROOM, unbounded_reader.__name__])
async def test_five_times_the_backlog_takes_no_more_memory(shop: Shop, module: str, tmp_path: Path) -> None:
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy:
        limited = shop.settings.model_copy(
            update={"postgres_dsn": proxy.dsn, "batch_records": 500, "session_timeout_ms": SESSION_MS}
        )
        async with inventory(limited, module, tmp_path / "idle") as process:
            await shop.until(lambda: shop.value("SELECT count(*) = $1 FROM claims", PARTITIONS))
            idle = process.memory_info().rss
        proxy.delay_seconds = 0.2
        await commands(shop, BACKLOG)
        async with inventory(limited, module, tmp_path / "once") as process:
            once = await peak_bytes(shop, process)
        await commands(shop, MORE)
        async with inventory(limited, module, tmp_path / "five") as process:
            five_times = await peak_bytes(shop, process)
            print(f"{module}: idle {idle >> 20} MiB, backlog {once >> 20}, five times {five_times >> 20}")  # noqa: T201
            if module != ROOM:
                assert five_times - once > NOISE_BYTES
                return
            assert five_times - once < NOISE_BYTES
            assert five_times - idle < 3 * PARTITIONS * FETCH_BYTES + MAX_UNACKED_BYTES
            proxy.delay_seconds = 0.0
            await shop.until(lambda: shop.has_decided("inventory", BACKLOG + MORE), 200)
            await shop.until_quiet("inventory")
    assert (await shop.audit()).breaches <= {"every_order_is_final_or_waits"}


@pytest.mark.timeout(400)
async def test_a_database_that_takes_half_a_session_for_each_statement_costs_no_membership(
    shop: Shop, tmp_path: Path
) -> None:
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy:
        slowed = shop.settings.model_copy(update={"postgres_dsn": proxy.dsn, "session_timeout_ms": SHORT_SESSION_MS})
        async with Supervisor(slowed, folder=tmp_path / "slow") as slow:
            await slow.start("inventory")
            await shop.until(lambda: shop.value("SELECT count(*) = $1 FROM claims", PARTITIONS))
            proxy.delay_seconds = SHORT_SESSION_MS / 2_000
            await shop.receive(MUG=100)
            await shop.place(*(order(("MUG", 1)) for _ in range(30)))
            await shop.until(lambda: shop.has_decided("inventory", 31))
            assert times_joined(tmp_path / "slow") == 1
            proxy.delay_seconds = 0.0
            await shop.until_quiet("inventory")
    async with shop.running("orders"):
        await shop.until_quiet("orders")
    assert (await shop.audit()).breaches <= {"every_order_is_final_or_waits"}


BLOCKED_SECONDS = 3.0


class Blocking(InventoryRoom):
    """Thinks for longer than a session about one command, in one stretch."""

    thought = False

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        if not self.thought:
            self.thought = True
            time.sleep(BLOCKED_SECONDS)
        return super().decide(state, message, at_ms)


@pytest.mark.release
async def test_an_owner_that_blocks_its_loop_for_a_session_is_thrown_out(shop: Shop) -> None:
    with capture_logs() as logs:
        async with shop.owning(PartitionOwner(Blocking(), shop.options(session_timeout_ms=1_500), shop.publisher)):
            await shop.until(lambda: shop.value("SELECT count(*) = $1 FROM claims", PARTITIONS))
            await shop.receive(MUG=1)
            await shop.until(lambda: joined_again(logs))
            await shop.until_quiet("inventory")


def joined_again(logs: list[MutableMapping[str, Any]]) -> bool:
    return len([log for log in logs if log["event"] == "partitions_shared"]) > 1
