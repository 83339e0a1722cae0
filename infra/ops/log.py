"""Reads topics from their first record up to a known end, without a group: nobody's position moves by it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumers.errors import CorruptLogError
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.log_identity import source_log
from infra.ops.errors import UnreadableError
from topology.topics import CO_PARTITIONED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from consumers.runtime.deciding.record import Record
    from consumers.runtime.log_identity import LogIdentity
    from topology.topics import Topic

CHUNK: Final = 5_000
STILL_SECONDS: Final = 30.0
"""How long a read may bring nothing before it counts as stuck."""
_LOOK_MS: Final = 100
"""How long a read waits for records; where only a transaction's marker is left, none come."""
_FETCH_BYTES: Final = 4 * 1024 * 1024


class Range(NamedTuple):
    """Records of one source (by its place in `Course.sources`) that were decided in one go."""

    source: int
    first: int
    next: int


class Log:
    """The topics of one namespace. Each slot is a connection of its own, so cursors of two slots do not meet.

    Of the order.* topics it shows the partitions that are in use (topology/copartitioning.py): as many as `in_use` has by
    plain topic name, and no more than all of them have.
    """

    def __init__(self, bootstrap: str, namespace: str, in_use: Mapping[str, int] | None = None) -> None:
        self.in_use = in_use or {}
        self._bootstrap = bootstrap
        self._namespace = namespace
        self._consumers: list[Any] = []
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._consumer(0)
        except UnreadableError:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def ends(self, topic: Topic) -> list[int]:
        """Return each partition's end: the offset that its next record will have. Raises UnreadableError for no topic."""
        tps = await self._partitions(topic)
        offsets = await (await self._consumer(0)).end_offsets(tps)
        return [offsets[tp] for tp in tps]

    async def begins(self, topic: Topic) -> list[int]:
        """Return the offset of each partition's first record."""
        tps = await self._partitions(topic)
        offsets = await (await self._consumer(0)).beginning_offsets(tps)
        return [offsets[tp] for tp in tps]

    async def offsets_since(self, topic: Topic, at_ms: int) -> list[int]:
        """Return each partition's first offset from this time on (ms since the epoch), its end where there is none."""
        tps = await self._partitions(topic)
        consumer = await self._consumer(0)
        offsets, ends = await consumer.offsets_for_times(dict.fromkeys(tps, at_ms)), await self.ends(topic)
        return [offsets[tp].offset if offsets[tp] is not None else end for tp, end in zip(tps, ends, strict=True)]

    async def identity(self, topic: Topic) -> LogIdentity:
        """Return which cluster this is, and Kafka's id of a topic. Raises UnreadableError for no topic."""
        consumer = await self._consumer(0)
        try:
            log = await source_log(consumer._client, topic.in_namespace(self._namespace))  # noqa: SLF001
        except KafkaError as error:
            raise UnreadableError(
                f"Kafka at {self._bootstrap} does not return the id of {topic.name}: {error!r}"
            ) from error
        return log.identity

    async def unused_records(self, topic: Topic) -> int:
        """Return how many records stand in partitions of an order.* topic that are not in use: no room reads them."""
        consumer = await self._consumer(0)
        tps = (await self._all_partitions(topic))[len(await self._partitions(topic)) :]
        if not tps:
            return 0
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        return sum(ends[tp] - begins[tp] for tp in tps)

    async def read(
        self, topic: Topic, partition: int, until: int, *, start: int = 0
    ) -> AsyncIterator[Sequence[Record]]:
        """Yield the records of one partition from `start` (or the log's first) to below offset `until`, in chunks."""
        if start >= until:
            return
        cursor = await self._cursor(topic, partition, start=start)
        while records := await cursor.take(until):
            yield records

    async def follow(
        self, topics: Sequence[Topic], partition: int, ranges: Sequence[Range]
    ) -> AsyncIterator[tuple[int, Sequence[Record]]]:
        """Yield (place of the topic, records) of several topics' partition in the order of these ranges."""
        firsts = [min((part.first for part in ranges if part.source == slot), default=0) for slot in range(len(topics))]
        cursors = [
            await self._cursor(topic, partition, slot, first)
            for slot, (topic, first) in enumerate(zip(topics, firsts, strict=True))
        ]
        for part in ranges:
            while records := await cursors[part.source].take(part.next):
                yield part.source, records

    async def _cursor(self, topic: Topic, partition: int, slot: int = 0, start: int = 0) -> _Cursor:
        consumer = await self._consumer(slot)
        tp = TopicPartition(topic.in_namespace(self._namespace), partition)
        consumer.assign([tp])
        first = max(start, (await consumer.beginning_offsets([tp]))[tp])
        consumer.seek(tp, first)
        return _Cursor(consumer, tp, first)

    async def _consumer(self, slot: int) -> Any:
        while len(self._consumers) <= slot:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                max_partition_fetch_bytes=_FETCH_BYTES,
                # A fetch at a partition's end waits for more, and the next partition waits for that fetch.
                fetch_max_wait_ms=5,
            )
            self._resources.push_async_callback(consumer.stop)
            try:
                await consumer.start()
            except KafkaError as error:
                raise UnreadableError(f"Kafka at {self._bootstrap} does not answer: {error}") from error
            self._consumers.append(consumer)
        return self._consumers[slot]

    async def _partitions(self, topic: Topic) -> list[TopicPartition]:
        tps = await self._all_partitions(topic)
        if topic not in CO_PARTITIONED:
            return tps
        fewest = min([len(await self._all_partitions(other)) for other in CO_PARTITIONED])
        return tps[: min(fewest, self.in_use.get(topic.name, fewest))]

    async def _all_partitions(self, topic: Topic) -> list[TopicPartition]:
        name = topic.in_namespace(self._namespace)
        consumer = await self._consumer(0)
        # A consumer without a subscription knows no topics, and asking for their names does not change that.
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        partitions = cluster.partitions_for_topic(name)
        if not partitions:
            raise UnreadableError(f"There is no topic {name}; is LASTUNIT_NAMESPACE right? `lastunit topology check`.")
        # Without this the first question for an offset finds no leader, and is asked again after a back-off.
        await consumer._client.add_topic(name)  # noqa: SLF001
        return [TopicPartition(name, partition) for partition in sorted(partitions)]


class _Cursor:
    """A place in one partition that only moves on."""

    def __init__(self, consumer: Any, tp: TopicPartition, first: int) -> None:
        self._consumer = consumer
        self._tp = tp
        self._position = first
        self._ahead: list[Record] = []

    async def take(self, until: int) -> Sequence[Record]:
        """Return the next records below `until`; none when there are no more. Raises UnreadableError when none come."""
        if not self._ahead:
            await self._fetch(until)
        here = self._ahead
        if here and here[-1].offset >= until:
            cut = next(i for i, record in enumerate(here) if record.offset >= until)
            self._ahead = here[cut:]
            return here[:cut]
        self._ahead = []
        return here

    async def _fetch(self, until: int) -> None:
        deadline = asyncio.get_running_loop().time() + STILL_SECONDS
        while self._position < until and not self._ahead:
            try:
                fetched = await read_records(
                    self._consumer, self._place, self._tp, timeout_ms=_LOOK_MS, max_records=CHUNK
                )
                self._position = await self._consumer.position(self._tp)
            except (KafkaError, CorruptLogError) as error:
                raise UnreadableError(f"{self._tp.topic}/{self._tp.partition} cannot be read: {error}") from error
            self._ahead = list(fetched.get(self._tp, ()))
            if not self._ahead and asyncio.get_running_loop().time() > deadline:
                raise UnreadableError(
                    f"{self._tp.topic}/{self._tp.partition} stands at {self._position}, {until} was announced, and no "
                    f"record came within {STILL_SECONDS:.0f} s."
                )

    async def _place(self) -> dict[TopicPartition, int]:
        return {self._tp: self._position}
