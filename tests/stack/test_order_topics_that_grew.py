"""Somebody gives order.* topics more partitions by hand: orders stay keyed by the recorded number, and all tools work on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from infra.base.connections import database
from infra.base.partitions import fixed_partitions
from infra.base.settings import Settings
from infra.ops.overdue.report import all_that_waits
from infra.ops.retention.run import maintain
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from tests.harness.cli import lastunit
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from topology import admin
from topology.topics import CO_PARTITIONED, ORDER_COMMANDS, ORDER_EVENTS, Topic


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@asynccontextmanager
async def started_anew(shop: Shop) -> AsyncIterator[None]:
    """Give the rooms a publisher as their processes make it: it asks Kafka anew, and keys by what is recorded."""
    bootstrap, namespace = shop.settings.kafka_bootstrap or "", shop.settings.namespace
    async with database(shop.settings) as connection:
        in_use = await fixed_partitions(connection, await admin.partitions_of(bootstrap, namespace), namespace)
    async with Publisher(bootstrap, namespace=namespace, in_use=in_use) as publisher:
        before, shop.publisher = shop.publisher, publisher
        try:
            yield
        finally:
            shop.publisher = before


async def grow(shop: Shop, *topics: Topic) -> None:
    for topic in topics:
        await admin.add_partitions(
            shop.settings.kafka_bootstrap or "",
            topic.in_namespace(shop.settings.namespace),
            PARTITIONS + 1,
            expected_cluster_id=shop.settings.cluster_id or "",
        )


@pytest.mark.parametrize(
    "grown", [pytest.param((ORDER_EVENTS,), marks=pytest.mark.release), CO_PARTITIONED], ids=["events", "all"]
)
async def test_orders_go_on_whichever_order_topics_grew_by_hand(
    shop: Shop, environment: dict[str, str], grown: tuple[Topic, ...]
) -> None:
    """One partition more on order.events alone stopped every order, and verify and maintenance with it."""
    async with started_anew(shop):
        await shop.receive(MUG=50, TIN=50)
        await shop.place(*(order(("MUG", 1), ("TIN", 1)) for _ in range(3)))
        async with shop.running():
            await shop.until_quiet(orders=3)
    await grow(shop, *grown)
    with capture_logs() as logs:
        async with started_anew(shop), shop.running():
            await shop.place(*(order(("MUG", 1), ("TIN", 1)) for _ in range(10)))
            await shop.until_quiet(orders=13)
    named = {log["topic"].removeprefix(shop.settings.namespace) for log in logs if log["event"] == "surplus_partitions"}
    assert named == {topic.name for topic in grown} & {"order.commands", "order.events"}
    await shop.assert_sound()
    assert await maintain(shop.settings) is not None
    assert await all_that_waits(shop.settings, before_ms=0) == []
    answer = await lastunit(environment | {"LASTUNIT_PARTITIONS": str(PARTITIONS)}, "topology", "check")
    assert answer.status == 0, answer.output
    for topic in grown:
        assert f"{topic.in_namespace(shop.settings.namespace)} has 4 partitions, of which 3 are in use" in answer.output


async def test_records_in_partitions_that_nobody_reads_are_named_by_verify(shop: Shop) -> None:
    async with started_anew(shop):
        await shop.receive(MUG=5)
        async with shop.running("inventory"):
            await shop.until_quiet("inventory")
    await grow(shop, ORDER_COMMANDS)
    stray = Outgoing(ORDER_COMMANDS.name, PARTITIONS, b"k", encode(m.CancelOrder(new_order_id(), "late", "someone")))
    assert stray.partition != BY_KEY
    async with Publisher(shop.settings.kafka_bootstrap or "", namespace=shop.settings.namespace) as stranger:
        await stranger.publish([stray])
    report = await shop.audit()
    examples = [example for finding in report.findings for example in finding.examples]
    assert any("order.commands has 1 records in partitions that no room reads" in each for each in examples)
    [waits] = [stuck for stuck in await all_that_waits(shop.settings, before_ms=2**60) if stuck.state == "unused"]
    assert waits.waits_for == "somebody to publish 1 records of order.commands again"
