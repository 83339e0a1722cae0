"""Importing on the real broker and database: an order of another system becomes ours once, whatever is run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.base.settings import Settings
from producers.errors import PublishError, UnusableFileError
from producers.importing.importer import PlacingOptions, import_orders
from producers.importing.options import ReadOptions
from producers.importing.report import ImportReport
from producers.publisher import Outgoing, Publisher
from schemas.codec.wire import decode
from schemas.messages import AdoptRules, PlaceOrderLine, ReceiveStock, RequestReturn
from tests.harness.tables import give_tables
from tests.harness.topics import give_topics
from tests.unit.importing.files import retail, row
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, Topic

PARTITIONS = 2
INVOICES = ("1", "2", "1", "3", "3")


def written(path: Path, *invoices: str, quantity: int = 2) -> Path:
    path.write_text(retail(*(row(no, f"{n:05}", str(quantity), customer="") for n, no in enumerate(invoices))))
    return path


class Failing(Publisher):
    """A publisher that fails once, after Kafka has taken the records."""

    failures = 1

    async def publish(self, records: Sequence[Outgoing]) -> None:
        await super().publish(records)
        if self.failures:
            self.failures -= 1
            raise PublishError("nowhere", len(records), 0)


class Office:
    """An importer's surroundings, and what has been published from there."""

    def __init__(self, settings: Settings, publisher: Publisher, connection: asyncpg.Connection) -> None:
        self.settings = settings
        self.publisher = publisher
        self.connection = connection

    async def imported(self, path: Path, publisher: Publisher | None = None, **placing: Any) -> ImportReport:
        return await import_orders(
            path, publisher or self.publisher, self.connection, ReadOptions(), PlacingOptions(**placing)
        )

    async def published(self, topic: Topic = INVENTORY_COMMANDS) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            name = topic.in_namespace(self.settings.namespace)
            sources = [TopicPartition(name, partition) for partition in range(PARTITIONS)]
            consumer.assign(sources)
            ends = await consumer.end_offsets(sources)
            messages: list[Any] = []
            while len(messages) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    messages += [decode(record.value) for record in records]
            return [message for message in messages if not isinstance(message, AdoptRules)]
        finally:
            await consumer.stop()


@pytest.fixture
async def office(settings: Settings) -> AsyncIterator[Office]:
    await give_topics(settings, INVENTORY_COMMANDS, ORDER_COMMANDS, partitions=PARTITIONS)
    await give_tables(settings.postgres_dsn or "")
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
            yield Office(settings, publisher, connection)
    finally:
        await connection.close()


async def test_a_rerun_places_nothing_twice_even_from_a_renamed_file(office: Office, tmp_path: Path) -> None:
    report = await office.imported(written(tmp_path / "a.csv", *INVOICES))
    assert (report.rows, report.found.orders, report.placed.orders, report.placed.lines) == (5, 3, 3, 5)
    first = await office.published()
    assert Counter(command.customer_id for command in first) == {"guest-1": 2, "guest-2": 1, "guest-3": 2}

    report = await office.imported(written(tmp_path / "b.csv", *INVOICES, "5"))
    assert (report.placed.orders, report.already_imported.orders) == (1, 3)
    assert report.is_whole
    assert len(await office.published()) == len(first) + 1


