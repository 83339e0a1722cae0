"""An owner at rest waits for what comes: records, a rebalance, a stop. Here it would wait for longer than any test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.runtime import owner as owners
from consumers.runtime import pausing
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres import partitioning_watcher
from infra.base.settings import Settings
from infra.ops.pausing import Place, pause, resume
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from tests.harness.waiting import one_turn

FOR_EVER_SECONDS = 10_000.0
LONG_SECONDS = 500.0
"""Longer than any test; the next deadline of a hold is further away."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """A shop whose owners, once at rest, move for nothing but what wakes them. The broker answers as ever."""
    monkeypatch.setattr(owners, "REST_SECONDS", FOR_EVER_SECONDS)
    monkeypatch.setattr(partitioning_watcher, "LOOK_SECONDS", FOR_EVER_SECONDS)
    monkeypatch.setattr(pausing, "LOOK_SECONDS", FOR_EVER_SECONDS)
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def at_rest(shop: Shop, owner: PartitionOwner) -> None:
    async def rests() -> bool:
        return owner._reader.waits_for_records and owner._patience_seconds() > LONG_SECONDS

    await shop.until_quiet("inventory")
    await shop.until(rests)


async def test_a_record_in_any_partition_wakes_it(shop: Shop) -> None:
    owner = PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher)
    async with shop.owning(owner):
        await at_rest(shop, owner)
        for number in range(2 * PARTITIONS):
            await shop.receive(**{f"SKU-{number}": 1})
            await at_rest(shop, owner)
        await shop.place(order(("SKU-0", 1)))
        await at_rest(shop, owner)
    assert {level.on_hand for level in (await shop.levels()).values()} == {1}


async def test_a_pause_wakes_it_and_so_does_its_end_and_a_connection_that_was_lost(shop: Shop) -> None:
    owner = PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher)
    async with shop.owning(owner):
        await at_rest(shop, owner)
        await pause(shop.settings, Place("inventory", 1), by="ann", why="a test")
        await shop.until(lambda: owner._pausing.holds_up(1))
        await shop.value("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% load'")
        await resume(shop.settings, Place("inventory", 1), by="ann", why="a test")
        await shop.until(lambda: not owner._pausing.holds_up(1))
        await at_rest(shop, owner)


async def test_a_stop_and_a_rebalance_wake_it(shop: Shop) -> None:
    first, second = (PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher) for _ in range(2))
    async with shop.owning(first):
        await at_rest(shop, first)
        async with shop.owning(second):
            await shop.until(lambda: _shared(first, second))
            await at_rest(shop, first)
            await at_rest(shop, second)
            first.stop()
            await shop.until(lambda: _shared(second))
            await shop.receive(**{f"SKU-{number}": 1 for number in range(7)})
            await shop.until_quiet("inventory")


async def test_who_is_not_woken_reads_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the waits above end by what wakes them, not because time runs out."""
    monkeypatch.setattr(owners, "BUSY_WAIT_SECONDS", FOR_EVER_SECONDS)
    owner = PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher)
    async with shop.owning(owner):
        await at_rest(shop, owner)
        owner._consumer._fetcher._notify = lambda _: None  # aiokafka wakes nobody now
        await shop.receive(MUG=1)

        async def is_fetched() -> bool:
            return bool(owner._consumer._fetcher._records)

        await shop.until(is_fetched)
        await one_turn()
        assert owner._reader.waits_for_records
        assert not await shop.has_decided("inventory", PARTITIONS + 1)


async def _shared(*owning: PartitionOwner) -> bool:
    return sum(len(owner._claims) for owner in owning) == PARTITIONS and all(owner._claims for owner in owning)
