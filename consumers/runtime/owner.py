"""The partition owner: reads a room's partitions, decides their batches, and makes each durable in one statement.

One process owns a partition at a time. PostgreSQL says which one (`claims.epoch`) and how far it is (`next_offsets`);
Kafka's group only proposes. Batch n+1 is decided while n commits and n-1 is published; the order per partition holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import asyncpg
import msgspec
import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumers.errors import FencedError, LogGapError, NotContiguousError, RefusedError
from consumers.runtime.background import BackgroundTasks
from consumers.runtime.deciding.batch import Batch, BatchStep, Claim, DecodedSlice, PartitionBatch, decode_slice, steps
from consumers.runtime.deciding.decision import decide_records, level, outgoing
from consumers.runtime.kafka.assignor import ClaimsAssignor
from consumers.runtime.kafka.consumer import new_consumer
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS, FetchBuffer, FetchedSlice
from consumers.runtime.kafka.fetch_pacing import FetchPacing
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.lifecycle import ProcessLifecycle, Rebalance
from consumers.runtime.ownership import Ownership
from consumers.runtime.postgres.commit import commit, commit_statement
from consumers.runtime.postgres.database import RETRY_SECONDS, Database
from consumers.runtime.postgres.outbox import Outbox
from consumers.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.room import Room
    from producers.publisher import Outgoing, Publisher

log = structlog.get_logger()
S = TypeVar("S")

POLL_MS: Final = 20
"""Longest wait for records. What is assigned meanwhile is claimed only after it, so it is part of every takeover."""
KAFKA_COMMIT_SECONDS: Final = 1.0


class OwnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner needs to know about where it runs."""

    kafka_bootstrap: str
    postgres_dsn: str
    namespace: str = ""
    batch_records: int = 2_000
    session_timeout_ms: int = 6_000
    heartbeat_ms: int = 200
    """A member learns of a rebalance with its next heartbeat, so this bounds the gap of a planned handover."""
    watchdog_seconds: float = 60.0


