"""Keeps the order views: reads order.events, writes batches to Redis and to the index in PostgreSQL, at least once.

Not a transactional room: it decides nothing, so it needs no claim, and a partition that two processes read for a moment
does no harm. Redis and the index have positions of their own (`store.py`, `index.py`), and reading begins at the earlier one,
so each can be lost and is filled again; they are committed to Kafka late, only so that lag tools see them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from consumers.errors import RefusedError
from consumers.runtime.background import BackgroundTasks
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.deciding.record import MisroutedRecord, read
from consumers.runtime.kafka.consumer import started
from consumers.runtime.kafka.rebalance import Rebalance
from consumers.runtime.lifecycle import ProcessLifecycle
from consumers.runtime.newer_schemas import NewerSchemas
from consumers.runtime.postgres.database import ConnectionLostError
from consumers.runtime.watchdog import Watchdog
from consumers.views import store
from consumers.views.index import OrderIndex
from consumers.views.places import Places
from consumers.views.reader import ViewsReader
from consumers.views.timeline import TimelineEvent, event_of
from producers.outage import Outage, Readiness
from topology.topics import MAX_RECORD_BYTES, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.messages import Message

log = structlog.get_logger()

NAME: Final = "views"
HOUSEKEEPING_SECONDS: Final = 1.0
LEAST_HEARTBEAT_MS: Final = 1_000
"""A process that learns of a rebalance a second late goes on writing what another one will write again."""
REDIS_SECONDS: Final = 5.0
CONNECT: Final = "connect"
WRITE: Final = "write"


class ViewsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the views need to know about where they run. `ttl_seconds` counts from an order's last event.

    Without `postgres_dsn` there is no index.
    """

    kafka_bootstrap: str
    redis_url: str
    postgres_dsn: str | None = None
    namespace: str = ""
    ttl_seconds: int = store.TTL_SECONDS
    batch_records: int = 2_000
    session_timeout_ms: int = 6_000
    heartbeat_ms: int = 200
    watchdog_seconds: float = 60.0


ACCEPTED: Final[frozenset[type[Message]]] = frozenset(ORDER_EVENTS.carries)
_UNKNOWN: Final = Partitioning(1)
"""How many partitions are in use is not known here; rooms alone write events, each to its home."""


