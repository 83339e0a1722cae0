"""What stands on a lane's topics: how much by now (sampled while it works), and which outcomes (read afterwards)."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.ops.log import Log
from schemas.codec.wire import decode, message_type
from schemas.messages import LineReserved, Message, StockLevel
from topology.topics import ORDER_EVENTS, STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from consumers.runtime.deciding.record import Record
    from topology.topics import Topic

Ends = list[int]
"""The end offset of each partition."""


class Outcome(msgspec.Struct, frozen=True):
    """One outcome event: whose, what, and when Kafka appended it (ms since the epoch)."""

    order_id: str
    kind: type[Message]
    at_ms: int

    @property
    def is_sale(self) -> bool:
        return self.kind is LineReserved


class LaneTopics:
    """The topics of one namespace, each of so many partitions."""

    def __init__(self, bootstrap: str, namespace: str, partitions: int, consumer: Any) -> None:
        self._bootstrap = bootstrap
        self._namespace = namespace
        self._partitions = partitions
        self._consumer = consumer

    async def ends(self, topic: Topic = ORDER_EVENTS) -> Ends:
        """Return where each partition ends now; one request."""
        tps = [TopicPartition(topic.in_namespace(self._namespace), number) for number in range(self._partitions)]
        end_offsets = await self._consumer.end_offsets(tps)
        return [end_offsets[tp] for tp in tps]

    async def count(self, topic: Topic = ORDER_EVENTS) -> int:
        """Return how many records the topic has had."""
        return sum(await self.ends(topic))

    async def outcomes(self, since: Ends) -> list[Outcome]:
        """Return every outcome that was appended since."""
        return [
            Outcome((record.key or b"").decode(), message_type(record.value), record.timestamp)
            for record in await self._records(ORDER_EVENTS, since)
        ]

    async def batch_sizes(self, sku: str, since: Ends) -> list[int]:
        """Return how many units of a SKU each batch reserved: the room says its level once a batch."""
        levels = [decode(record.value) for record in await self._records(STOCK_LEVELS, since)]
        reserved = [level.reserved for level in levels if isinstance(level, StockLevel) and level.sku == sku]
        return [after - before for before, after in pairwise(reserved) if after > before]

    async def _records(self, topic: Topic, since: Ends) -> list[Record]:
        read_so_far: list[Record] = []
        async with Log(self._bootstrap, self._namespace) as log:
            for partition, (start, end) in enumerate(zip(since, await self.ends(topic), strict=True)):
                async for records in log.read(topic, partition, end, start=start):
                    read_so_far += records
        return read_so_far


@asynccontextmanager
async def lane_topics(bootstrap: str, namespace: str, partitions: int) -> AsyncIterator[LaneTopics]:
    """Watch a namespace's topics for the length of the block."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        yield LaneTopics(bootstrap, namespace, partitions, consumer)
    finally:
        await consumer.stop()


def breaches(wanted: Sequence[str], outcomes: Sequence[Outcome], units: int | None = None) -> list[str]:
    """Say what is wrong with the outcomes of these orders, of one unit each, with so many units there (None: plenty)."""
    seen = Counter(outcome.order_id for outcome in outcomes)
    doubled = sum(count - 1 for count in seen.values())
    missing = len(set(wanted) - seen.keys())
    foreign = len(seen.keys() - set(wanted))
    sold = sum(outcome.is_sale for outcome in outcomes)
    due = len(wanted) if units is None else min(units, len(wanted))
    checks = {
        f"{doubled} outcomes said twice": doubled,
        f"{missing} orders without an outcome": missing,
        f"{foreign} outcomes of unknown orders": foreign,
        f"{sold} sold where {due} could be: oversold": sold > due,
        f"{sold} sold where {due} could be: undersold": sold < due,
    }
    return [what for what, is_so in checks.items() if is_so]
