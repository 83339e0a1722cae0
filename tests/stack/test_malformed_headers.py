"""A header name that is not UTF-8 passes every broker; it costs its own record, and nothing else, in whatever reads it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from consumers.errors import CorruptLogError
from consumers.runtime import log_reader
from consumers.runtime.deciding.record import MALFORMED_ATTRIBUTES, MALFORMED_HEADERS
from consumers.runtime.kafka import fetch_pacing
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.owner import PartitionOwner
from consumers.views.room import OrderViews, ViewsOptions
from infra.base.settings import Settings
from infra.local.demo.log import read_log
from infra.local.stack import Stack
from infra.ops.errors import UnreadableError
from schemas import messages as m
from schemas.codec.wire import encode, message_type
from tests.harness.foreign_producers import MUG, append, letters, receipt, transactions
from tests.harness.raw import RawRecord, attributes_at, batch_of, produce, sealed
from tests.harness.shop import PARTITIONS, ROOMS_AT_WORK, Level, Shop, in_miniature, open_shop, order
from tests.harness.waiting import until
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS, log_read_by

NAME = b"\xff\xfe name"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


def poison(number: int, sku: str = "MUG") -> RawRecord:
    """A receipt of 100 that would be right but for its header."""
    value = encode(m.ReceiveStock(f"poison-{number}", sku, 100))
    return sku.encode(), value, [(b"fine", b"1"), (NAME, b"2"), (b"null", None)]


@pytest.mark.parametrize("at_once", [1, 4, READ_AHEAD_RECORDS])
async def test_it_ends_whole_in_dead_letters_and_all_around_it_is_decided(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Good ones before it, in one batch with it, after it, and in other partitions; however many are read at once."""
    await append(shop, [receipt(1)])
    await append(shop, [receipt(2), poison(3), receipt(4), poison(5), poison(6), receipt(7)])
    await append(shop, [receipt(8)])
    await append(shop, [poison(9)])
    await shop.receive(TEE=3, CAP=2, POT=1)
    monkeypatch.setattr(log_reader, "READ_AHEAD_RECORDS", at_once)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        await append(shop, [receipt(10), poison(11)])
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet("inventory")
    dead_letters = await letters(shop)
    assert [(letter.offset, letter.reason, letter.key, letter.value) for letter in dead_letters] == [
        (offset, MALFORMED_HEADERS, *poison(number)[:2])
        for offset, number in [(3, 3), (5, 5), (6, 6), (9, 9), (11, 11)]
    ]
    for letter in dead_letters:
        assert letter.headers == {"fine": b"1", r"\xff\xfe name": b"2", "null": b""}
        assert repr(NAME) in letter.detail
    levels = await shop.levels()
    assert levels["MUG"] == Level(6, 1, 0)
    assert [levels[sku].on_hand for sku in ("TEE", "CAP", "POT")] == [3, 2, 1]
    report = await shop.audit()
    assert report.breaches <= {"every_order_is_final_or_waits"}


async def test_attributes_that_mislead_aiokafka_cost_their_record_alone(shop: Shop) -> None:
    batch = batch_of([receipt(1), receipt(2), receipt(3)])
    batch[attributes_at(batch, record=1)] = 0x80
    where = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    assert await produce(shop.settings.kafka_bootstrap or "", where, MUG, sealed(batch)) == 0
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    [letter] = await letters(shop)
    assert (letter.offset, letter.reason, letter.value) == (2, MALFORMED_ATTRIBUTES, receipt(2)[1])
    assert await shop.levels() == {"MUG": Level(2, 0, 0)}
    await shop.assert_sound()


async def test_every_room_and_the_views_pass_it_and_the_audit_distinguishes_it_from_a_fault(shop: Shop) -> None:
    await append(shop, [receipt(1), poison(2), receipt(3)])
    await append(shop, [poison(4)], ORDER_COMMANDS)
    views = OrderViews(views_of(shop))
    reading_views = asyncio.create_task(views.run())
    async with shop.running():
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet(orders=1)
        await append(shop, [poison(5)], ORDER_EVENTS)
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet(orders=2)
        report = await shop.audit()
    values = [record.value for record in await shop.records(ORDER_EVENTS)]
    events = sum(message_type(value) in ORDER_EVENTS.carries for value in values if value is not None)
    await until(lambda: (views.written, views.skipped) == (events, 1), reading_views)
    views.stop()
    await reading_views
    assert {(letter.room, letter.topic, letter.reason) for letter in await letters(shop)} == {
        (name, log_read_by(name).name, MALFORMED_HEADERS) for name in ROOMS_AT_WORK
    }
    assert len((await read_log(shop.settings, None)).times) == 2, "the demo's own reading"
    [finding] = [finding for finding in report.findings if not finding.holds]
    assert "has no id of ours" in str(finding.examples), "only rooms may say anything on order.events"
    assert len(finding.examples) == 1


