"""The partition owner: reads its rooms' partitions, decides their batches, and makes each durable in one statement.

One process owns a partition at a time. The row in `claims` decides which one (`epoch`) and how far it is (`next_offsets`);
Kafka's group only proposes. Batch n+1 is decided while n commits and n-1 is published; the order per partition holds.
Several rooms that read the same log share one reader (hosting.py); one room alone is the same code.

Decisions: docs/decisions, 001, 042.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from consumers.errors import FencedError
from consumers.runtime.background import BackgroundTasks
from consumers.runtime.batch_decider import BatchDecider
from consumers.runtime.claiming import Claiming
from consumers.runtime.deciding.batch import Batch, BatchStep, DecodedSlice, PartitionBatch, steps
from consumers.runtime.hosting import Hosting
from consumers.runtime.kafka.assignor import ClaimsAssignor, is_room
from consumers.runtime.kafka.consumer import group_id, new_consumer, pace_heartbeats, started
from consumers.runtime.kafka.fetch_pacing import REST_SECONDS
from consumers.runtime.kafka.group import GroupWatch
from consumers.runtime.kafka.rebalance import Rebalance
from consumers.runtime.lifecycle import ProcessLifecycle
from consumers.runtime.log_reader import LogReader
from consumers.runtime.log_watch import watch_log
from consumers.runtime.meter import Meter
from consumers.runtime.ownership import Ownership
from consumers.runtime.pausing import Pausing
from consumers.runtime.postgres.commit import commit, commit_statement
from consumers.runtime.postgres.database import Database
from consumers.runtime.postgres.outbox import Outbox
from consumers.runtime.reminders import Reminders
from consumers.runtime.room import Room
from consumers.runtime.room_costs import RoomCosts
from consumers.runtime.watchdog import Watchdog
from producers.outage import Readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.options import OwnerOptions
    from producers.publisher import Publisher

log = structlog.get_logger()
BUSY_WAIT_SECONDS: Final = 0.02
"""Longest wait for records while something else is under way: a claim, positions or effects that wait for their turn."""
KAFKA_COMMIT_SECONDS: Final = 1.0


class PartitionOwner:
    """Runs rooms on whatever partitions Kafka's group assigns to this process. Several rooms read the same log.

    `readiness` shows what keeps it from its work (servers, claims), `costs` what its rooms cost; `meter` takes note of batches.
    """

    def __init__(
        self,
        rooms: Room[Any] | Sequence[Room[Any]],
        options: OwnerOptions,
        publisher: Publisher,
        readiness: Readiness | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._hosting = Hosting([rooms] if isinstance(rooms, Room) else rooms, options.namespace)
        self.rooms = self._hosting.rooms
        self.name = self._hosting.name
        self.options = options
        self._lifecycle = ProcessLifecycle()
        self._background = BackgroundTasks(self._lifecycle.fail)
        self._publisher = publisher
        self.readiness = readiness if readiness is not None else Readiness()
        self._meter = meter if meter is not None else Meter()
        self._database = Database(options.postgres_dsn, self.name, self.readiness)
        names = [room.name for room in self.rooms]
        self._outbox = Outbox(self.name, names, self._database, publisher, self._background)
        group = group_id(self.name, options)
        retry_seconds = options.session_timeout_ms / 1000
        self._ownership = Ownership(self._hosting, group, self._database, self._outbox, retry_seconds=retry_seconds)
        self._claims = self._ownership.claims
        self._assignor = ClaimsAssignor(self._ownership.epochs)
        self._reminders = Reminders(self.rooms, self._claims, publisher)
        self._group = GroupWatch(
            self.name, group, ClaimsAssignor.name, lambda member: is_room(member.metadata), self.readiness
        )
        self._reader = LogReader(self._hosting, options, self._ownership, self._database, self.readiness)
        self._pausing = Pausing(
            self._hosting, self._ownership, self._database, drop=self._reader.revoked, wake=self._reader.wake
        )
        self.costs = RoomCosts(self._hosting, self._ownership)
        self._decider = BatchDecider(self._hosting, self._ownership, self._database, self._lifecycle, self.costs)
        self._claiming = Claiming(
            self._hosting,
            self._ownership,
            self._database,
            publisher,
            background=self._background,
            readiness=self.readiness,
        )
        self._statement: Callable[[tuple[str, ...]], str] = commit_statement
        self._in_flight: tuple[Batch, asyncio.Task[None]] | None = None
        self._consumer: AIOKafkaConsumer = None

    # --- lifecycle ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a graceful end: the batch in hand is finished and published first."""
        self._lifecycle.stop()
        self._reader.wake()

    async def run(self) -> None:
        """Own partitions until `stop()`. Raises OwnerStoppedError (or its cause) when the process must start afresh."""
        self._consumer = await started(self._new_consumer, self._publisher.outage, self._lifecycle)
        for room in self.rooms:
            room.start(self._background, self._reader.wake)
        self._outbox.start()
        self._background.start(self._watchdog().watch(), "watchdog")
        self._background.start(self._commit_to_kafka(), "commit offsets to Kafka")
        self._background.start(self._group.watch(self._consumer), "group watch")
        try:
            await self._lifecycle.run(self._work())
        finally:
            await self._close()

    async def _work(self) -> None:
        await self._ownership.begin(await self._publisher.partitions_of(self._hosting.source.name))
        watching = watch_log(
            self._consumer, self._hosting, lambda: self._ownership.partitioning.partitions, self._publisher.outage
        )
        self._background.start(watching, "log watch")
        await self._group.until_joinable(self._consumer, self._lifecycle)
        self._consumer.subscribe([self._hosting.topic], listener=self._rebalance())
        while self._lifecycle.running:
            await self._pausing.look(self._consumer)
            await self._claiming.claim_assigned(self._consumer, self._nothing_under_way)
            await self._reminders.append()
            await self._resume_effects()
            for step in self._steps(await self._reader.read(self._consumer, self._patience_seconds())):
                if not await self._process(step):
                    break
            if self._in_flight is not None and self._in_flight[1].done():
                await self._settle()
        await self._process(BatchStep([]))  # what was passed over
        await self._settle()
        await self._outbox.stop()
        await self._commit_offsets()

    def _rebalance(self) -> Rebalance:
        return Rebalance(self._assigned, self._revoked, self._lifecycle)

    def _assigned(self, tps: Iterable[TopicPartition]) -> None:
        pace_heartbeats(self._consumer, self.options, is_alone=self._assignor.is_alone)
        self._ownership.assigned(self._consumer, tps)
        self._claiming.joined()
        self._group.assigned()
        self._reader.wake()

    def _revoked(self, tps: Iterable[TopicPartition]) -> None:
        self._reader.revoked({tp.partition for tp in tps})
        self._ownership.revoked(tps)

    async def _close(self) -> None:
        """Leave the group, so that a successor need not wait for our session to end; bounded in time."""
        self.costs.report()
        self._outbox.abandon()
        if self._in_flight is not None:
            self._in_flight[1].cancel()
        for room in self.rooms:
            await room.stop()
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(self._consumer.stop(), 10)
        await self._background.cancel()
        self._publisher.outage.abandoned("claim", "topics")
        await self._database.close()

    # --- owning -------------------------------------------------------------------------------------------------------

    async def _nothing_under_way(self) -> None:
        """Return once every decided batch is committed and published."""
        await self._settle()
        await self._outbox.drain()

    async def _resume_effects(self) -> None:
        """Begin effects that are durable and had no room in memory."""
        for room in self.rooms:
            if room.has_effects_to_resume():
                await self._database.run_with_retry("load", room.resume_effects)

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _patience_seconds(self) -> float:
        """Return how long to wait for records: whoever has nothing else to do is woken by what comes, or by a deadline."""
        is_at_rest = (
            self._claiming.is_member
            and self._in_flight is None
            and not self._ownership.waiting()
            and not any(room.has_effects_to_resume() for room in self.rooms)
        )
        if not is_at_rest:
            return BUSY_WAIT_SECONDS
        looks = min(self._ownership.watcher.next_look, self._pausing.next_look)
        wakes = (self._decider.moves_in_seconds(), self._reminders.next_in_seconds(), looks, REST_SECONDS)
        return max(0.0, min(wakes))

    def _steps(self, slices: list[DecodedSlice]) -> list[BatchStep]:
        """Cut what was read into steps; without any, one moves the positions of rooms that passed over records."""
        cut = steps(slices, self._hosting.is_barrier)
        return cut or ([BatchStep([])] if self._decider.moves_in_seconds() <= 0 else [])

    async def _process(self, step: BatchStep) -> bool:
        """Decide a step while the one before it commits; then let it commit. Return False when positions went back."""
        if step.barrier or self._decider.is_memory_full():
            if not await self._settle():
                return False
            self._decider.empty_largest_memories()
        batch = await self._decider.decide(step.slices)
        if not await self._settle():
            return False
        if batch.parts:
            self._in_flight = (batch, asyncio.create_task(self._commit(batch.parts)))  # noqa: TID251  _settle awaits it
        return True

    # --- committing ---------------------------------------------------------------------------------------------------

    async def _commit(self, parts: list[PartitionBatch[Any]]) -> None:
        """Make the parts durable; those of partitions that are fenced are dropped, the others tried again without them."""
        while parts:
            try:
                self._meter.committed(parts, await commit(self._database, self._statement, parts))
                break
            except FencedError as fenced:
                log.warning("fenced", room=self.name, partitions=fenced.partitions)
                self._meter.failed("fenced")
                lost = {part.claim.partition for part in parts if part.claim.partition in fenced.partitions}
                self._ownership.fenced_in(lost, [part.claim for part in parts])
                parts = [part for part in parts if part.claim.partition not in lost]
                await self._ownership.rows.require_own_group(sorted(lost))
        self._ownership.became_durable(parts)
        self.costs.durable(parts)
        for part in parts:
            part.room.after_commit(part.claim.partition, part.changes.effects)
        await self._outbox.put(parts)

    async def _settle(self) -> bool:
        """Wait for the commit in flight. Return False when it did not come to pass: then memory and positions went back.

        A unique violation comes of a duplicate that the fast path did not look for; nothing was applied. What was
        decided is dropped, memory too, and the same records are read and decided again with all that they touch loaded.
        """
        if self._in_flight is None:
            return True
        (batch, task), self._in_flight = self._in_flight, None
        try:
            await task
        except asyncpg.IntegrityConstraintViolationError as violation:
            if batch.is_thorough:
                raise
            log.info("decided_anew", room=self.name, why=str(violation))
            self._meter.failed("decided_anew")
            self._reader.drop(self._claims)
            await self._ownership.reload(self._consumer)
            return False
        return True

    async def _commit_offsets(self) -> None:
        await self._ownership.durable.commit_to_kafka(self._consumer, self._ownership.claimed_tps(self._consumer))

    async def _commit_to_kafka(self) -> None:
        while True:
            await asyncio.sleep(KAFKA_COMMIT_SECONDS)
            await self._commit_offsets()

    def _watchdog(self) -> Watchdog:
        return Watchdog(
            self.name,
            self.options.watchdog_seconds,
            lag=self._lag,
            progress=self._ownership.durable.progress,
            on_stuck=self._lifecycle.fail,
        )

    def _lag(self) -> int:
        """Return how many records wait to be decided; none where no restart brings what is waited for, be it an operator."""
        if self._database.outage.lasts or self._publisher.outage.lasts or self._reader.waits_for_others:
            return 0
        tps = [tp for tp in self._ownership.claimed_tps(self._consumer) if not self._pausing.holds_up(tp.partition)]
        return self._ownership.durable.lag(self._consumer, tps, self._ownership.partitioning)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return new_consumer(self.name, self.options, self._assignor)
