"""The partition owner on the real broker and database: what it refuses, what it survives, when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from structlog.testing import capture_logs
from typing_extensions import override

from consumers.errors import LogGapError, OwnerStoppedError, StuckError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from producers.publisher import BY_KEY, FORWARDED, Outgoing, Publisher
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


# --- poison -----------------------------------------------------------------------------------------------------------


class Poison(NamedTuple):
    """A record that must not be decided, and the reason with which it must end in dead.letters."""

    reason: str
    key: bytes | None
    value: bytes | None
    partition: int = BY_KEY
    headers: tuple[tuple[str, bytes | None], ...] = ()


def poison() -> list[Poison]:
    line = place_order_lines(order(("MUG", 1)))[0]
    home = partition_of(b"MUG", 3)
    crooked = m.PlaceOrderLine("no-uuid", 1, 1, "MUG", 1, 1, 5, "GBP", "c", "tok_ok", 900)
    long_sku = "M" * 201
    wordy = m.ReceiveStock("r-1", long_sku, 1)
    return [
        Poison("not_wire_format", b"MUG", b"not Avro at all"),
        Poison("empty_value", b"MUG", None),
        Poison("empty_value", None, b""),
        Poison("unknown_schema_id", b"\xff\xfe\x00", bytes(range(256)) * 3_500),
        Poison("unknown_schema_id", b"MUG", b"\x00\x7f\xff\xff\xff" + encode(line)[5:]),
        Poison("truncated_body", b"MUG", encode(line)[:-3]),
        Poison("key_mismatch", b"TIN", encode(line)),
        Poison("wrong_partition", b"MUG", encode(line), (home + 1) % 3, ((FORWARDED, b"once already"),)),
        Poison("invalid_order_id", b"MUG", encode(crooked)),
        Poison("invalid_text", long_sku.encode(), encode(wordy)),
        Poison("invalid_quantity", b"MUG", encode(m.ReceiveStock("r-2", "MUG", 0))),
    ]


async def publish_raw(shop: Shop, poisons: Sequence[Poison]) -> None:
    """Publish with a foreign header that has no value, as only a plain producer can."""
    producer = AIOKafkaProducer(bootstrap_servers=shop.settings.kafka_bootstrap, acks="all")
    await producer.start()
    try:
        for bad in poisons:
            chosen = partition_of(bad.key or b"", 3) if bad.partition == BY_KEY else bad.partition
            headers = [("trace", b"\x01\x02"), ("empty", None), *bad.headers]
            topic = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
            await producer.send_and_wait(topic, bad.value, bad.key, partition=chosen, headers=headers)
    finally:
        await producer.stop()


async def test_poison_ends_whole_in_dead_letters_and_nothing_else_is_skipped(shop: Shop) -> None:
    poisons = poison()
    before, after = order(("MUG", 1), ("TIN", 1)), order(("MUG", 2), ("TIN", 2))
    await shop.receive(MUG=5, TIN=5)
    await shop.place(before)
    await publish_raw(shop, poisons)
    await shop.place(after)
    async with shop.running():
        await shop.until_quiet(orders=2)
    letters = [cast("m.DeadLetter", decode(record.value)) for record in await shop.records(DEAD_LETTERS)]
    assert sorted((letter.reason, letter.key or b"", letter.value or b"") for letter in letters) == sorted(
        (bad.reason, bad.key or b"", bad.value or b"") for bad in poisons
    )
    assert {letter.room for letter in letters} == {"inventory"}
    assert all(letter.headers["trace"] == b"\x01\x02" for letter in letters)
    assert [(await shop.state(each))[0] for each in (before, after)] == ["paid", "paid"]
    assert await shop.levels() == {"MUG": Level(5, 0, 3), "TIN": Level(5, 0, 3)}
    placed = [decode(bad.value or b"") for bad in poisons if bad.reason in {"key_mismatch", "invalid_order_id"}]
    await shop.assert_sound(lost={cast("m.PlaceOrderLine", line).order_id for line in placed})


async def test_an_expiry_command_with_senseless_figures_harms_nobody(shop: Shop) -> None:
    kept = order(("MUG", 1), ("TIN", 1))
    await shop.receive(MUG=1)
    await shop.say(place_order_lines(kept)[0])
    senseless = [m.ExpireHolds(2**62, -1), m.ExpireHolds(-(2**62), 2**31 - 1), m.ExpireHolds(0, 0)]
    home = partition_of(b"MUG", 3)
    await shop.publisher.publish(
        [Outgoing(INVENTORY_COMMANDS.name, home, None, encode(command)) for command in senseless]
    )
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert (await shop.levels())["MUG"] == Level(1, 1, 0)


async def test_an_expiry_asked_for_too_early_does_not_forget_the_holds_that_end_later(shop: Shop) -> None:
    partial = order(("MUG", 1), ("TIN", 1), hold_seconds=2)
    await shop.receive(MUG=1)
    await shop.say(place_order_lines(partial)[0])
    home = partition_of(b"MUG", 3)
    far_ahead = encode(m.ExpireHolds(2**42, 100))  # as from an owner whose clock is ahead of the broker's
    await shop.publisher.publish([Outgoing(INVENTORY_COMMANDS.name, home, None, far_ahead)])
    async with shop.running("inventory", "orders"):
        await shop.until(lambda: shop.value("SELECT count(*) FROM holds WHERE state = 3"), 15)


# --- duplicates ---------------------------------------------------------------------------------------------------------


async def test_a_duplicate_of_a_forgotten_hold_is_found_by_its_key_and_its_batch_decided_anew(shop: Shop) -> None:
    orders = [order(("MUG", 1), ("TIN", 1)) for _ in range(30)]
    lines = [line for each in orders for line in place_order_lines(each)]
    await shop.receive(MUG=1_000, TIN=1_000)
    await shop.say(*lines)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    with capture_logs() as logs:
        async with shop.running("inventory"):
            await shop.say(*lines, *place_order_lines(order(("MUG", 5), ("TIN", 5))))
            await shop.until_quiet("inventory")
    assert [log for log in logs if log["event"] == "decided_anew"]
    assert await shop.levels() == {"MUG": Level(1_000, 35, 0), "TIN": Level(1_000, 35, 0)}
    await shop.assert_sound()


# --- giving up ----------------------------------------------------------------------------------------------------------


class Sleeper(InventoryRoom):
    """An inventory whose state never comes."""

    @override
    async def load(
        self, connection: asyncpg.Connection, loads: Sequence[tuple[Ledger, Sequence[m.Message]]], *, thorough: bool
    ) -> None:
        if any(messages for _, messages in loads):
            await asyncio.Event().wait()


async def test_an_owner_that_has_work_and_does_not_get_on_with_it_stops_itself(shop: Shop) -> None:
    await shop.receive(MUG=5)
    owner = PartitionOwner(Sleeper(), shop.options(watchdog_seconds=1.0), shop.publisher)
    with pytest.raises(StuckError):
        await asyncio.wait_for(owner.run(), 30)


async def test_an_owner_without_work_goes_on_for_ever(shop: Shop) -> None:
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")  # each log begins with the rules' version
    owner = PartitionOwner(Sleeper(), shop.options(watchdog_seconds=0.3), shop.publisher)
    async with shop.owning(owner) as running:
        await shop.until(lambda: shop.value("SELECT count(*) = 3 FROM claims"))
        await asyncio.wait({running}, timeout=1.5)
        assert not running.done()


async def test_a_position_that_the_log_does_not_reach_stops_the_owner_before_it_decides(shop: Shop) -> None:
    await shop.receive(MUG=5)
    home = partition_of(b"MUG", 3)
    await shop.value("INSERT INTO claims VALUES ('inventory', $1, 7, '{40}', 0, 3)", home)
    owner = PartitionOwner(InventoryRoom(), shop.options(), shop.publisher)
    with pytest.raises(LogGapError, match="stands at offset 40"):
        await asyncio.wait_for(owner.run(), 30)
    assert await shop.levels() == {}


class PublisherThatSendsNothing(Publisher):
    """Kafka as it is for one whose every send is refused for good."""

    @override
    async def publish(self, records: Sequence[Outgoing]) -> None:
        raise OSError("nobody there")


async def test_an_owner_that_cannot_publish_stops_and_its_words_stay_for_the_next_one(shop: Shop) -> None:
    request = order(("MUG", 1))
    await shop.receive(MUG=5)
    await shop.place(request)
    async with PublisherThatSendsNothing(
        shop.settings.kafka_bootstrap or "", namespace=shop.settings.namespace
    ) as silent_publisher:
        with pytest.raises(OwnerStoppedError):
            await asyncio.wait_for(PartitionOwner(InventoryRoom(), shop.options(), silent_publisher).run(), 30)
    assert await shop.value("SELECT count(*) FROM outbox") > 0
    assert await shop.timeline(request) == []
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert await shop.timeline(request) == ["LineReserved"]
    await shop.assert_sound()


async def test_blobs_that_a_crash_of_postgresql_brought_back_are_deleted_with_the_next_one(shop: Shop) -> None:
    home = partition_of(b"MUG", 3)
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        await shop.value("INSERT INTO outbox VALUES ('inventory', $1, 1, $2)", home, msgspec.msgpack.encode([]))
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet("inventory")
    await shop.assert_sound()