class PartitionOwner(Generic[S]):
    """Runs one room on whatever partitions Kafka's group gives to this process."""

    def __init__(self, room: Room[S], options: OwnerOptions, publisher: Publisher) -> None:
        self.room = room
        self.options = options
        self._lifecycle = ProcessLifecycle()
        self._background = BackgroundTasks(self._lifecycle.fail)
        self._publisher = publisher
        self._topics = [topic.in_namespace(options.namespace) for topic in room.sources]
        self._database = Database(options.postgres_dsn, room.name)
        self._outbox = Outbox(room.name, self._database, publisher, self._lifecycle.fail)
        self._ownership = Ownership(
            room, self._database, self._outbox, self._topics, retry_seconds=options.session_timeout_ms / 1000
        )
        self._claims = self._ownership.claims
        self._statement = commit_statement(room)
        self._in_flight: tuple[Batch, asyncio.Task[None]] | None = None
        self._buffer = FetchBuffer()
        self._pacing = FetchPacing(room.fetch_min_bytes)
        self._consumer: AIOKafkaConsumer = None

    # --- life ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a graceful end: the batch in hand is finished and published first."""
        self._lifecycle.stop()

    async def run(self) -> None:
        """Own partitions until `stop()`. Raises OwnerStoppedError (or its cause) when the process must start afresh."""
        self._consumer = self._new_consumer()
        await self._consumer.start()
        self.room.start(self._background)
        self._outbox.start()
        try:
            await self._lifecycle.run(self._work(), self._watchdog().watch(), self._commit_to_kafka())
        finally:
            await self._close()

    async def _work(self) -> None:
        await self._ownership.begin(await self._publisher.partitions_of(self.room.sources[0].name))
        self._consumer.subscribe(self._topics, listener=self._rebalance())
        while self._lifecycle.running:
            await self._adopt()
            await self._remind()
            for step in steps(await self._poll(), self.room.is_barrier):
                await self._take(step)
            if self._in_flight is not None and self._in_flight[1].done():
                await self._settle()
        await self._settle()
        await self._outbox.stop()
        await self._ownership.commit_offsets_to_kafka(self._consumer)

    def _rebalance(self) -> Rebalance:
        assigned = functools.partial(self._ownership.assigned, self._consumer)
        return Rebalance(assigned, self._revoked, self._lifecycle)

    def _revoked(self, tps: Iterable[TopicPartition]) -> None:
        self._buffer.revoke({tp.partition for tp in tps})
        self._ownership.revoked(tps)

    async def _close(self) -> None:
        """Leave the group, so that a successor need not wait for our session to end; bounded in time."""
        self._outbox.abandon()
        if self._in_flight is not None:
            self._in_flight[1].cancel()
        await self.room.stop()
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(self._consumer.stop(), 10)
        await self._database.close()

    # --- owning -------------------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Go on with what a rebalance left us; claim the rest once nothing of an earlier claim is under way any more."""
        await self._ownership.look(self._consumer)
        await self._ownership.keep(self._consumer)
        if partitions := self._ownership.due():
            await self._settle()
            await self._outbox.drain()
            await self._ownership.claim(self._consumer, partitions)

    async def _remind(self) -> None:
        """Append what time asks for to our own partitions; the record in the log decides, not this clock."""
        now_ms = time.time_ns() // 1_000_000
        reminders = [
            outgoing(message, partition=claim.partition)
            for claim in self._claims.values()
            if (message := self.room.reminder(claim.state, now_ms)) is not None
        ]
        if reminders:
            await self._publisher.publish(reminders)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _poll(self) -> list[DecodedSlice]:
        """Return at most a batch of records, of partitions that are claimed, none from before the claim's position."""
        if self.room.is_saturated():
            await asyncio.sleep(POLL_MS / 1000)
            return []
        if not self._buffer:
            begin = await self._ownership.fetch_positions(self._consumer)
            fetched = await self._fetch()
            self._buffer.put(await self._ownership.portions(self._consumer, begin, fetched))
        portions = self._buffer.take(self.options.batch_records, self._claims)
        self._ownership.rewind(self._consumer, self._buffer.dropped())
        return [run for portion in portions if (run := self._accept(portion)) is not None]

    async def _fetch(self) -> Mapping[TopicPartition, Sequence[Any]]:
        try:
            with self._pacing.reading(self._consumer):
                fetched = await read_records(
                    self._consumer, self._ownership.positions, timeout_ms=POLL_MS, max_records=READ_AHEAD_RECORDS
                )
        except OffsetOutOfRangeError as error:
            raise LogGapError.unreadable(self.room.name, error) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", room=self.room.name, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
            return {}
        return fetched

    def _accept(self, portion: FetchedSlice) -> DecodedSlice | None:
        if portion.records:
            self._ownership.handovers.read(portion.claim, portion.records[0].timestamp)
        return decode_slice(self.room, portion, self._ownership.partitioning)

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def _take(self, step: BatchStep) -> None:
        """Decide a step while the one before it commits; then let it commit."""
        if (
            step.barrier
            or sum([self.room.size(claim.state) for claim in self._claims.values()]) > self.room.cache_limit
        ):
            await self._settle()
            self._forget_largest()
        batch = await self._decide(step.runs)
        if not await self._settle():
            batch = await self._decide(step.runs)
        if batch.parts:
            self._in_flight = (batch, asyncio.create_task(self._commit(batch.parts)))

    def _forget_largest(self) -> None:
        """Empty the largest memories until what is left is at most half of the limit, if all together are beyond it."""
        states = sorted([claim.state for claim in self._claims.values()], key=self.room.size)
        left = sum(map(self.room.size, states))
        if left <= self.room.cache_limit:
            return
        while left > self.room.cache_limit // 2:
            left -= self.room.size(states[-1])
            self.room.forget(states.pop())

    async def _decide(self, runs: list[DecodedSlice], *, thorough: bool = False) -> Batch:
        by_partition: dict[int, list[DecodedSlice]] = {}
        for run in runs:
            if run.partition in self._claims:
                by_partition.setdefault(run.partition, []).append(run)
        work = [(self._claims[partition], ours) for partition, ours in by_partition.items()]
        loads = [
            (claim.state, [it for run in ours for _, it in run.readings if not isinstance(it, RefusedError)])
            for claim, ours in work
        ]
        await self._database.run_with_retry("load", lambda c: self.room.load(c, loads, thorough=thorough))
        decided = [run for _, ours in work for run in ours]
        return Batch(decided, [self._decide_part(claim, ours) for claim, ours in work])

    def _decide_part(self, claim: Claim[S], runs: Iterable[DecodedSlice]) -> PartitionBatch[S]:
        old_offsets = claim.next_offsets
        says: list[Outgoing] = []
        ranges: list[int] = []
        claim.next_offsets = list(old_offsets)
        for run in runs:
            source = self.room.sources[run.source].name
            self._require_contiguous(run, claim.next_offsets[run.source])
            said, claim.at_ms = decide_records(self.room, claim.state, source, run.readings, claim.at_ms)
            says += said
            claim.next_offsets[run.source] = run.next
            ranges += (run.source, run.first, run.next)
        claim.batch += 1
        changes = self.room.close_batch(claim.state, claim.at_ms)
        says += [level(record) for record in changes.records]
        return PartitionBatch(claim, old_offsets, claim.next_offsets, claim.at_ms, claim.batch, ranges, says, changes)

    def _require_contiguous(self, run: DecodedSlice, position: int) -> None:
        """Raise NotContiguousError where records would be skipped, silently and for good, or decided twice."""
        if run.first != position:
            topic = self.room.sources[run.source].name
            raise NotContiguousError(self.room.name, topic, run.partition, first=run.first, position=position)

    # --- committing ---------------------------------------------------------------------------------------------------

    async def _commit(self, parts: list[PartitionBatch[Any]]) -> None:
        """Make the parts durable; those that are fenced are dropped, the others tried again without them."""
        while parts:
            try:
                await commit(self._database, self.room, self._statement, parts)
                break
            except FencedError as fenced:
                log.warning("fenced", room=self.room.name, partitions=fenced.partitions)
                self._ownership.fenced([part.claim for part in parts if part.claim.partition in fenced.partitions])
                parts = [part for part in parts if part.claim.partition not in fenced.partitions]
        self._ownership.became_durable(parts)
        for part in parts:
            self.room.after_commit(part.claim.partition, part.changes.effects)
        await self._outbox.put(parts)

    async def _settle(self) -> bool:
        """Wait for the commit in flight. Return False when it had to be decided anew: then memory has changed.

        A unique violation tells of a duplicate that the fast path did not look for; nothing was applied. What was
        decided is dropped, memory too, and the same records are decided again with all that they touch loaded.
        """
        if self._in_flight is None:
            return True
        (batch, task), self._in_flight = self._in_flight, None
        try:
            await task
        except asyncpg.IntegrityConstraintViolationError as violation:
            log.info("decided_anew", room=self.room.name, why=str(violation))
            await self._ownership.reload()
            await self._commit((await self._decide(batch.runs, thorough=True)).parts)
            return False
        return True

    # --- Kafka's view -------------------------------------------------------------------------------------------------

    async def _commit_to_kafka(self) -> None:
        while True:
            await asyncio.sleep(KAFKA_COMMIT_SECONDS)
            await self._ownership.commit_offsets_to_kafka(self._consumer)

    def _watchdog(self) -> Watchdog:
        return Watchdog(
            self.room.name,
            self.options.watchdog_seconds,
            lag=lambda: 0 if self.room.is_saturated() else self._ownership.lag(self._consumer),
            progress=self._ownership.progress,
            on_stuck=self._lifecycle.fail,
        )

    def _new_consumer(self) -> AIOKafkaConsumer:
        return new_consumer(self.room.name, self.options, ClaimsAssignor(self._ownership.epochs))