@pytest.mark.release
async def test_one_of_the_largest_fits_in_whole(shop: Shop) -> None:
    bad: list[RawRecord] = [
        (b"MUG", None, [(b"\xff" * 1_048_000, None)]),
        (b"MUG", None, [(b"\xff", None)] * 260_000),
        (b"MUG", b"\x00" * 1_000_000, [(b"\xff", None)]),
    ]
    for record in bad:
        await append(shop, [record])
    await append(shop, [receipt(1)])
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    by_offset = {letter.offset: letter for letter in await letters(shop)}  # of which one may stand there twice
    for letter, (_, value, headers) in zip(by_offset.values(), bad, strict=True):
        assert (letter.reason, letter.value, len(letter.headers)) == (MALFORMED_HEADERS, value, len(headers))
    assert await shop.levels() == {"MUG": Level(1, 0, 0)}
    await shop.assert_sound()


async def test_records_of_an_aborted_transaction_stay_unread_beside_it(shop: Shop) -> None:
    await append(shop, [receipt(1), poison(2)])
    async with transactions(shop) as stranger:
        for number, ends in ((10, stranger.abort), (20, stranger.commit)):
            await stranger.begin()
            await stranger.say(receipt(number))
            await append(shop, [receipt(number + 1), poison(number + 2)])
            await ends()
    await append(shop, [poison(30), receipt(31)])
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert (await shop.levels())["MUG"] == Level(5, 0, 0)
    assert len(await letters(shop)) == 4
    await shop.assert_sound()


async def test_a_batch_that_is_not_what_was_appended_stops_its_owner_and_is_not_skipped(
    shop: Shop, stack: Stack
) -> None:
    await append(shop, [receipt(1)])
    await append(shop, [receipt(2), poison(3)])
    await append(shop, [receipt(4)])
    log_of = f"{INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)}-{MUG}/00000000000000000000.log"
    [segment] = stack.settings.state_dir.rglob(log_of)
    kept = segment.read_bytes()
    at = kept.index(b"receipt-2")
    _overwrite(segment, at, b"receipt-9")
    with pytest.raises(CorruptLogError, match=r"from offset 2 on.*nothing was skipped"):
        await PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher).run()
    with pytest.raises(UnreadableError, match="from offset 2 on"):
        await shop.records(INVENTORY_COMMANDS)
    _overwrite(segment, at, b"receipt-2")
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert await shop.levels() == {"MUG": Level(3, 0, 0)}
    await shop.assert_sound()


@pytest.mark.release
async def test_without_our_own_reading_an_owner_dies_of_it_again_and_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plainly(consumer: Any, _positions: Any, **options: int) -> Any:
        return await consumer.getmany(**options)

    monkeypatch.setattr(log_reader, "read_records", plainly)
    await append(shop, [receipt(1), poison(2), receipt(3)])
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            await PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher).run()
    assert await shop.value("SELECT next_offsets FROM claims WHERE partition = $1", MUG) == [0]


@pytest.mark.release
async def test_the_audit_catches_an_owner_that_does_not_go_back_before_it_reads_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def carelessly(consumer: Any, _positions: Any, **options: int) -> Any:
        async def where_aiokafka_stands() -> dict[TopicPartition, int]:
            return {tp: await consumer.position(tp) for tp in consumer.assignment()}

        options["timeout_ms"] = 20  # ours asks for what is there, and waits elsewhere
        try:
            return await consumer.getmany(**options)
        except UnicodeDecodeError:
            for tp in consumer.assignment():  # those that were parsed before it, in whatever order
                with contextlib.suppress(UnicodeDecodeError):
                    await consumer.getmany(tp)
            return await read_records(consumer, where_aiokafka_stands, **options)

    monkeypatch.setattr(log_reader, "read_records", carelessly)
    # Gathered records leave this owner stuck, which its watchdog sees; in small fetches it goes on, with records lost.
    monkeypatch.setattr(fetch_pacing, "IDLE_SHARE", 100.0)
    monkeypatch.setattr(fetch_pacing, "AT_REST", fetch_pacing.Wait(10, 1))
    others = [sku for sku in map("SKU-{}".format, range(20)) if partition_of(sku.encode(), PARTITIONS) != MUG]
    async with shop.running("inventory"):
        for number in range(5):
            await append(shop, [receipt(number), poison(number)])
            await shop.say(*[m.ReceiveStock(f"{number}/{sku}", sku, 1) for sku in others])
            await shop.until(functools.partial(shop.has_decided, "inventory", 2 * number + 2))
        await shop.say(*[m.ReceiveStock(f"last/{sku}", sku, 1) for sku in others])
        await shop.until_quiet("inventory")
    assert "replay_gives_the_same_decisions" in (await shop.audit()).breaches


def _overwrite(segment: Path, at: int, what: bytes) -> None:
    with segment.open("r+b") as file:
        file.seek(at)
        file.write(what)


def views_of(shop: Shop) -> ViewsOptions:
    return ViewsOptions(
        kafka_bootstrap=shop.settings.kafka_bootstrap or "",
        redis_url=shop.settings.redis_url or "",
        namespace=shop.settings.namespace,
    )