async def test_orders_whose_acknowledgement_was_lost_are_published_again_under_their_ids(
    office: Office, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", *INVOICES)
    settings = office.settings
    async with Failing(settings.kafka_bootstrap or "", namespace=settings.namespace) as failing:
        with pytest.raises(PublishError):
            await office.imported(path, failing)
        assert await office.connection.fetchval("SELECT count(*) FROM imports WHERE published_at IS NULL") == 3

        report = await office.imported(path, failing)
    assert (report.placed.orders, report.already_imported.orders) == (3, 0)
    assert await office.connection.fetchval("SELECT count(*) FROM imports WHERE published_at IS NULL") == 0
    assert set(Counter((line.order_id, line.line, line.sku) for line in await office.published()).values()) == {2}


async def test_a_rejected_order_is_placed_from_the_corrected_file_and_the_others_once(
    office: Office, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(retail(row("1"), row("2", price="2.505"), row("2", "22197")))
    report = await office.imported(path)
    assert (report.placed.orders, report.rejected, report.is_whole) == (1, 1, False)
    path.write_text(retail(row("1"), row("2", price="2.50"), row("2", "22197")))
    report = await office.imported(path)
    assert (report.placed.orders, report.already_imported.orders, report.is_whole) == (1, 1, True)
    assert Counter(command.line_count for command in await office.published()) == {1: 1, 2: 2}


async def test_an_order_that_has_changed_since_is_named_and_left_alone(office: Office, tmp_path: Path) -> None:
    await office.imported(written(tmp_path / "a.csv", "1", "2"))
    report = await office.imported(written(tmp_path / "a.csv", "1", "2", quantity=9))
    assert (report.changed.orders, report.changed_ids, report.placed.orders) == (2, ["1", "2"], 0)
    assert not report.is_whole
    assert len(await office.published()) == 2


async def test_an_order_that_came_to_nothing_is_placed_again_if_it_is_wished_under_a_new_id(
    office: Office, tmp_path: Path
) -> None:
    await office.imported(written(tmp_path / "a.csv", "1", "2"))
    first = {command.customer_id: command.order_id for command in await office.published()}

    async def ended(order_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(order_ids) & {first["guest-1"]}

    changed = written(tmp_path / "a.csv", "1", "2", quantity=3)
    report = await office.imported(changed, ended=ended)
    assert (report.placed.orders, report.placed_again, report.changed_ids) == (1, 1, ["2"])
    report = await office.imported(changed, ended=ended)
    assert (report.placed.orders, report.already_imported.orders) == (0, 1)
    *_, last = await office.published()
    assert (last.customer_id, last.quantity) == ("guest-1", 3)
    assert last.order_id not in first.values()


async def test_the_same_number_in_another_source_is_another_order(office: Office, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "1")
    for source in ("shop-a", "shop-b"):
        report = await office.imported(path, source=source)
        assert (report.source, report.placed.orders) == (source, 1)
    one, other = await office.published()
    assert one.order_id != other.order_id


async def test_what_is_ordered_comes_in_before_it_once_whatever_is_run_again(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(retail(row("1"), row("1", quantity="3"), row("2", "TIN")))
    report = await office.imported(path, receive_stock=True)
    assert report.received == {"22196": 5, "TIN": 2}
    assert (await office.imported(path, receive_stock=True)).received == {}
    by_sku: dict[str, list[type]] = {}
    for message in await office.published():
        by_sku.setdefault(message.sku, []).append(type(message))
    assert by_sku == {"22196": [ReceiveStock, PlaceOrderLine, PlaceOrderLine], "TIN": [ReceiveStock, PlaceOrderLine]}


async def test_a_credit_note_becomes_a_return_of_the_order_whose_lines_it_credits(
    office: Office, tmp_path: Path
) -> None:
    orders, credits_ = tmp_path / "orders.csv", tmp_path / "credits.csv"
    orders.write_text(retail(row("1"), row("1", "TIN", "3"), row("2"), row("3", customer="other")))
    credits_.write_text(
        retail(
            row("R1", quantity="-2"),
            row("R2", quantity="-2"),
            row("R3", quantity="-2"),
            row("R4", "TIN", quantity="-1"),
            row("3", quantity="-2", customer="other"),
        )
    )
    await office.imported(orders)
    listed = await office.imported(credits_)
    assert [credit.result for credit in listed.credits] == ["listed"] * 5
    assert not listed.is_whole, "there is no order in the file"

    report = await office.imported(credits_, return_credits=True)
    results = {credit.number: credit.result for credit in report.credits}
    assert [results[number] for number in ("R1", "R2", "3")] == ["requested"] * 3
    assert "no whole lines, not returned before" in results["R3"]
    assert "no whole lines" in results["R4"], "one of three cannot be returned alone"
    again = await office.imported(credits_, return_credits=True)
    assert [(credit.number, credit.order_id, credit.return_id) for credit in again.credits] == [
        (credit.number, credit.order_id, credit.return_id) for credit in report.credits
    ]
    commands = Counter(await office.published(ORDER_COMMANDS))
    assert set(commands.values()) == {2}, "sent again, each is the same"
    assert all(isinstance(command, RequestReturn) and command.lines == (1,) for command in commands)
    assert len({command.order_id for command in commands}) == 3


async def test_a_file_that_cannot_be_read_as_a_whole_places_nothing(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(retail(row("1"), row("")))
    with pytest.raises(UnusableFileError, match="names no order"):
        await office.imported(path)
    assert await office.published() == []
