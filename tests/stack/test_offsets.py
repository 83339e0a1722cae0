"""Setting a foreign group's positions back: shown first, refused while somebody is in it, noted, and never for a room."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.base.settings import Settings
from infra.ops.letters.reading import LetterBook
from infra.ops.log import Log
from tests.harness.cli import lastunit
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop
from topology.topics import INVENTORY_COMMANDS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:confluent_kafka")


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


def consumer_of(shop: Shop, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        INVENTORY_COMMANDS.in_namespace(shop.settings.namespace),
        bootstrap_servers=shop.settings.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )


async def committed(shop: Shop, consumer: AIOKafkaConsumer) -> list[int | None]:
    topic = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    return [await consumer.committed(TopicPartition(topic, number)) for number in range(PARTITIONS)]


async def test_a_foreign_group_is_set_back_once_nobody_is_in_it_and_reads_the_same_again(shop: Shop) -> None:
    environment = {**os.environ, **shop.settings.environment()}
    group = f"{shop.settings.namespace}reports"
    topic = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    reset = ("offsets", "reset", group, "--to", "earliest")
    await shop.receive(**{f"SKU{number}": 5 for number in range(9)})
    consumer = consumer_of(shop, group)
    await consumer.start()
    read: list[tuple[int, int]] = []
    ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
    while len(read) < sum(ends.values()):
        for records in (await consumer.getmany(timeout_ms=500)).values():
            read += [(record.partition, record.offset) for record in records]
    await consumer.commit()
    stood = await committed(shop, consumer)

    refused = await lastunit(environment, *reset, "--execute", "--why", "a mistake")
    assert (refused.status, "is at work: Stable, with 1" in refused.errors) == (1, True), refused.errors
    assert await committed(shop, consumer) == stood
    await consumer.stop()

    planned = await lastunit(environment, *reset, "--json")
    plan = json.loads(planned.output)
    assert (planned.status, plan["executed"], plan["redone"], plan["skipped"]) == (0, False, len(read), 0)
    assert 0 < plan["first_at_ms"] == min(move["first_at_ms"] for move in plan["moves"])
    assert [(move["partition"], move["position"]) for move in plan["moves"]] == [
        (number, at) for number, at in enumerate(stood) if at
    ]
    unexplained = await lastunit(environment, *reset, "--execute")
    assert (unexplained.status, "--why" in unexplained.errors) == (2, True)
    done = await lastunit(environment, *reset, "--execute", "--why", "the report was wrong", "--by", "ann")
    assert done.status == 0, done.errors
    assert f"reads {len(read)} records again, the first of 2" in done.output

    again = consumer_of(shop, group)
    await again.start()
    reread: list[tuple[int, int]] = []
    while len(reread) < len(read):
        for records in (await again.getmany(timeout_ms=500)).values():
            reread += [(record.partition, record.offset) for record in records]
    await again.stop()
    assert sorted(reread) == sorted(read)
    book = LetterBook()
    async with Log(shop.settings.kafka_bootstrap or "", shop.settings.namespace) as log:
        await book.refresh(log)
    [note] = book.actions_about(f"group/{group}")
    assert (note.action, note.by, note.why) == ("reset_offsets", "ann", "the report was wrong")
    assert f"{topic}/" in note.detail

    room = await lastunit(environment, "offsets", "reset", f"{shop.settings.namespace}inventory", "--to", "earliest")
    assert (room.status, "position is in PostgreSQL" in room.errors) == (1, True)
