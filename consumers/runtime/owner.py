"""The partition owner: reads a room's partitions, decides their batches, and makes each durable in one statement.

One process owns a partition at a time. The row in `claims` decides which one (`epoch`) and how far it is (`next_offsets`);
Kafka's group only proposes. Batch n+1 is decided while n commits and n-1 is published; the order per partition holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import asyncpg
import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumers.errors import FencedError, LogGapError, NotContiguousError
from consumers.runtime.background import BackgroundTasks
from consumers.runtime.claim import Claim
from consumers.runtime.deciding.batch import (
    Batch,
    BatchStep,
    DecodedSlice,
    FetchedSlice,
    PartitionBatch,
    adopted_rules,
    decode_slice,
    messages_in,
    steps,
)
from consumers.runtime.deciding.decision import CLOCK_STEP_MS, decide_records, last_value, outgoing
from consumers.runtime.kafka.assignor import ClaimsAssignor, is_room
from consumers.runtime.kafka.consumer import group_id, new_consumer, started
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS, FetchBuffer
from consumers.runtime.kafka.fetch_pacing import FetchPacing
from consumers.runtime.kafka.group import GroupWatch
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.kafka.rebalance import Rebalance
from consumers.runtime.lifecycle import ProcessLifecycle
from consumers.runtime.log_identity import record_digest
from consumers.runtime.ownership import Ownership
from consumers.runtime.postgres.commit import commit, commit_statement
from consumers.runtime.postgres.database import Database
from consumers.runtime.postgres.outbox import Outbox
from consumers.runtime.watchdog import Watchdog
from producers.outage import Readiness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.deciding.record import Record
    from consumers.runtime.options import OwnerOptions
    from consumers.runtime.room import Room
    from producers.publisher import Outgoing, Publisher

log = structlog.get_logger()
S = TypeVar("S")

POLL_MS: Final = 20
"""Longest wait for records. What is assigned meanwhile is claimed only after it, so it is part of every handover."""
POLL_RETRY_SECONDS: Final = 0.2
KAFKA_COMMIT_SECONDS: Final = 1.0


class PartitionOwner(Generic[S]):
    """Runs one room on whatever partitions Kafka's group assigns to this process.

    `readiness` shows what keeps it from its work: servers that are away, partitions that wait to be claimed.
    """

    def __init__(
        self, room: Room[S], options: OwnerOptions, publisher: Publisher, readiness: Readiness | None = None
    ) -> None:
        self.room = room
        self.options = options
        self._lifecycle = ProcessLifecycle()
        self._background = BackgroundTasks(self._lifecycle.fail)
        self._publisher = publisher
        self._topics = [topic.in_namespace(options.namespace) for topic in room.sources]
        self.readiness = readiness if readiness is not None else Readiness()
        self._database = Database(options.postgres_dsn, room.name, self.readiness)
        self._outbox = Outbox(room.name, self._database, publisher, self._background)
        self._ownership = Ownership(
            room, self._database, self._outbox, self._topics, retry_seconds=options.session_timeout_ms / 1000
        )
        self._claims = self._ownership.claims
        self._group = GroupWatch(
            room.name,
            group_id(room.name, options),
            ClaimsAssignor.name,
            lambda member: is_room(member.metadata),
            self.readiness,
        )
        self._is_member = False
        self._partitions = f"partitions of {room.name}"
        self._statement = commit_statement(room)
        self._in_flight: tuple[Batch, asyncio.Task[None]] | None = None
        self._buffer = FetchBuffer()
        self._pacing = FetchPacing(room.fetch_min_bytes)
        self._consumer: AIOKafkaConsumer = None

    # --- lifecycle ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a graceful end: the batch in hand is finished and published first."""
        self._lifecycle.stop()

    async def run(self) -> None:
        """Own partitions until `stop()`. Raises OwnerStoppedError (or its cause) when the process must start afresh."""
        self._consumer = await started(self._new_consumer, self._publisher.outage, self._lifecycle)
        self.room.start(self._background)
        self._outbox.start()
        self._background.start(self._watchdog().watch(), "watchdog")
        self._background.start(self._commit_to_kafka(), "commit offsets to Kafka")
        self._background.start(self._group.watch(self._consumer), "group watch")
        try:
            await self._lifecycle.run(self._work())
        finally:
            await self._close()

    async def _work(self) -> None:
        await self._ownership.begin(await self._publisher.partitions_of(self.room.sources[0].name))
        self._background.start(self._ownership.watch_log(self._consumer, self._publisher.outage), "log watch")
        await self._group.until_joinable(self._consumer, self._lifecycle)
        self.readiness.blocked(self._partitions, f"{self.room.name} waits for Kafka to share out its partitions")
        self._consumer.subscribe(self._topics, listener=self._rebalance())
        while self._lifecycle.running:
            await self._claim_assigned()
            await self._append_reminders()
            for step in steps(await self._poll(), self.room.is_barrier):
                await self._process(step)
            if self._in_flight is not None and self._in_flight[1].done():
                await self._settle()
        await self._settle()
        await self._outbox.stop()
        await self._ownership.commit_offsets_to_kafka(self._consumer)

    def _rebalance(self) -> Rebalance:
        return Rebalance(self._assigned, self._revoked, self._lifecycle)

    def _assigned(self, tps: Iterable[TopicPartition]) -> None:
        self._is_member = True
        self._ownership.assigned(self._consumer, tps)
        self._group.assigned()

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
        await self._background.cancel()
        await self._database.close()

    # --- owning -------------------------------------------------------------------------------------------------------

    async def _claim_assigned(self) -> None:
        """Resume the claims that a rebalance left here; claim the rest once nothing of an earlier claim is under way any more.

        While Kafka is away partitions stay unclaimed, to be claimed at a later turn of the loop.
        """
        await self._ownership.check_partitioning(self._consumer)
        try:
            resumed = await self._ownership.resume_returned(self._consumer)
            if endangered := [claim for claim in resumed if claim.endangered]:
                await self._nothing_under_way()
                for claim in endangered:
                    await self._restate_levels(claim, sorted(claim.endangered))
            if partitions := self._ownership.to_claim():
                await self._nothing_under_way()
                for claim in await self._ownership.claim(self._consumer, partitions):
                    await self._restate_levels(claim)
        except KafkaError as error:
            if not error.retriable:
                raise
            await self._publisher.outage.wait(error, "claim")
        else:
            self._publisher.outage.ended("claim")
        self._show_waiting()

    def _show_waiting(self) -> None:
        """Show the partitions that are assigned here and not claimed yet; before the first assignment none is known."""
        if waiting := self._ownership.waiting():
            self.readiness.blocked(self._partitions, f"partitions {waiting} of {self.room.name} wait to be claimed")
        elif self._is_member:
            self.readiness.cleared(self._partitions)

    async def _nothing_under_way(self) -> None:
        """Return once every decided batch is committed and published."""
        await self._settle()
        await self._outbox.drain()

    async def _restate_levels(self, claim: Claim[S], keys: Sequence[bytes] | None = None) -> None:
        """Publish a partition's levels again, before any that is decided from now on.

        An earlier owner may have delivered an old level after a newer one. What it left unacknowledged it may still deliver,
        for as long as it is paused; once it goes on it joins the group again, so each rebalance restates those levels again.
        """
        current = await self._database.run_with_retry(
            "load", lambda c: self.room.levels(c, claim.partition, claim.at_ms, keys)
        )
        if current:
            offset = claim.next_offsets[0] - 1
            records = [
                last_value(each, self._ownership.partitioning.generation, claim.partition, offset) for each in current
            ]
            self._background.start(self._publisher.publish(records), "restate levels")

    async def _append_reminders(self) -> None:
        """Append the commands that end what has passed its deadline to the owner's own partitions; the log's time decides."""
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
            self._buffer.put(await self._ownership.slices(self._consumer, begin, fetched))
        taken = self._buffer.take(self.options.batch_records, self._claims)
        self._ownership.rewind(self._consumer, self._buffer.dropped())
        return [decoded for fetched in taken if (decoded := self._decode(fetched)) is not None]

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
            await asyncio.sleep(POLL_RETRY_SECONDS)
            return {}
        return fetched

    def _decode(self, fetched: FetchedSlice) -> DecodedSlice | None:
        if fetched.records:
            self._ownership.handovers.read(fetched.claim, fetched.records[0].timestamp)
        return decode_slice(self.room, fetched, self._ownership.partitioning)

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def _process(self, step: BatchStep) -> None:
        """Decide a step while the one before it commits; then let it commit."""
        if (
            step.barrier
            or sum([self.room.size(claim.state) for claim in self._claims.values()]) > self.room.cache_limit
        ):
            await self._settle()
            self._empty_largest_memories()
        batch = await self._decide(step.slices)
        if not await self._settle():
            batch = await self._decide(step.slices)
        if batch.parts:
            self._in_flight = (batch, asyncio.create_task(self._commit(batch.parts)))  # noqa: TID251  _settle awaits it

    def _empty_largest_memories(self) -> None:
        """Empty the largest memories until what is left is at most half of the limit, if all together are beyond it."""
        states = sorted([claim.state for claim in self._claims.values()], key=self.room.size)
        left = sum(map(self.room.size, states))
        if left <= self.room.cache_limit:
            return
        while left > self.room.cache_limit // 2:
            left -= self.room.size(states[-1])
            self.room.forget(states.pop())

    async def _decide(self, slices: list[DecodedSlice], *, thorough: bool = False) -> Batch:
        by_partition: dict[int, list[DecodedSlice]] = {}
        for each in slices:
            if each.partition in self._claims:
                by_partition.setdefault(each.partition, []).append(each)
        work = [(self._claims[partition], theirs) for partition, theirs in by_partition.items()]
        loads = [(claim.state, messages_in(theirs)) for claim, theirs in work]
        await self._database.run_with_retry("load", lambda c: self.room.load(c, loads, thorough=thorough))
        decided = [each for _, theirs in work for each in theirs]
        return Batch(decided, [self._decide_partition(claim, theirs) for claim, theirs in work])

    def _decide_partition(self, claim: Claim[S], slices: Iterable[DecodedSlice]) -> PartitionBatch[S]:
        old_offsets, old_at_ms = claim.next_offsets, claim.at_ms
        outputs: list[Outgoing] = []
        ranges: list[int] = []
        claim.next_offsets = list(old_offsets)
        last: dict[int, Record] = {}
        for each in slices:
            source = self.room.sources[each.source].name
            self._require_contiguous(each, claim.next_offsets[each.source])
            if (adoption := adopted_rules(each)) is None:
                decided, claim.at_ms = decide_records(self.room, claim.state, source, each.readings, claim.at_ms)
                outputs += decided
            else:
                self._ownership.adopt_rules(claim, adoption.version)
            claim.next_offsets[each.source] = each.next
            ranges += (each.source, each.first, each.next)
            if each.last is not None:
                last[each.source] = each.last
        self._name_broken_clock(claim, old_at_ms)
        claim.batch += 1
        changes = self.room.close_batch(claim.state, claim.at_ms)
        generation, offset = self._ownership.partitioning.generation, claim.next_offsets[0] - 1
        outputs += [last_value(record, generation, claim.partition, offset) for record in changes.records]
        claim.last_records = [
            record_digest(last[number]) if number in last else known for number, known in enumerate(claim.last_records)
        ]
        return PartitionBatch(
            claim,
            old_offsets,
            claim.next_offsets,
            claim.at_ms,
            claim.batch,
            ranges,
            outputs,
            changes,
            claim.last_records,
            claim.rules_version,
        )

    def _name_broken_clock(self, claim: Claim[S], before_ms: int) -> None:
        """Log a broker's clock that steps back, or is ahead of ours: what is decided meanwhile ends late by as much."""
        if claim.at_ms < before_ms:
            log.warning(
                "broker_clock_stepped_back",
                room=self.room.name,
                partition=claim.partition,
                by_ms=before_ms - claim.at_ms,
            )
        ahead_ms = claim.at_ms - time.time_ns() // 1_000_000
        if ahead_ms > CLOCK_STEP_MS and claim.at_ms - before_ms > CLOCK_STEP_MS:
            log.warning("broker_clock_ahead", room=self.room.name, partition=claim.partition, by_ms=ahead_ms)

    def _require_contiguous(self, decoded: DecodedSlice, position: int) -> None:
        """Raise NotContiguousError where records would be skipped, silently and for good, or decided twice."""
        if decoded.first != position:
            topic = self.room.sources[decoded.source].name
            raise NotContiguousError(self.room.name, topic, decoded.partition, first=decoded.first, position=position)

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

        A unique violation comes of a duplicate that the fast path did not look for; nothing was applied. What was
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
            await self._commit((await self._decide(batch.slices, thorough=True)).parts)
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
            lag=lambda: 0 if self._waits_rightly() else self._ownership.lag(self._consumer),
            progress=self._ownership.progress,
            on_stuck=self._lifecycle.fail,
        )

    def _waits_rightly(self) -> bool:
        """Tell whether to stand still is right: no restart brings a server back, or a processor's answers."""
        return self.room.is_saturated() or self._database.outage.lasts or self._publisher.outage.lasts

    def _new_consumer(self) -> AIOKafkaConsumer:
        return new_consumer(self.room.name, self.options, ClaimsAssignor(self._ownership.epochs))