class OrderViews:
    """Keeps the views of whatever partitions Kafka's group gives to this process.

    `written` counts events since the start, `skipped` records that are no event of ours (a transactional room dead-letters
    those).
    """

    def __init__(self, options: ViewsOptions, readiness: Readiness | None = None) -> None:
        self.options = options
        self.written = 0
        self.skipped = 0
        self._topic = ORDER_EVENTS.in_namespace(options.namespace)
        self._redis = Redis.from_url(
            options.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
        self._index = OrderIndex(options.postgres_dsn) if options.postgres_dsn else None
        self._places = Places(self._topic, options.namespace, self._redis, self._index)
        self._housekeeping_at = 0.0
        self._lifecycle = ProcessLifecycle()
        self._background = BackgroundTasks(self._lifecycle.fail)
        self._redis_outage = Outage("Redis", readiness)
        self._kafka_outage = Outage("Kafka", readiness)
        self._database_outage = Outage("PostgreSQL", readiness)
        self._newer = NewerSchemas(NAME, self._index.database, readiness or Readiness()) if self._index else None
        self._reader = ViewsReader(NAME, self._places, self._newer, options.batch_records)
        self._committed: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer = None

    # --- life ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a graceful end: the batch in hand is written first, if Redis takes it."""
        self._lifecycle.stop()
        self._reader.wake()

    async def run(self) -> None:
        """Keep the views until `stop()`. Raises OwnerStoppedError (or its cause) when the process must start afresh."""
        self._consumer = await started(self._new_consumer, self._kafka_outage, self._lifecycle)
        self._places.consumer = self._consumer
        self._background.start(self._watchdog().watch(), "watchdog")
        await self._name_eviction()
        try:
            await self._lifecycle.run(self._work())
        finally:
            await self._background.cancel()
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(self._consumer.stop(), 10)
            await self._redis.aclose()
            if self._index is not None:
                await self._index.close()

    async def _work(self) -> None:
        self._consumer.subscribe([self._topic], listener=Rebalance(self.assigned, self.revoked, self._lifecycle))
        while self._lifecycle.running:
            try:
                await self._places.find()
                if await self._take(await self._reader.read(self._consumer, self._patience_seconds())):
                    self._redis_outage.ended(WRITE)
                await self._keep_up()
            except (RedisError, OSError, TimeoutError) as error:
                # What was fetched is fetched again: nothing moved on.
                self._places.forget()
                # One that is full or a replica still answers to reads, which says nothing about the next write.
                await self._redis_outage.wait(error, WRITE if isinstance(error, ResponseError) else CONNECT)
            except ConnectionLostError as lost:
                self._places.forget()
                await self._database_outage.wait(lost.cause)
            else:
                self._redis_outage.ended(CONNECT)
                self._database_outage.ended()
        await self._flush_index()
        await self._commit_offsets_to_kafka()

    async def _name_eviction(self) -> None:
        """Log a policy by which Redis drops orders, or the positions, when it needs room."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):  # INFO may be forbidden, and writes will fail too
            state = await store.memory_state(self._redis)
            if state.may_evict:
                log.warning("redis_may_evict", policy=state.policy, max_bytes=state.max_bytes)

    # --- what Kafka gives and takes ---------------------------------------------------------------------------------------

    def assigned(self, partitions: set[TopicPartition]) -> None:
        """Find the places of what Kafka assigned."""
        self._places.assigned(partitions)
        self._reader.wake()

    def revoked(self, partitions: set[TopicPartition]) -> None:
        """Forget what Kafka took away."""
        if self._newer is not None:
            self._newer.revoked(tp.partition for tp in partitions)
        self._places.revoked(partitions)

    # --- reading and writing ------------------------------------------------------------------------------------------

    async def _take(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> bool:
        """Write the events, then move the positions; a position that was lost or moved by another is looked up anew.

        Return whether there was anything to write.
        """
        reached = await self._places.reached(fetched)
        if not reached:
            if self._index is not None:
                await self._index.write({}, {})
            return False
        by_order: dict[str, list[TimelineEvent]] = {}
        for records in fetched.values():
            self._read(records, by_order)
        await store.write_events(self._redis, self.options.namespace, by_order, self.options.ttl_seconds)
        lost = await self._places.store(reached)
        if self._index is not None:
            await self._index.write(by_order, reached)
        self._places.move(reached)
        self.written += sum(map(len, by_order.values()))
        self._places.forget(lost)
        return True

    async def _flush_index(self) -> None:
        """Write what the index has gathered; what cannot be written is read again by the next process."""
        if self._index is not None:
            with contextlib.suppress(ConnectionLostError):
                await self._index.flush()

    def _read(self, records: Sequence[Any], by_order: dict[str, list[TimelineEvent]]) -> None:
        for record in records:
            try:
                message = read(ACCEPTED, record, record.partition, _UNKNOWN)
                if isinstance(message, MisroutedRecord):  # without a key
                    raise message.refusal(record)
            except RefusedError as refusal:
                self.skipped += 1
                log.warning("event_skipped", partition=record.partition, offset=record.offset, reason=str(refusal))
                continue
            if message is None:
                continue
            event_id = next((value.decode(errors="replace") for name, value in record.headers if name == "ce_id"), "")
            event = event_of(
                message,
                event_id=event_id or f"{ORDER_EVENTS.name}/{record.partition}/{record.offset}",
                at_ms=record.timestamp,
                offset=record.offset,
            )
            by_order.setdefault((record.key or b"").decode(), []).append(event)

    # --- every second -------------------------------------------------------------------------------------------------

    def _patience_seconds(self) -> float:
        """Return how long to wait for records at rest: what is gathered for the index is to be written in time."""
        left = self._housekeeping_at - time.monotonic()
        return max(0.0, left if self._index is None else min(left, self._index.due_in_seconds()))

    async def _keep_up(self) -> None:
        now = time.monotonic()
        if now < self._housekeeping_at:
            return
        self._housekeeping_at = now + HOUSEKEEPING_SECONDS
        await self._places.forget_what_is_lost()
        await self._commit_offsets_to_kafka()

    async def _commit_offsets_to_kafka(self) -> None:
        offsets = self._places.to_commit()
        if not offsets or offsets == self._committed:
            return
        try:
            async with asyncio.timeout(5):
                await self._consumer.commit(offsets)
            self._committed = offsets
        except (KafkaError, TimeoutError) as error:
            log.info("lag_not_updated", room=NAME, error=repr(error))

    def _watchdog(self) -> Watchdog:
        return Watchdog(
            NAME,
            self.options.watchdog_seconds,
            lag=lambda: 0 if self._waits_rightly() else self._places.lag(),
            progress=lambda: self._places.passed,
            on_stuck=self._lifecycle.fail,
        )

    def _waits_rightly(self) -> bool:
        waits = self._newer is not None and self._newer.is_waiting
        return waits or self._redis_outage.lasts or self._kafka_outage.lasts

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.options.kafka_bootstrap,
            group_id=f"{self.options.namespace}{NAME}",
            enable_auto_commit=False,
            # Where the log begins later than our position, what is gone from the log is gone from the views.
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=self.options.session_timeout_ms,
            heartbeat_interval_ms=min(
                max(self.options.heartbeat_ms, LEAST_HEARTBEAT_MS), self.options.session_timeout_ms // 3
            ),
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )
