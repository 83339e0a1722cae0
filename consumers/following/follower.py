"""Follows topics from a place of their own choosing, and knows how old what it has read is.

A read model that every process keeps for itself (an index, a cache) needs no group: each reads all partitions. It is as
old as the last moment at which a partition was known to be read to its end, not as the last record: a topic on which
nothing happens is not stale.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from producers.outage import Outage
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from schemas.messages import StockLevel
from schemas.stock_levels import version_of
from topology.topics import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from producers.outage import Readiness
    from schemas.messages import Message
    from schemas.stock_levels import LevelVersion
    from topology.topics import Topic

log = structlog.get_logger()

FETCH_WAIT_MS: Final = 400
"""How long a broker waits for something new: so old may what is read be at rest, well within the bound for stock levels."""
POLL_MS: Final = 200
METADATA_MS: Final = 30_000
BATCH_RECORDS: Final = 5_000
STOP_SECONDS: Final = 10

Position: TypeAlias = tuple[str, int]
"""A topic's name without its namespace, and a partition of it."""


class Followed(NamedTuple):
    """One record as it was read, and when it was appended (ms since the epoch, UTC).

    `message` is None where the key was deleted (a tombstone). `event_id` is the ce_id of an outcome, empty where there is
    none.
    """

    topic: str
    partition: int
    offset: int
    key: str
    message: Message | None
    at_ms: int = 0
    event_id: str = ""


def level_version_of(record: Followed) -> LevelVersion:
    """Return the version of a record of stock.levels, or of a tombstone there."""
    level = record.message if isinstance(record.message, StockLevel) else None
    return version_of(level, () if level is not None else (("ce_id", record.event_id.encode()),))


class Follower:
    """Reads what topics carry for as long as `run` runs, and waits out a broker that is away.

    Commands that stand among an order's events, and adoptions of rules, are left out undecoded.

    `apply` gets the records of each batch, in the order of each partition, and must not fail. `positions` are the next
    offsets; a partition without one is read from its beginning, or from its end where `from_end`. `shard` picks the
    partitions to follow, `wants` the keys whose records are decoded at all.
    """

    def __init__(
        self,
        bootstrap: str,
        namespace: str,
        topics: Sequence[Topic],
        apply: Callable[[list[Followed]], None],
        *,
        name: str,
        from_end: bool = False,
        shard: Callable[[int], bool] = lambda _: True,
        wants: Callable[[bytes], bool] | None = None,
        readiness: Readiness | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = {topic.in_namespace(namespace): topic.name for topic in topics}
        self._carried = {topic.name: frozenset(topic.carries) for topic in topics}
        self._apply = apply
        self._from_end = from_end
        self._shard = shard
        self._wants = wants
        self._name = name
        self._outage = Outage(f"Kafka ({name})", readiness)
        self._at_end_ms: dict[Position, float] = {}
        self._ends: dict[Position, int] | None = None
        self.positions: dict[Position, int] = {}
        self.caught_up = asyncio.Event()
        self.skipped = 0

    def age_ms(self, topic: str, partition: int | None = None) -> int | None:
        """Return how long ago everything of a topic (or one partition) was known to be read; None: never yet."""
        own = [at for (name, number), at in self._at_end_ms.items() if name == topic and partition in (None, number)]
        expected = 1 if partition is not None else sum(name == topic for name, _ in self.positions)
        if not own or len(own) < expected:
            return None
        return max(0, int(time.time() * 1000 - min(own)))

    def position(self) -> dict[str, dict[int, int]]:
        """Return up to where each topic was read: {topic: {partition: next offset}}."""
        by_topic: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in sorted(self.positions.items()):
            by_topic.setdefault(topic, {})[partition] = offset
        return by_topic

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            consumer = self._new_consumer()
            try:
                await consumer.start()
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._outage.wait(error, self._name)
            finally:
                with contextlib.suppress(KafkaError, TimeoutError):
                    await asyncio.wait_for(consumer.stop(), STOP_SECONDS)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        partitions = await self._place(consumer)
        while not self._has_grown(consumer, partitions):
            fetched = await consumer.getmany(*partitions, timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
            self._take(fetched)
            await self._note_ends(consumer, partitions)

    def _has_grown(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> bool:
        """Return whether a topic has got more partitions: then all are placed anew, each where it was left."""
        numbers = (number for topic in self._topics for number in consumer.partitions_for_topic(topic) or ())
        return sum(map(self._shard, numbers)) > len(partitions)

    async def _place(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Assign every partition, each where it was left; new ones at the beginning or the end."""
        partitions = []
        for topic in self._topics:
            numbers = await consumer._client._wait_on_metadata(topic) or ()  # noqa: SLF001  the only way to learn of a topic nobody subscribed to
            partitions += [TopicPartition(topic, number) for number in sorted(numbers) if self._shard(number)]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for partition in partitions:
            known = self.positions.get(self._named(partition))
            is_first = self._ends is None
            start = ends[partition] if self._from_end and is_first else begins[partition]
            at = start if known is None or not begins[partition] <= known <= ends[partition] else known
            consumer.seek(partition, at)
            self.positions[self._named(partition)] = at
        if self._ends is None:
            self._ends = {self._named(partition): end for partition, end in ends.items()}
        return partitions

    def _named(self, partition: TopicPartition) -> Position:
        return self._topics[partition.topic], partition.partition

    def _take(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        records = [each for tp, some in fetched.items() for each in self._read(self._topics[tp.topic], some)]
        if records:
            self._apply(records)

    def _read(self, topic: str, records: Iterable[Any]) -> Iterable[Followed]:
        for record in records:
            if self._wants is not None and not self._wants(record.key or b""):
                continue
            try:
                message = None if record.value is None else decode_if(record.value, self._carried[topic])
                key = (record.key or b"").decode()
            except (DecodeError, UnicodeDecodeError) as error:
                self.skipped += 1
                log.warning(
                    "record_skipped", topic=topic, partition=record.partition, offset=record.offset, error=str(error)
                )
                continue
            if message is None and record.value is not None:
                continue
            event_id = next((value for name, value in record.headers if name == "ce_id"), None) or b""
            yield Followed(
                topic,
                record.partition,
                record.offset,
                key,
                message,
                record.timestamp,
                event_id.decode(errors="replace"),
            )

    async def _note_ends(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            named = self._named(tp)
            self.positions[named] = position = await consumer.position(tp)
            end, at_ms = consumer.last_stable_offset(tp), consumer.last_poll_timestamp(tp)
            if end is not None and at_ms is not None and position >= end:
                self._at_end_ms[named] = max(at_ms, self._at_end_ms.get(named, 0))
                self._outage.ended(self._name)
        if self._ends is not None and all(self.positions.get(named, 0) >= end for named, end in self._ends.items()):
            self.caught_up.set()

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
            metadata_max_age_ms=METADATA_MS,
        )
