"""Whatever a stranger can put on inventory.commands ends whole in dead.letters, and the partition moves on."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from schemas import messages as m
from schemas.codec.wire import decode, encode
from schemas.limits import MAX_TEXT, MAX_TEXT_BYTES
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from tests.harness.shop_evidence import orders_lost
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS

SEED = 90_210
Headers = list[tuple[str, bytes | None]]


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


class Bad(NamedTuple):
    """A record that must not be decided, and the reason with which it must end in dead.letters."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: Headers = []  # noqa: RUF012  never changed


def at_the_limit(make: Callable[[bytes], Bad]) -> Bad:
    """Return the largest record of this shape that inventory.commands takes; the filler is random, so it stays large."""
    limit = INVENTORY_COMMANDS.max_message_bytes
    draw = random.Random(SEED)
    guess = limit - 1_000
    size = guess + limit - _batch_bytes(make(bytes(guess)))
    record = make(draw.randbytes(size))
    assert _batch_bytes(record) == limit
    return record


def _batch_bytes(bad: Bad) -> int:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 22)
    builder.append(0, timestamp=1_700_000_000_000, key=bad.key, value=bad.value, headers=bad.headers)
    return len(builder.build())


def largest() -> list[Bad]:
    return [
        at_the_limit(lambda filler: Bad("not_wire_format", b"MUG", b"\x01" + filler)),
        at_the_limit(lambda filler: Bad("key_mismatch", filler, encode(m.ReceiveStock("r", "MUG", 1)))),
        at_the_limit(lambda filler: Bad("empty_value", filler, None)),
        at_the_limit(lambda filler: Bad("empty_value", None, None, [("large", filler)])),
        at_the_limit(lambda filler: Bad("not_wire_format", b"MUG", b"{}", [(filler.hex()[: len(filler)], None)])),
        Bad("empty_value", b"MUG", None, [("", None)] * 520_000),
        at_the_limit(lambda filler: Bad("trailing_bytes", b"MUG", encode(m.ReceiveStock("r", "MUG", 1)) + filler)),
    ]


def malformed() -> list[Bad]:
    line = place_order_lines(order(("MUG", 1)))[0]
    whole = encode(line)
    receipt = encode(m.ReceiveStock("receipt", "MUG", 1))
    at_most, beyond = "é" * (MAX_TEXT_BYTES // 2), "é" * (MAX_TEXT_BYTES // 2) + "x"
    return [
        Bad("empty_value", b"MUG", None),
        Bad("empty_value", None, b""),
        Bad("key_mismatch", b"TEE", whole),
        Bad("unknown_schema_id", b"MUG", b"\x00\xff\xff\xff\xff" + whole[5:]),
        Bad("truncated_body", b"MUG", whole[:40]),
        Bad("trailing_bytes", b"MUG", whole + b"\x00"),
        Bad("invalid_field", b"MUG", receipt.replace(b"receipt", b"rec\xff\xfept")),
        Bad("invalid_text", b"MUG", _receipt("i" * (MAX_TEXT + 1))),
        Bad("invalid_text", b"MUG", _receipt(at_most)),
        Bad("invalid_field", b"MUG", _receipt(beyond)),
        Bad("invalid_quantity", b"MUG", _receipt("r-1", -1)),
        Bad("invalid_quantity", b"MUG", _receipt("r-2", 1_000_001)),
        Bad("invalid_field", b"MUG", _receipt("r-3", 10**18)),
        Bad("not_wire_format", b"MUG", b"headers", [("twice", b"1"), ("twice", b"2"), ("null", None)]),
    ]


def _receipt(command_id: str, quantity: int = 1) -> bytes:
    """Return a receipt as a careless producer writes it, beyond any limit."""

    def number(value: int) -> bytes:
        rest, out = (value << 1) ^ (value >> 63), bytearray()
        while rest >> 7:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        return bytes([*out, rest])

    texts = [text.encode() for text in (command_id, "MUG")]
    body = b"".join(number(len(text)) + text for text in texts) + number(quantity)
    return encode(m.ReceiveStock("r", "MUG", 1))[:5] + body


async def publish(shop: Shop, records: Sequence[Bad], *, compression: str | None = None) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=shop.settings.kafka_bootstrap,
        max_request_size=1 << 28,
        max_batch_size=1 << 21,
        compression_type=compression,
    )
    await producer.start()
    topic = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    try:
        for record in records:
            batch = producer.create_batch()
            batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
            await (await producer.send_batch(batch, topic, partition=partition_of(b"MUG", 3)))
    finally:
        await producer.stop()


async def letters(shop: Shop) -> list[m.DeadLetter]:
    return [cast("m.DeadLetter", decode(record.value)) for record in await shop.records(DEAD_LETTERS)]


@pytest.mark.parametrize("make", [pytest.param(largest, marks=pytest.mark.release), malformed])
async def test_what_cannot_be_decided_ends_whole_in_dead_letters(shop: Shop, make: Callable[[], list[Bad]]) -> None:
    bad = make()
    await shop.receive(MUG=5)
    await publish(shop, bad)
    await shop.place(order(("MUG", 2)))
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    dead_letters = sorted(await letters(shop), key=lambda letter: letter.offset)
    assert [(letter.reason, letter.key, letter.value) for letter in dead_letters] == [
        (record.reason, record.key, record.value) for record in bad
    ]
    for letter, record in zip(dead_letters, bad, strict=True):
        assert list(letter.headers.values()) == [value or b"" for _, value in record.headers]
        assert letter.detail
    assert await shop.levels() == {"MUG": Level(5, 2, 0)}
    misplaced = [decode(record.value or b"") for record in bad if record.reason == "key_mismatch"]
    report = await shop.audit()
    assert orders_lost(report) == {line.order_id for line in misplaced if isinstance(line, m.PlaceOrderLine)}
    assert report.breaches <= {"every_order_is_final_or_waits", "dead_letters"}


async def test_what_would_unpack_to_more_than_the_limit_is_refused_by_the_broker(shop: Shop) -> None:
    bomb = Bad("", b"MUG", bytes(20 * INVENTORY_COMMANDS.max_message_bytes))
    with pytest.raises(MessageSizeTooLargeError):
        await publish(shop, [bomb], compression="gzip")
    await publish(shop, [Bad("", b"MUG", encode(m.ReceiveStock("r", "MUG", 4)))], compression="gzip")
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert await shop.levels() == {"MUG": Level(4, 0, 0)}
