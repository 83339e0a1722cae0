"""`orders stuck` sees what waits in the log too: partitions without an owner, and lines that never reached a decision."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest_asyncio

from consumers.runtime.deciding.decision import outgoing
from infra.base.settings import Settings
from infra.ops.overdue.orders import Stuck
from infra.ops.overdue.report import all_that_waits
from producers.clients.orders import place_order_lines
from producers.publisher import FORWARDED
from tests.harness.cli import lastunit
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def waits(shop: Shop) -> list[Stuck]:
    return await all_that_waits(shop.settings, before_ms=time.time_ns() // 1_000_000 + 1_000)


async def test_a_partition_that_nobody_owns_is_listed_with_its_room_and_the_command_that_helps(shop: Shop) -> None:
    await shop.receive(MUG=1)
    topic = f"inventory.commands/{partition_of(b'MUG', PARTITIONS)}"
    [lag] = [wait for wait in await waits(shop) if wait.cause == f"no inventory process owns {topic}"]
    assert (lag.order_id, lag.axis, lag.state) == (None, "partition", "undecided")
    assert lag.waits_for == f"inventory to decide 2 records of {topic}"
    assert lag.what_to_do == "start one: `lastunit room inventory`"
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        assert not [wait for wait in await waits(shop) if "inventory" in (wait.cause or "")]


async def test_a_line_that_became_a_dead_letter_is_named_by_its_order(shop: Shop) -> None:
    await shop.receive(MUG=5, TIN=5)
    half, whole = order(("MUG", 1), ("TIN", 1)), order(("TIN", 1))
    first, second = map(outgoing, place_order_lines(half))
    [alone] = map(outgoing, place_order_lines(whole))
    wrong = (partition_of(b"TIN", PARTITIONS) + 1) % PARTITIONS
    once = ((FORWARDED, b"once already"),)
    misrouted = [msgspec.structs.replace(record, partition=wrong, headers=once) for record in (second, alone)]
    async with shop.running("inventory", "orders"):
        await shop.publisher.publish([first, *misrouted])
        await shop.until_quiet("inventory", "orders")
    by_order = {wait.order_id: wait for wait in await waits(shop) if wait.order_id is not None}
    assert by_order.keys() == {half.order_id, whole.order_id}
    pending, lost = by_order[half.order_id], by_order[whole.order_id]
    assert (pending.axis, pending.state, pending.missing) == ("order", "pending", [2])
    assert pending.cause.startswith(f"line 2: inventory.commands/{wrong}/")
    assert "is a dead letter: wrong_partition" in pending.cause
    assert (lost.axis, lost.state, lost.missing) == ("line", "dead_letter", [1])
    printed = await lastunit({**os.environ, **shop.settings.environment()}, "orders", "stuck", "--older-than", "0")
    assert f"{lost.order_id}  line dead_letter" in printed.output
    assert pending.cause in printed.output
