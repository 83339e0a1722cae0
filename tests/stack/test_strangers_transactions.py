"""A producer may use transactions: what it committed is decided, what it aborted is not, and markers are no lag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.errors import StuckError
from consumers.runtime import log_reader
from consumers.runtime.claim import HostedPartition
from consumers.runtime.deciding.batch import FetchedSlice
from consumers.runtime.fetch_positions import FetchPositions
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS
from consumers.runtime.owner import PartitionOwner
from consumers.views.room import OrderViews, ViewsOptions
from infra.base.settings import Settings
from schemas import messages as m
from schemas.codec.wire import encode
from tests.harness.foreign_producers import MUG, append, letters, receipt, transactions
from tests.harness.raw import RawRecord
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from tests.harness.waiting import until
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

EVENT: RawRecord = (b"order-1", encode(m.OrderPaid("order-1", 500, "GBP")), [])


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("at_once", [pytest.param(1, marks=pytest.mark.release), READ_AHEAD_RECORDS])
async def test_what_was_committed_is_decided_what_was_aborted_is_not_and_nothing_is_left_as_lag(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(log_reader, "READ_AHEAD_RECORDS", at_once)
    async with transactions(shop) as stranger, shop.running("inventory"):
        for number, ends in enumerate((stranger.commit, stranger.abort, stranger.commit, stranger.abort)):
            await stranger.begin()
            await stranger.say(receipt(2 * number))
            await append(shop, [receipt(2 * number + 1)])
            await ends()
            await shop.until_quiet("inventory")
    async with shop.running("inventory"):
        await append(shop, [receipt(100)])
        await shop.until_quiet("inventory")
    assert await shop.levels() == {"MUG": Level(7, 0, 0)}
    assert await letters(shop) == []
    await shop.assert_sound()


@pytest.mark.release
async def test_intake_passes_markers_and_the_audit_follows_it(shop: Shop) -> None:
    await shop.receive(MUG=2)
    async with transactions(shop) as stranger, shop.running():
        for count, ends in ((1, stranger.abort), (2, stranger.commit)):
            await stranger.begin()
            await stranger.say(receipt(count), ORDER_COMMANDS)
            await shop.place(order(("MUG", 1)))
            await ends()
            await shop.until_quiet(orders=count)
        await shop.assert_sound()
    assert await letters(shop) == []


async def test_behind_an_open_transaction_commands_wait_and_an_owner_is_not_taken_for_stuck(shop: Shop) -> None:
    inventory = PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher)
    tp = TopicPartition(INVENTORY_COMMANDS.in_namespace(shop.settings.namespace), MUG)
    async with transactions(shop) as stranger, shop.owning(inventory):
        await append(shop, [receipt(1)])
        await shop.until_quiet("inventory")
        await stranger.begin()
        await stranger.say(receipt(2))
        await append(shop, [receipt(3)])

        async def knows_of_all() -> bool:
            return bool(inventory._consumer.highwater(tp) == 1 + 3)  # the rules' version, three receipts

        await shop.until(knows_of_all)
        assert inventory._lag() == 0
        assert await shop.levels() == {"MUG": Level(1, 0, 0)}
        await stranger.commit()
        await shop.until_quiet("inventory")
    assert await shop.levels() == {"MUG": Level(3, 0, 0)}
    await shop.assert_sound()


async def test_views_show_no_aborted_event_and_pass_the_marker(shop: Shop) -> None:
    views = OrderViews(
        ViewsOptions(
            kafka_bootstrap=shop.settings.kafka_bootstrap or "",
            redis_url=shop.settings.redis_url or "",
            namespace=shop.settings.namespace,
        )
    )
    async with transactions(shop) as stranger:
        for ends in (stranger.commit, stranger.abort):
            await stranger.begin()
            await stranger.say(EVENT, ORDER_EVENTS, home=0)
            await ends()
    running = asyncio.create_task(views.run())
    # The rules' version, a record and a marker twice; of the other partitions the rules' version.
    await until(lambda: views._places.next_offsets.get(0) == 5 and views._places.lag() == 0, running)
    views.stop()
    await running
    assert views.written + views.skipped == 1


async def test_an_owner_that_counts_records_alone_is_stuck_at_a_marker(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def of_records_alone(
        self: FetchPositions,
        _: AIOKafkaConsumer,
        begin: Mapping[TopicPartition, tuple[HostedPartition, int]],
        fetched: Mapping[TopicPartition, Sequence[Any]],
    ) -> list[FetchedSlice]:
        return [
            FetchedSlice(tp, self._ownership.claims[tp.partition], records, begin[tp][1], records[-1].offset + 1)
            for tp, records in fetched.items()
        ]

    monkeypatch.setattr(FetchPositions, "slices", of_records_alone)
    async with transactions(shop) as stranger:
        await stranger.begin()
        await stranger.say(receipt(1))
        await stranger.commit()
    with pytest.raises(StuckError):
        await PartitionOwner(shop.room("inventory"), shop.options(watchdog_seconds=1.0), shop.publisher).run()
