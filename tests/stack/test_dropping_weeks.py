"""Weeks of which nothing lives any more are dropped, whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from infra.base.settings import Settings
from infra.base.weekly import tables
from infra.base.weekly.weeks import DAY_MS, WEEK_MS, Week
from producers.clients.stock import new_command_id
from schemas import messages as m
from schemas.ids import new_order_id, order_id_ms
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.weeks import LONG_AFTER_MS, maintained, now_ms
from topology.partitioner import partition_of
from topology.topics import ORDER_EVENTS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def test_a_week_stays_while_something_in_it_lives_and_its_sums_stay_for_ever(shop: Shop) -> None:
    sold, declined = order(("MUG", 2), ("TIN", 1)), order(("MUG", 1), token="tok_declined")
    await shop.say(m.ReceiveStock(new_command_id("receipt"), "MUG", 9), m.ReceiveStock("delivery-1", "TIN", 4))
    await shop.say(m.SetPurchaseLimit(new_command_id("limit"), "TIN", 3))
    async with shop.running():
        await shop.until_quiet("inventory")
        await shop.place(sold, declined)
        await shop.until_quiet(orders=2)
        later = now_ms() + LONG_AFTER_MS
        week = Week.of(order_id_ms(sold.order_id)).name

        done = await maintained(shop, later)
        assert done.kept == {week: {"holds": 2, "orders": 1, "fulfilments": 1}}
        assert week not in done.dropped
        assert await shop.value("SELECT count(*) FROM holds") == 3

        for command in (m.ShipOrder(sold.order_id, "S1", (), "post", "T1"), m.ConfirmDelivery(sold.order_id, "S1")):
            await shop.say(command)
            await shop.until_quiet()
        await shop.assert_sound()
        dry = await maintained(shop, later, dry_run=True)
        assert week in dry.dropped
        assert await shop.value("SELECT count(*) FROM holds") == 3

        done = await maintained(shop, later)
        assert week in done.dropped
        assert done.kept == {}
    count = "SELECT count(*) FROM {}"
    for table in ("holds", "orders", "payments", "payment_attempts", "fulfilments"):
        assert await shop.value(count.format(table)) == 0
    assert await shop.value("SELECT array_agg(command_id) FROM movements") == ["delivery-1"]
    balances = await shop.database.fetch("SELECT * FROM stock_balances ORDER BY sku")
    assert [tuple(row) for row in balances] == [("MUG", 7, 0, 9, 2), ("TIN", -1, 0, 0, 1)]
    assert await shop.value("SELECT carried FROM purchases") == 1
    await shop.assert_sound()
    report = await shop.audit()
    assert report.finding("replay_gives_the_same_decisions").figure["dropped_rows_left_out"] > 0

    await shop.value("UPDATE stock_balances SET on_hand = on_hand + 1 WHERE sku = 'MUG'")
    assert (await shop.audit()).breaches == {"on_hand_is_the_sum_of_movements"}


async def test_a_long_reader_is_not_waited_for_and_nothing_is_half_dropped(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr(tables, "TRIES", 2)
    monkeypatch.setattr(tables, "PAUSE_SECONDS", 0.01)
    later = now_ms() + 3 * WEEK_MS
    async with shop.running():
        await shop.receive(MUG=1)
        await shop.until_quiet()
    async with shop.database.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM payments")
        done = await maintained(shop, later)
        assert done.dropped == []
        assert done.busy
        assert await reader.fetchval("SELECT count(*) FROM dropped_weeks") == 0
    again = await maintained(shop, later)
    assert (again.busy, set(again.dropped) & set(done.busy)) == ([], set(again.dropped))
    assert len(again.dropped) >= 2


async def test_rows_without_weeks_go_once_they_are_finished(shop: Shop) -> None:
    await shop.receive(MUG=5)
    async with shop.running():
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet(orders=1)
    await shop.value("INSERT INTO decided_ranges VALUES ('orders', 0, 1, '{0,0,7}')")
    for number, age in enumerate((200, 10), start=1):
        published = "INSERT INTO imports VALUES ('file', $1, $2, 1, '', now())"
        await shop.value(published, str(number), new_order_id(now_ms() - age * DAY_MS))
    await shop.value("INSERT INTO imports VALUES ('file', '3', $1, 1, '', NULL)", new_order_id(now_ms() - 200 * DAY_MS))
    await shop.value("INSERT INTO purchases VALUES ('MUG', 'ann', 0, 0, 0), ('MUG', 'bob', 0, 0, 3)")
    done = await maintained(shop)
    assert {table: rows for table, rows in done.deleted.items() if rows} == {"imports": 1, "purchases": 1}
    assert await shop.value("SELECT array_agg(external_id ORDER BY 1) FROM imports") == ["2", "3"]
    assert await shop.value("SELECT count(*) FROM decided_ranges") == 1, "the log that they order is there"


async def test_the_order_of_earlier_decisions_is_kept_exactly_as_long_as_the_log_that_it_orders(shop: Shop) -> None:
    """Rooms that had two topics noted in which order they read them; theirs stand in an order of their own for each room."""
    async with shop.running():
        await shop.receive(MUG=5)
        orders = (order(("MUG", 1)) for _ in count())
        await shop.place(
            next(each for each in orders if partition_of(each.order_id.encode(), shop.settings.partitions) == 0)
        )
        await shop.until_quiet(orders=1)
    end = 4
    noted = [
        ("orders", 0, 1, [0, 0, end]),
        ("orders", 0, 2, [1, 0, 1]),
        ("payments", 0, 1, [1, 0, end]),
        ("payments", 0, 2, [1, 0, end, 0, 0, 1]),
        ("payments", 0, 3, [1, end, end + 1]),
        ("payments", 1, 1, [1, 0, end]),
    ]
    await shop.database.executemany("INSERT INTO decided_ranges VALUES ($1, $2, $3, $4)", noted)
    topic = ORDER_EVENTS.in_namespace(shop.settings.namespace)
    async with shop.log() as log:
        assert (await log.ends(ORDER_EVENTS))[0] >= end
    client = AIOKafkaAdminClient(bootstrap_servers=shop.settings.kafka_bootstrap)
    await client.start()
    try:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(end)})
    finally:
        await client.close()
    assert (await maintained(shop)).deleted["decided_ranges"] == 2
    stored = "SELECT room, partition, batch, ranges FROM decided_ranges ORDER BY room, partition, batch"
    kept = [tuple(row) for row in await shop.database.fetch(stored)]
    assert kept == [row for row in noted if row[:3] not in {("orders", 0, 1), ("payments", 0, 1)}]
