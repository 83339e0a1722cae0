"""Publishes whole lists of records: batched per partition, acknowledged by all replicas, resent with the same ids.

Why not one send() a record: a task and a future for each cost more than the record.

Decision: docs/decisions, 058.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Self

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError

from producers.abandoning import abandon
from producers.errors import PublishError
from producers.outage import Outage
from producers.tracing import IS_ON, TRACES
from topology.partitioner import partitions_of

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

    from producers.outage import Readiness

log = structlog.get_logger()

BY_KEY: Final = -1
FORWARDED: Final = "lastunit_forwarded"
"""The header of a record that was sent on: the id of the sending on, beside the headers that the record had."""
MAX_BATCH_BYTES: Final = 512 * 1024
METADATA_MS: Final = 60_000
"""A topic that got more partitions is noticed within this time; what goes astray until then is sent on by its owner."""
ATTEMPT_SECONDS: Final = 15.0
"""How long one attempt may take before the producer counts as stuck: idempotent sends never expire by themselves."""


_NO_HEADERS: Final[list[tuple[str, bytes | None]]] = []


class Outgoing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record to publish. `partition` is explicit, or `BY_KEY`; an empty `event_id` sends no ce_id header.

    A record without a value is a tombstone. `headers` are those of a record that is sent on; its `event_id`, if there is
    one, is then sent as FORWARDED.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    event_id: bytes = b""
    headers: tuple[tuple[str, bytes | None], ...] | None = None


_topic: Final = attrgetter("topic")


class _Waiting(msgspec.Struct, frozen=True):
    """A list to publish, and who waits for it."""

    records: Sequence[Outgoing]
    done: asyncio.Future[None]


class Publisher:
    """Sends lists of records to one cluster; safe to share between tasks, each list keeps its order per partition.

    Lists that arrive while others are on their way go together with the next ones: many small lists cost one request a
    partition, not one each, and none waits for a free slot in aiokafka, whose queue holds one batch a partition and
    gives it to whoever wakes up first.

    `in_use` has, by plain topic name, how many partitions of a topic are in use where that is not for Kafka to say
    (topology/copartitioning.py). `give_up_seconds` bounds how long a list is sent again; `math.inf` waits for as long as
    Kafka is away, and `readiness` shows that meanwhile. Others in this process who need Kafka share the `outage`.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        namespace: str = "",
        in_use: Mapping[str, int] | None = None,
        give_up_seconds: float = 120.0,
        readiness: Readiness | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._namespace = namespace
        self._in_use = in_use or {}
        self._give_up_seconds = give_up_seconds
        self.outage = Outage("Kafka", readiness)
        self._producer: AIOKafkaProducer | None = None
        self._renewal = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Send what is under way, then disconnect."""
        if self._sender is not None:
            await asyncio.wait({self._sender}, timeout=ATTEMPT_SECONDS)
            self._sender.cancel()
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await producer.stop()
        await abandon(producer)

    async def partitions_of(self, topic: str) -> int:
        """Return how many partitions of a topic are in use. Raises KafkaError when the cluster does not know it."""
        return await self._partitions_of(await self._connected(), topic)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return when the cluster has acknowledged every record.

        After any error the whole list is sent again through a new producer, since a failed idempotent producer stays
        poisoned: a reader may see a record twice, never too few. Raises PublishError when `give_up_seconds` are over,
        and at once for a record that is larger than its topic takes.
        """
        if not records:
            return
        if IS_ON:
            records = TRACES.carried(records)
        waiting = _Waiting(records, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_waiting(), name="publisher")  # noqa: TID251  reports to whoever waits
        await waiting.done

    async def _send_waiting(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await self._send_until_acknowledged([record for waiting in together for record in waiting.records])
            except PublishError as error:
                await self._send_apart(together, error)
            except BaseException as error:
                _settle(together, error)
                if not isinstance(error, Exception):
                    raise
            else:
                _settle(together, None)

    async def _send_apart(self, together: list[_Waiting], error: PublishError) -> None:
        """Settle every list with the error; where a list has a record that is too large, send each list by itself."""
        if len(together) == 1 or not isinstance(error.__cause__, MessageSizeTooLargeError):
            _settle(together, error)
            return
        for waiting in together:
            try:
                await self._send_until_acknowledged(waiting.records)
            except PublishError as own_error:
                _settle([waiting], own_error)
            else:
                _settle([waiting], None)

    async def _send_until_acknowledged(self, records: Sequence[Outgoing]) -> None:
        deadline = asyncio.get_running_loop().time() + self._give_up_seconds
        while True:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await self._send(await self._connected(), records)
            except MessageSizeTooLargeError as error:
                largest = max(records, key=lambda record: len(record.value or b""))
                raise PublishError.too_large(largest.topic, largest.key, len(largest.value or b"")) from error
            except (KafkaError, OSError, TimeoutError) as error:
                await self._abandon_producer()
                if asyncio.get_running_loop().time() >= deadline:
                    raise PublishError(self._bootstrap, len(records), self._give_up_seconds) from error
                await self.outage.wait(error, "publish")
            else:
                self.outage.ended("publish")
                return

    async def _connected(self) -> AIOKafkaProducer:
        async with self._renewal:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=MAX_BATCH_BYTES,
                    linger_ms=0,
                    metadata_max_age_ms=METADATA_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await abandon(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _abandon_producer(self) -> None:
        """End the producer in use, so that nothing which it still holds arrives after what its successor sends."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
        pending = []
        for (topic, partition), group in (await self._by_partition(producer, records)).items():
            left: Sequence[Outgoing] = group
            while left:
                batch = producer.create_batch()
                # The first record of a batch always fits; the topic has the last word.
                left = left[fill(batch, left) :]
                pending.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*pending)

    async def _by_partition(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing]
    ) -> dict[tuple[str, int], list[Outgoing]]:
        groups: dict[tuple[str, int], list[Outgoing]] = {}
        for topic, topic_records in _by_topic(records).items():
            name = self._namespace + topic
            count = await self._partitions_of(producer, topic)
            computed = partitions_of([record.key or b"" for record in topic_records], count)
            of_topic: defaultdict[int, list[Outgoing]] = defaultdict(list)
            for record, partition in zip(topic_records, computed, strict=True):
                of_topic[partition if record.partition == BY_KEY else record.partition].append(record)
            if (highest := max(of_topic)) >= count:
                # A new producer asks the cluster anew.
                raise UnknownTopicOrPartitionError(f"{name}/{highest} is addressed, {count} partitions are known")
            groups |= {(name, partition): group for partition, group in of_topic.items()}
        return groups

    async def _partitions_of(self, producer: AIOKafkaProducer, topic: str) -> int:
        """Return how many partitions of a topic are in use now, as far as the producer knows: a topic may get more."""
        if (in_use := self._in_use.get(topic)) is not None:
            return in_use
        return len(await producer.partitions_for(self._namespace + topic))


def _settle(together: list[_Waiting], error: BaseException | None) -> None:
    for waiting in together:
        if waiting.done.done():  # its caller was cancelled meanwhile
            continue
        if error is None:
            waiting.done.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            waiting.done.cancel()
        else:
            waiting.done.set_exception(error)


def _by_topic(records: Sequence[Outgoing]) -> Mapping[str, Sequence[Outgoing]]:
    if len(set(map(_topic, records))) == 1:
        return {records[0].topic: records}
    by_topic: defaultdict[str, list[Outgoing]] = defaultdict(list)
    for record in records:
        by_topic[record.topic].append(record)
    return by_topic


def fill(batch: BatchBuilder, records: Sequence[Outgoing]) -> int:
    """Append records for as long as they fit into a batch, and return how many did."""
    append = batch.append  # a call of our own for each record would take a third as long again
    for number, record in enumerate(records):
        headers = _headers(record) if record.event_id or record.headers is not None else _NO_HEADERS
        if append(timestamp=None, key=record.key, value=record.value, headers=headers) is None:
            return number
    return len(records)


def _headers(record: Outgoing) -> list[tuple[str, bytes | None]]:
    if record.headers is None:
        return [("ce_id", record.event_id)]
    return [*record.headers, *([(FORWARDED, record.event_id)] if record.event_id else ())]
