"""What producers do who use other clients than ours, or none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from aiokafka import AIOKafkaProducer

from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.harness.raw import RawRecord, batch_of, produce, sealed
from tests.harness.shop import PARTITIONS, Shop
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, Topic

MUG = partition_of(b"MUG", PARTITIONS)


def receipt(number: int, sku: str = "MUG") -> RawRecord:
    return sku.encode(), encode(m.ReceiveStock(f"receipt-{number}", sku, 1)), []


async def append(
    shop: Shop,
    records: Sequence[RawRecord],
    topic: Topic = INVENTORY_COMMANDS,
    home: int = MUG,
    deltas: Sequence[int] | None = None,
) -> None:
    """Append one batch as it is; `deltas` is what its records say of their offsets in it."""
    where = topic.in_namespace(shop.settings.namespace)
    batch = sealed(batch_of(records, deltas))
    assert await produce(shop.settings.kafka_bootstrap or "", where, home, batch) == 0


async def letters(shop: Shop) -> list[m.DeadLetter]:
    dead_letters = [cast("m.DeadLetter", decode(record.value)) for record in await shop.records(DEAD_LETTERS)]
    return sorted(dead_letters, key=lambda letter: (letter.room, letter.topic, letter.partition, letter.offset))


class Transactions:
    """A producer that says everything in transactions."""

    def __init__(self, shop: Shop, producer: AIOKafkaProducer) -> None:
        self._shop = shop
        self.begin = producer.begin_transaction
        self.commit = producer.commit_transaction
        self.abort = producer.abort_transaction
        self._producer = producer

    async def say(self, record: RawRecord, topic: Topic = INVENTORY_COMMANDS, home: int = MUG) -> None:
        key, value, _ = record
        await self._producer.send_and_wait(topic.in_namespace(self._shop.settings.namespace), value, key, home)


@asynccontextmanager
async def transactions(shop: Shop) -> AsyncIterator[Transactions]:
    producer = AIOKafkaProducer(
        bootstrap_servers=shop.settings.kafka_bootstrap, transactional_id=f"{shop.settings.namespace}stranger"
    )
    await producer.start()
    try:
        yield Transactions(shop, producer)
    finally:
        await producer.stop()
