"""No batch keeps the event loop for itself so long that a heartbeat could be missed."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from producers.publisher import Outgoing
from schemas.messages import Message
from tests.harness.loop_lag import loop_lag
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.waiting import one_turn, until
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, MAX_RECORD_BYTES

LONGEST_SECONDS = 1.0
"""A sixth of the default session."""
BLOCKED_SECONDS = 0.2
PARTITIONS = 12
SKUS = [f"SKU-{n}" for n in range(40)]


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=PARTITIONS), tmp_path) as opened:
        yield opened


async def duplicates(shop: Shop) -> None:
    """Send every line of several full batches again to an owner that remembers none of them."""
    again: list[Message] = [line for n in range(3_000) for line in place_order_lines(order((SKUS[n % 40], 1)))]
    await shop.receive(**dict.fromkeys(SKUS, 1_000))
    await shop.say(*again)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await shop.say(*again)


async def huge_keys(shop: Shop) -> None:
    """Fill the read-ahead of every partition with records that are nearly all key."""
    draw = random.Random(7)
    for partition in range(PARTITIONS):
        key = draw.randbytes(MAX_RECORD_BYTES - 1_000)
        await shop.publisher.publish([Outgoing(INVENTORY_COMMANDS.name, partition, key, b"?")])


async def expiries(shop: Shop) -> None:
    """Let more holds end at once than one command may expire."""
    await shop.receive(MUG=5_000)
    await shop.place(*(order(("MUG", 1), hold_seconds=1) for _ in range(2_500)))


async def has_ended_all_holds(shop: Shop) -> bool:
    return bool(await shop.value("SELECT count(*) = 2500 FROM holds WHERE state = 3"))


async def has_kept_all_letters(shop: Shop) -> bool:
    return len(await shop.records(DEAD_LETTERS)) == PARTITIONS


async def has_decided_all(shop: Shop) -> bool:
    return await shop.has_decided("inventory", 6_000 + len(SKUS))


@pytest.mark.release
@pytest.mark.parametrize(
    ("work", "is_done"),
    [(duplicates, has_decided_all), (huge_keys, has_kept_all_letters), (expiries, has_ended_all_holds)],
)
async def test_the_loop_is_never_busy_for_long(
    shop: Shop, work: Callable[[Shop], Awaitable[None]], is_done: Callable[[Shop], Awaitable[bool]]
) -> None:
    await work(shop)
    with capture_logs() as logs:
        async with shop.running("inventory"), loop_lag() as lag:
            await shop.until(lambda: is_done(shop))
    print(f"{work.__name__}: the loop was busy for at most {lag.longest_seconds * 1000:.0f} ms")  # noqa: T201
    assert lag.longest_seconds < LONGEST_SECONDS
    if work is duplicates:
        assert [log for log in logs if log["event"] == "decided_anew"], "the slow path was not taken"


@pytest.mark.release
async def test_a_busy_loop_is_noticed() -> None:
    async with loop_lag() as lag:
        await one_turn()
        time.sleep(BLOCKED_SECONDS)  # noqa: ASYNC251  the fault
        await until(lambda: lag.longest_seconds > 0)
    assert lag.longest_seconds > 0.75 * BLOCKED_SECONDS
