"""The partition owner: reads a room's partitions, decides their batches, and makes each durable in one statement.

One process owns a partition at a time. PostgreSQL says which one (`claims.epoch`) and how far it is (`next_offsets`);
Kafka's group only proposes. Batch n+1 is decided while n commits and n-1 is published; the order per partition holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError

from consumers.errors import FencedError, LogGapError, OwnerStoppedError
from consumers.runtime.batch import Batch, Claim, Part, Run, Step, read_run, steps
from consumers.runtime.commit import QUERIES, commit, commit_statement
from consumers.runtime.database import Database
from consumers.runtime.decision import decide_records, outgoing
from consumers.runtime.outbox import Outbox
from consumers.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.room import Room
    from producers.publisher import Publisher

log = structlog.get_logger()
S = TypeVar("S")

POLL_MS: Final = 100
KAFKA_COMMIT_SECONDS: Final = 1.0


class OwnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner needs to know about where it runs."""

    kafka_bootstrap: str
    postgres_dsn: str
    namespace: str = ""
    batch_records: int = 500
    session_timeout_ms: int = 10_000
    watchdog_seconds: float = 60.0


class PartitionOwner(Generic[S]):
    """Runs one room on whatever partitions Kafka's group gives to this process."""

    def __init__(self, room: Room[S], options: OwnerOptions, publisher: Publisher) -> None:
        self.room = room
        self.options = options
        self.decided = 0
        self._publisher = publisher
        self._database = Database(options.postgres_dsn, room.name)
        self._outbox = Outbox(room.name, self._database, publisher, self._fail)
        self._statement = commit_statement(room)
        self._topics = [topic.in_namespace(options.namespace) for topic in room.sources]
        self._claims: dict[int, Claim[S]] = {}
        self._unclaimed: dict[int, float] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._in_flight: tuple[Batch, asyncio.Task[None]] | None = None
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._partitions = 0
        self._consumer: AIOKafkaConsumer = None

    # --- life ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a graceful end: the batch in hand is finished and published first."""
        self._stopping.set()

    async def run(self) -> None:
        """Own partitions until `stop()`. Raises OwnerStoppedError (or its cause) when the process must start afresh."""
        self._consumer = self._new_consumer()
        await self._consumer.start()
        self._outbox.start()
        watchdog = asyncio.create_task(self._watchdog().watch())
        kafka_commits = asyncio.create_task(self._commit_to_kafka())
        try:
            self._partitions = len(await self._consumer.partitions_for_topic(self._topics[0]) or ())
            self._consumer.subscribe(self._topics, listener=_Rebalance(self))
            while not self._stopping.is_set():
                await self._turn()
            await self._settle()
            await self._outbox.stop()
            await self._tell_kafka()
        finally:
            for task in (watchdog, kafka_commits):
                task.cancel()
            await self.room.stop()
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(self._consumer.stop(), 10)
            await self._database.close()

    async def _turn(self) -> None:
        if self._failure is not None:
            raise self._failure
        await self._adopt()
        await self._remind()
        for step in steps(await self._poll(), self.room.is_barrier):
            await self._take(step)
        if self._in_flight is not None and self._in_flight[1].done():
            await self._settle()

    def _fail(self, error: Exception) -> None:
        """Stop the process from whatever task notices that it must stop."""
        if self._failure is None:
            self._failure = error if isinstance(error, OwnerStoppedError) else OwnerStoppedError(repr(error))

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _poll(self) -> list[Run]:
        """Fetch at most a batch of records, of partitions that are claimed, none from before the claim's position."""
        try:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=self.options.batch_records)
        except OffsetOutOfRangeError as error:
            raise LogGapError(self.room.name, str(error)) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", room=self.room.name, error=repr(error))
            await asyncio.sleep(POLL_MS / 1000)
            return []
        return [run for tp, records in fetched.items() if (run := self._accept(tp, records)) is not None]

    def _accept(self, tp: TopicPartition, records: Sequence[Any]) -> Run | None:
        claim = self._claims.get(tp.partition)
        if claim is None:
            return None
        source = self._topics.index(tp.topic)
        expected = claim.next_offsets[source]
        fresh = [record for record in records if record.offset >= expected]
        if len(fresh) < len(records):
            log.warning("stale_records_refused", room=self.room.name, tp=str(tp), refused=len(records) - len(fresh))
        return read_run(self.room, source, fresh, self._partitions) if fresh else None

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def _take(self, step: Step) -> None:
        """Decide a step while the one before it commits; then let it commit."""
        if step.barrier or self._memory_is_full(step.runs):
            await self._settle()
        batch = await self._decide(step.runs)
        if not await self._settle():
            batch = await self._decide(step.runs)
        if batch.parts:
            self._in_flight = (batch, asyncio.create_task(self._commit(batch)))

    async def _decide(self, runs: list[Run], *, thorough: bool = False) -> Batch:
        by_partition: dict[int, list[Run]] = {}
        for run in runs:
            if run.partition in self._claims:
                by_partition.setdefault(run.partition, []).append(run)
        claims = {partition: self._claims[partition] for partition in by_partition}
        loads = [
            (claims[p].state, [m for run in ours for _, m in run.readings if isinstance(m, msgspec.Struct)])
            for p, ours in by_partition.items()
        ]
        await self._database.repeatedly("load", lambda c: self.room.load(c, loads, thorough=thorough))
        return Batch(runs, [self._decide_part(claims[p], ours) for p, ours in by_partition.items()])

    def _decide_part(self, claim: Claim[S], runs: list[Run]) -> Part[S]:
        old_offsets, says, ranges = claim.next_offsets, [], []
        claim.next_offsets = list(old_offsets)
        for run in runs:
            source = self.room.sources[run.source].name
            said, claim.at_ms = decide_records(self.room, claim.state, source, run.readings, claim.at_ms)
            says += said
            claim.next_offsets[run.source] = run.next
            ranges += (run.source, run.first, run.next)
            self.decided += len(run.readings)
        claim.batch += 1
        changes = self.room.close_batch(claim.state, claim.at_ms)
        says += [outgoing(record) for record in changes.records]
        return Part(claim, old_offsets, claim.next_offsets, claim.at_ms, claim.batch, ranges, says, changes)

    def _memory_is_full(self, runs: list[Run]) -> bool:
        full = [c for c in self._claims.values() if self.room.size(c.state) > self.room.cache_limit]
        return bool(full and runs)

    # --- committing ---------------------------------------------------------------------------------------------------

    async def _commit(self, batch: Batch) -> None:
        parts = batch.parts
        while parts:
            try:
                await commit(self._database, self.room, self._statement, parts)
                break
            except FencedError as fenced:
                log.warning("fenced", room=self.room.name, partitions=fenced.partitions)
                self._give_up([part.claim for part in parts if part.claim.partition in fenced.partitions])
                parts = [part for part in parts if part.claim.partition not in fenced.partitions]
        for part in parts:
            for source, topic in enumerate(self._topics):
                self._durable[TopicPartition(topic, part.claim.partition)] = part.new_offsets[source]
            self.room.after_commit(part.claim.partition, part.changes.effects)
        await self._outbox.put(parts)

    async def _settle(self) -> bool:
        """Wait for the commit in flight. Return False when it had to be decided anew: then memory has changed."""
        if self._in_flight is None:
            self._empty_full_memory()
            return True
        (batch, task), self._in_flight = self._in_flight, None
        try:
            await task
        except asyncpg.IntegrityConstraintViolationError as violation:
            log.info("decided_anew", room=self.room.name, why=str(violation))
            await self._reload()
            await self._commit(await self._decide(batch.runs, thorough=True))
            return False
        self._empty_full_memory()
        return True

    def _empty_full_memory(self) -> None:
        for claim in self._claims.values():
            if self.room.size(claim.state) > self.room.cache_limit:
                self.room.forget(claim.state)

    async def _reload(self) -> None:
        """Go back to what the database says: positions, and empty memories."""
        partitions = list(self._claims)
        rows = await self._database.repeatedly(
            "load", lambda c: c.fetch(QUERIES["positions"], self.room.name, partitions)
        )
        for row in rows:
            claim = self._claims.get(row["partition"])
            if claim is None or row["epoch"] != claim.epoch:
                continue
            claim.next_offsets, claim.at_ms, claim.batch = list(row["next_offsets"]), row["at_ms"], row["batch"]
            claim.state = self.room.new_state(claim.partition)
            await self._database.repeatedly(
                "load", lambda c, claim=claim: self.room.claimed(c, claim.partition, claim.state)
            )

    # --- owning -------------------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Claim what Kafka's group has assigned to us: fence the earlier owner, say what it left unsaid, seek."""
        now = time.monotonic()
        due = sorted(partition for partition, at in self._unclaimed.items() if at <= now)
        if not due:
            return
        await self._settle()
        await self._outbox.drain()
        sources = [TopicPartition(topic, partition) for partition in due for topic in self._topics]
        first = await self._consumer.beginning_offsets(sources)
        for partition in due:
            await self._claim(partition, [first[TopicPartition(topic, partition)] for topic in self._topics])

    async def _claim(self, partition: int, first_offsets: list[int]) -> None:
        row = await self._database.repeatedly(
            "load", lambda c: c.fetchrow(QUERIES["claim"], self.room.name, partition, first_offsets)
        )
        offsets = list(row["next_offsets"])
        if any(offset < first for offset, first in zip(offsets, first_offsets, strict=True)):
            raise LogGapError(self.room.name, f"partition {partition}: next {offsets}, the log begins at {first_offsets}")
        republished = await self._outbox.republish(partition)
        claim = Claim(partition, row["epoch"], offsets, row["at_ms"], row["batch"], self.room.new_state(partition))
        await self._database.repeatedly("load", lambda c: self.room.claimed(c, partition, claim.state))
        if partition not in self._unclaimed:
            return
        sources = [TopicPartition(topic, partition) for topic in self._topics]
        try:
            for tp, offset in zip(sources, offsets, strict=True):
                self._consumer.seek(tp, offset)
            self._consumer.resume(*sources)
        except IllegalStateError:
            return
        del self._unclaimed[partition]
        self._claims[partition] = claim
        log.info(
            "claimed", room=self.room.name, partition=partition, epoch=claim.epoch, next=offsets, republished=republished
        )

    def _give_up(self, claims: list[Claim[S]]) -> None:
        """Stop deciding at once; if Kafka still assigns the partition to us a session later, claim it again."""
        for claim in claims:
            if self._claims.get(claim.partition) is claim:
                del self._claims[claim.partition]
                self._unclaimed[claim.partition] = time.monotonic() + self.options.session_timeout_ms / 1000
                self.room.released(claim.partition)

    def assigned(self, tps: set[TopicPartition]) -> None:
        """Note what Kafka assigned; it stays paused until it is claimed."""
        self._consumer.pause(*tps)
        for tp in tps:
            # Without a position of its own the consumer would look for one; the claim sets the true one.
            self._consumer.seek(tp, self._durable.get(tp, 0))
            self._unclaimed[tp.partition] = 0.0

    def revoked(self, tps: set[TopicPartition]) -> None:
        """Forget what Kafka took away; a commit under way may still win or be fenced, both are right."""
        for partition in {tp.partition for tp in tps}:
            self._unclaimed.pop(partition, None)
            if self._claims.pop(partition, None) is not None:
                self.room.released(partition)

    async def _remind(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        reminders = [
            outgoing(message, partition=claim.partition)
            for claim in self._claims.values()
            if (message := self.room.reminder(claim.state, now_ms)) is not None
        ]
        if reminders:
            await self._publisher.publish(reminders)

    # --- Kafka's view -------------------------------------------------------------------------------------------------

    async def _commit_to_kafka(self) -> None:
        while True:
            await asyncio.sleep(KAFKA_COMMIT_SECONDS)
            await self._tell_kafka()

    async def _tell_kafka(self) -> None:
        """Commit offsets to Kafka, late and only so that lag tools see them."""
        assigned = self._consumer.assignment()
        offsets = {tp: offset for tp, offset in self._durable.items() if tp in assigned and tp.partition in self._claims}
        if not offsets:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), 5)
        except (KafkaError, TimeoutError) as error:
            log.info("lag_not_updated", room=self.room.name, error=repr(error))

    def _watchdog(self) -> Watchdog:
        return Watchdog(
            self.room.name,
            self.options.watchdog_seconds,
            lag=self._lag,
            progress=lambda: sum(self._durable.values()),
            on_stuck=self._fail,
        )

    def _lag(self) -> int:
        """Return how many fetched or known records of our claims are not durable yet."""
        lag = 0
        for claim in self._claims.values():
            for topic in self._topics:
                tp = TopicPartition(topic, claim.partition)
                if tp in self._consumer.assignment() and (end := self._consumer.highwater(tp)) is not None:
                    lag += max(0, end - self._durable.get(tp, end))
        return lag

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self.options.kafka_bootstrap,
            group_id=f"{self.options.namespace}{self.room.name}",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            # Range gives partition i of every source topic to the same member.
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=self.options.session_timeout_ms,
            heartbeat_interval_ms=max(100, self.options.session_timeout_ms // 5),
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=100,
        )


class _Rebalance(ConsumerRebalanceListener):
    """Hands Kafka's word to the owner; an exception here would be swallowed, so it becomes the owner's failure."""

    def __init__(self, owner: PartitionOwner[Any]) -> None:
        self._owner = owner

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        try:
            self._owner.revoked(revoked)
        except Exception as error:  # noqa: BLE001
            self._owner._fail(error)  # noqa: SLF001

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            self._owner.assigned(assigned)
        except Exception as error:  # noqa: BLE001
            self._owner._fail(error)  # noqa: SLF001
