"""What producers do who use other clients than ours, or none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.harness.raw import RawRecord, batch_of, produce, sealed
from tests.harness.shop import PARTITIONS, Shop
from tests.harness.waiting import until
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
    """A producer that says everything in transactions.

    `commit` and `abort` return once readers of what is committed can read on: Kafka answers before it has written the markers.
    """

    def __init__(self, shop: Shop, producer: AIOKafkaProducer, reader: AIOKafkaConsumer) -> None:
        self._shop = shop
        self._producer = producer
        self._reader = reader
        self._last: dict[TopicPartition, int] = {}
        self.begin = producer.begin_transaction

    async def say(self, record: RawRecord, topic: Topic = INVENTORY_COMMANDS, home: int = MUG) -> None:
        key, value, _ = record
        tp = TopicPartition(topic.in_namespace(self._shop.settings.namespace), home)
        self._last[tp] = (await self._producer.send_and_wait(tp.topic, value, key, tp.partition)).offset

    async def commit(self) -> None:
        await self._producer.commit_transaction()
        await until(self._has_ended)

    async def abort(self) -> None:
        await self._producer.abort_transaction()
        await until(self._has_ended)

    async def _has_ended(self) -> bool:
        ends = await self._reader.end_offsets(list(self._last))
        return all(ends[tp] > offset for tp, offset in self._last.items())


@asynccontextmanager
async def transactions(shop: Shop) -> AsyncIterator[Transactions]:
    bootstrap = shop.settings.kafka_bootstrap
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{shop.settings.namespace}stranger")
    async with producer, AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed") as reader:
        yield Transactions(shop, producer, reader)
