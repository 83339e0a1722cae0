"""A client that partitions by CRC32, or sends no keys: each of its orders is decided once, and it is named with the setting to change."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest_asyncio
from structlog.testing import capture_logs

from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from producers.publisher import FORWARDED, Outgoing
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.cli import lastunit
from tests.harness.outside import asked
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, ORDER_EVENTS

PARTITIONS = 3
SKUS = [
    f"SKU-{n}"
    for n in range(40)
    if zlib.crc32(f"SKU-{n}".encode()) % PARTITIONS != partition_of(f"SKU-{n}".encode(), PARTITIONS)
]


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=PARTITIONS), tmp_path) as opened:
        yield opened


def by_crc32(message: m.Message) -> Outgoing:
    """Return a command as librdkafka's default would place it."""
    record = asked(message)
    return msgspec.structs.replace(record, partition=zlib.crc32(record.key or b"") % PARTITIONS)


def without_key(message: m.Message, partition: int) -> Outgoing:
    return msgspec.structs.replace(asked(message), key=None, partition=partition)


async def test_with_every_record_misrouted_each_order_is_decided_once_and_the_client_is_named(shop: Shop) -> None:
    orders = [order((sku, 1)) for sku in SKUS[:6] for _ in range(2)]
    lines = [line for each in orders for line in place_order_lines(each)]
    await shop.supervisor.start("views")
    with capture_logs() as logged:
        async with shop.running():
            await shop.publisher.publish([by_crc32(m.ReceiveStock(f"r-{sku}", sku, 1)) for sku in SKUS[:6]])
            await shop.until_quiet()
            await shop.publisher.publish(list(map(by_crc32, lines[::2])))
            await shop.until_quiet(orders=6)
            await shop.publisher.publish([without_key(line, n % PARTITIONS) for n, line in enumerate(lines[1::2])])
            await shop.until_quiet(orders=12)
            await shop.publisher.publish([by_crc32(m.CancelOrder(orders[0].order_id, "customer", "late"))])
            await shop.until_quiet(orders=12)
        assert [(await shop.state(request))[0] for request in orders] == [
            "cancelled",
            "rejected",
            *["paid", "rejected"] * 5,
        ]
        assert Counter((await shop.levels()).values()) == {Level(1, 0, 0): 1, Level(1, 0, 1): 5}
        assert await shop.records(DEAD_LETTERS) == []
        forwarded = [
            record
            for record in await shop.records(INVENTORY_COMMANDS)
            if any(n == FORWARDED for n, _ in record.headers)
        ]
        assert len(forwarded) == 6 + len(lines)
        await shop.assert_sound()
    named = [
        entry for entry in logged if entry["event"] == "records_misrouted" and entry["topic"] == INVENTORY_COMMANDS.name
    ]
    assert "partitioner=murmur2_random" in named[0]["put_by"]
    assert len(named) <= PARTITIONS, "once a minute for each owner, not for each record"
    shown = await shown_of(shop, orders[0].order_id)
    assert "its key belongs in partition" in shown
    assert "CRC32, librdkafka's default" in shown


async def test_a_dead_letter_explains_itself_to_whoever_looks_at_its_order(shop: Shop) -> None:
    [line] = place_order_lines(lost := order(("MUG", 1)))
    await shop.supervisor.start("views")
    async with shop.running("inventory"):
        await shop.publisher.publish([msgspec.structs.replace(asked(line), key=b"TEE")])
        await shop.until_quiet("inventory")
    [event] = [decode(record.value) for record in await shop.records(ORDER_EVENTS) if record.key]
    assert isinstance(event, m.RecordDeadLettered)
    shown = await shown_of(shop, lost.order_id)
    assert "PlaceOrderLine on inventory.commands could not be processed by inventory" in shown
    assert "key_mismatch" in shown


async def shown_of(shop: Shop, order_id: str) -> str:
    """Return `order show` of an order, as one line, once the views know it."""
    environment = {**os.environ, **shop.supervisor.settings.environment()}

    async def shown() -> str | None:
        answer = await lastunit(environment, "order", "show", order_id)
        return " ".join(answer.output.split()) if answer.status == 0 else None

    return await shop.until(shown)
