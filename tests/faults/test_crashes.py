"""Processes that end at once, as in a crash, at moments drawn from a seed or chosen with malice."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest

from infra.base.rooms import BOOKKEEPERS
from tests.harness import crash_before_publish
from tests.harness.race import race
from tests.harness.shop import Level, Shop, order
from tests.samples import samples

ORDERS = samples(300)
SEED = 20_260
KILLS_A_ROOM = samples(3)


@pytest.mark.timeout(400)
async def test_rooms_that_are_killed_at_any_moment_lose_nothing_and_double_nothing(shop: Shop) -> None:
    draw = random.Random(SEED)
    traffic = await race(shop, SEED, orders=ORDERS)
    lines = sum(len(each.lines) for each in traffic.orders)
    moments = {room: sorted(draw.sample(range(lines // 10, lines), KILLS_A_ROOM)) for room in BOOKKEEPERS}
    await shop.start_processes()
    await shop.place(*traffic.orders)
    async with asyncio.TaskGroup() as group:
        killers = [group.create_task(kill_at(shop, room, moments[room])) for room in BOOKKEEPERS]
    await shop.until_quiet(orders=ORDERS)
    for room, killer in zip(BOOKKEEPERS, killers, strict=True):
        assert max(killer.result()) < await shop.progress(room), f"{room} was killed too late: {killer.result()}"
    await shop.assert_sound()


async def kill_at(shop: Shop, room: str, moments: list[int]) -> list[int]:
    """Kill a room's process when it has decided so many records, and start it again; return when it really was."""
    killed_at = []
    for moment in moments:
        await shop.until(lambda moment=moment: shop.has_decided(room, moment))  # type: ignore[misc]
        await shop.supervisor.kill(room)
        killed_at.append(await shop.progress(room))
        await shop.supervisor.start(room)
    return killed_at


async def die_after_commit(shop: Shop, *options: str) -> None:
    """Run an inventory that ends between its first commit and what it has to say about it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", crash_before_publish.__name__, *options),
        env={**os.environ, **shop.settings.environment()},
        cwd=Path(__file__).parents[2],
    )
    try:
        assert await asyncio.wait_for(process.wait(), 60) == crash_before_publish.DIED
    finally:
        if process.returncode is None:
            process.kill()


async def test_what_was_committed_but_not_published_is_published_by_the_next_owner(shop: Shop) -> None:
    request = order(("MUG", 2), ("TIN", 1))
    await shop.receive(MUG=5, TIN=5)
    await shop.place(request)
    await die_after_commit(shop)
    committed = await shop.levels()
    assert committed
    assert await shop.value("SELECT count(*) FROM outbox") > 0
    assert await shop.timeline(request) == []
    async with shop.running():
        await shop.until_quiet(orders=1)
    assert (await shop.state(request))[0] == "paid"
    assert await shop.value("SELECT count(*) FROM outbox") == 0
    assert await shop.levels() == {"MUG": Level(5, 0, 2), "TIN": Level(5, 0, 1)}
    await shop.assert_sound()


@pytest.mark.release
async def test_without_an_outbox_the_same_crash_loses_events_and_the_audit_reports_it(shop: Shop) -> None:
    await shop.receive(MUG=5)
    await shop.place(order(("MUG", 2)))
    await die_after_commit(shop, crash_before_publish.WITHOUT_OUTBOX)
    async with shop.running("inventory", "orders"):
        await shop.until_quiet("inventory", "orders")
    report = await shop.audit()
    assert "replay_gives_the_same_decisions" in report.breaches
    assert any(
        "neither published nor in the outbox" in example
        for example in report.finding("replay_gives_the_same_decisions").examples
    )
