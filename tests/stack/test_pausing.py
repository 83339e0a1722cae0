"""A room or a partition that an operator has paused decides nothing until it is resumed, whatever happens to its process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.lag.model import Verdict
from consumers.runtime.owner import PartitionOwner
from infra.base.rooms import FOLLOWERS
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from infra.ops.lag import lag_monitor
from infra.ops.pausing import Place, UnusablePauseError, pause, resume
from schemas.codec.wire import decode
from schemas.messages import OperatorAction
from tests.harness.cli import lastunit
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of
from topology.topics import OPERATOR_ACTIONS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:confluent_kafka")

SKUS = [
    next(f"S{n}" for n in range(99) if partition_of(f"S{n}".encode(), PARTITIONS) == at) for at in range(PARTITIONS)
]
"""One SKU for each partition."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def position(shop: Shop, room: str, partition: int) -> list[int]:
    query = "SELECT next_offsets FROM claims WHERE room = $1 AND partition = $2"
    return list(await shop.value(query, room, partition) or [])


async def held(shop: Shop, sku: str, orders: int) -> bool:
    return bool(orders == await shop.value("SELECT count(DISTINCT order_id) FROM holds WHERE sku = $1", sku))


async def verdicts(shop: Shop, room: str) -> list[Verdict | None]:
    async with lag_monitor(shop.settings) as monitor:
        report = await monitor.look()
    return [
        part.verdict
        for group in report.groups
        if group.group == f"{shop.settings.namespace}{room}"
        for part in group.partitions
    ]


async def test_a_paused_partition_waits_through_kill_minus_9_while_the_others_go_on_and_resumes_where_it_stood(
    shop: Shop,
) -> None:
    environment = {**os.environ, **shop.settings.environment()}
    await shop.receive(**dict.fromkeys(SKUS, 9))
    await shop.supervisor.start("inventory")
    await shop.until_quiet("inventory")
    done = await lastunit(
        environment, "room", "pause", "inventory", "--partition", "1", "--why", "count", "--by", "ann"
    )
    assert done.status == 0, done.errors
    stood = await position(shop, "inventory", 1)
    for orders in (1, 2):  # before and after the crash
        for sku in SKUS:
            await shop.place(order((sku, 1)))
        await shop.until(lambda count=orders: held(shop, SKUS[2], count))  # type: ignore[misc]
        await shop.until(lambda count=orders: held(shop, SKUS[0], count))  # type: ignore[misc]
        assert await position(shop, "inventory", 1) == stood
        if orders == 1:
            await shop.supervisor.kill("inventory")
            await shop.supervisor.start("inventory")  # returns once it is ready
    assert (await verdicts(shop, "inventory"))[1] is Verdict.PAUSED
    status = await lastunit(environment, "status")
    assert "PAUSED: by ann: count" in status.output
    assert "lastunit room resume inventory --partition 1" in status.output
    assert "inventory/1" in (await lastunit(environment, "room", "paused")).output
    resumed = await lastunit(environment, "room", "resume", "inventory", "--partition", "1", "--why", "counted")
    assert resumed.status == 0, resumed.errors
    await shop.until_quiet("inventory")
    assert await held(shop, SKUS[1], 2)
    notes = [decode(record.value) for record in await shop.records(OPERATOR_ACTIONS)]
    assert [(note.subject, note.action, note.why) for note in notes if isinstance(note, OperatorAction)] == [
        ("room/inventory/1", "pause_room", "count"),
        ("room/inventory/1", "resume_room", "counted"),
    ]
    await shop.supervisor.stop("inventory")
    async with shop.running():
        await shop.until_quiet(orders=6)
    await shop.assert_sound()


async def test_one_room_of_a_shared_reader_pauses_while_the_others_go_on_and_leaves_nothing_out(shop: Shop) -> None:
    await shop.supervisor.start(PROCESSOR)
    await shop.receive(MUG=50)
    owner = PartitionOwner([shop.room(name) for name in FOLLOWERS], shop.options(), shop.publisher)
    async with shop.running("inventory"), shop.owning(owner):
        await shop.place(*(order(("MUG", 1)) for _ in range(3)))
        await shop.until_quiet("inventory", *FOLLOWERS, orders=3)
        await pause(shop.settings, Place("payments"), by="ann", why="the processor is being moved")
        await shop.until(lambda: all(owner._pausing.holds_up(each) for each in range(PARTITIONS)))
        before = await shop.progress("payments")
        await shop.place(*(order(("MUG", 1)) for _ in range(5)))
        await shop.until(lambda: reserved(shop, 5))
        assert await shop.progress("payments") == before
        assert {Verdict.PAUSED} == set(await verdicts(shop, "payments"))
        with pytest.raises(UnusablePauseError, match="the whole room is"):
            await resume(shop.settings, Place("payments", 1), by="ann", why="one is enough")
        await resume(shop.settings, Place("payments"), by="ann", why="it is there")
        await shop.until_quiet("inventory", *FOLLOWERS, orders=8)
        assert await shop.value("SELECT count(*) FROM orders WHERE state = 'paid'") == 8
    await shop.assert_sound()


async def reserved(shop: Shop, orders: int) -> bool:
    return bool(orders == await shop.value("SELECT count(*) FROM orders WHERE state = 'reserved'"))


async def test_what_cannot_be_paused_or_resumed_is_named(shop: Shop) -> None:
    with pytest.raises(UnusablePauseError, match="0 to 2"):
        await pause(shop.settings, Place("inventory", 3), by="ann", why="no such partition")
    with pytest.raises(UnusablePauseError, match="not paused"):
        await resume(shop.settings, Place("inventory"), by="ann", why="nothing to resume")
    with pytest.raises(UnusablePauseError, match="not one of the rooms"):
        Place.of("kitchen")
