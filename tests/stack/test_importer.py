"""Importing on the real broker and database: an order of another system becomes ours once, whatever is run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.migrate import migrate
from infra.settings import Settings
from producers.clients.orders import OrderClient, OrderRequest
from producers.errors import PublishError
from producers.importing.importer import import_orders
from producers.importing.online_retail import HEADER
from producers.publisher import Publisher
from schemas.codec.wire import decode
from schemas.messages import PlaceOrderLine
from topology import admin
from topology.topics import INVENTORY_COMMANDS

PARTITIONS = 2
INVOICES = ("1", "2", "1", "3", "C4", "3")


def written(path: Path, *invoices: str, quantity: int = 2) -> Path:
    rows = (f"{no},{n:05},SPOONS,{quantity},12/1/2010 10:03,0.85,,UK" for n, no in enumerate(invoices))
    path.write_text("\n".join([",".join(HEADER), *rows]))
    return path


class Failing(OrderClient):
    """A client whose publisher fails once, after Kafka may have taken the orders."""

    def __init__(self, publisher: Publisher) -> None:
        super().__init__(publisher)
        self.failures = 1

    async def place(self, requests: list[OrderRequest]) -> None:  # type: ignore[override]
        await super().place(requests)
        if self.failures:
            self.failures -= 1
            raise PublishError("nowhere", len(requests), 0)


class Office:
    """An importer's surroundings, and what has been published from there."""

    def __init__(self, settings: Settings, publisher: Publisher, connection: asyncpg.Connection) -> None:
        self.settings = settings
        self.client = OrderClient(publisher)
        self.failing = Failing(publisher)
        self.connection = connection

    async def published(self) -> list[PlaceOrderLine]:
        topic = INVENTORY_COMMANDS.in_namespace(self.settings.namespace)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            sources = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(sources)
            ends = await consumer.end_offsets(sources)
            commands: list[PlaceOrderLine] = []
            while len(commands) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        message = decode(record.value)
                        assert isinstance(message, PlaceOrderLine)
                        commands.append(message)
            return commands
        finally:
            await consumer.stop()


@pytest.fixture
async def office(settings: Settings) -> AsyncIterator[Office]:
    await admin.apply(
        settings.kafka_bootstrap or "",
        namespace=settings.namespace,
        partitions=PARTITIONS,
        expected_cluster_id=settings.cluster_id,
    )
    await migrate(settings.postgres_dsn or "")
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
            yield Office(settings, publisher, connection)
    finally:
        await connection.close()


async def test_a_rerun_places_nothing_twice_even_from_a_renamed_file(office: Office, tmp_path: Path) -> None:
    report = await import_orders(written(tmp_path / "a.csv", *INVOICES), office.client, office.connection)
    assert (report.rows, report.found.orders, report.placed.orders, report.placed.lines) == (6, 3, 3, 5)
    assert report.skipped_rows == {"cancellation": 1}
    first = await office.published()
    assert Counter(command.customer_id for command in first) == {"guest-1": 2, "guest-2": 1, "guest-3": 2}

    report = await import_orders(written(tmp_path / "b.csv", *INVOICES, "5"), office.client, office.connection)
    assert (report.placed.orders, report.already_imported.orders) == (1, 3)
    assert len(await office.published()) == len(first) + 1


async def test_orders_whose_acknowledgement_was_lost_are_published_again_under_their_ids(
    office: Office, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", *INVOICES)
    with pytest.raises(PublishError):
        await import_orders(path, office.failing, office.connection)
    assert await office.connection.fetchval("SELECT count(*) FROM imports WHERE published_at IS NULL") == 3

    report = await import_orders(path, office.failing, office.connection)
    assert (report.placed.orders, report.already_imported.orders) == (3, 0)
    assert await office.connection.fetchval("SELECT count(*) FROM imports WHERE published_at IS NULL") == 0
    assert set(Counter((it.order_id, it.line, it.sku) for it in await office.published()).values()) == {2}


async def test_an_order_that_has_changed_since_is_reported_and_left_alone(office: Office, tmp_path: Path) -> None:
    await import_orders(written(tmp_path / "a.csv", "1", "2"), office.client, office.connection)
    report = await import_orders(written(tmp_path / "a.csv", "1", "2", quantity=9), office.client, office.connection)
    assert (report.changed.orders, report.changed_ids, report.placed.orders) == (2, ["1", "2"], 0)
    assert len(await office.published()) == 2


async def test_the_same_number_in_another_source_is_another_order(office: Office, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "1")
    for source in ("shop-a", "shop-b"):
        report = await import_orders(path, office.client, office.connection, source=source)
        assert (report.source, report.placed.orders) == (source, 1)
    one, other = await office.published()
    assert one.order_id != other.order_id
