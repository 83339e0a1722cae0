"""The partition owner: reads its rooms' partitions, decides their batches, and makes each durable in one statement.

One process owns a partition at a time. The row in `claims` decides which one (`epoch`) and how far it is (`next_offsets`);
Kafka's group only proposes. Batch n+1 is decided while n commits and n-1 is published; the order per partition holds.
Several rooms that read the same log share one reader (hosting.py); one room alone is the same code.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumers.errors import FencedError, LogGapError, NotContiguousError
from consumers.runtime.background import BackgroundTasks
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
from consumers.runtime.hosting import Hosting
from consumers.runtime.kafka.assignor import ClaimsAssignor, is_room
from consumers.runtime.kafka.consumer import group_id, new_consumer, started
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS, FetchBuffer
from consumers.runtime.kafka.fetch_pacing import REST_SECONDS, FetchPacing
from consumers.runtime.kafka.group import GroupWatch
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.kafka.rebalance import Rebalance
from consumers.runtime.kafka.record_wait import RecordWait
from consumers.runtime.lifecycle import ProcessLifecycle
from consumers.runtime.log_identity import record_digest
from consumers.runtime.newer_schemas import NewerSchemas
from consumers.runtime.origins.check import OriginCheck
from consumers.runtime.ownership import Ownership
from consumers.runtime.postgres.commit import commit, commit_statement
from consumers.runtime.postgres.database import Database
from consumers.runtime.postgres.outbox import Outbox
from consumers.runtime.room import Room
from consumers.runtime.watchdog import Watchdog
from producers.outage import Readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.claim import Claim, HostedPartition
    from consumers.runtime.deciding.record import Record
    from consumers.runtime.options import OwnerOptions
    from producers.publisher import Outgoing, Publisher

log = structlog.get_logger()
BUSY_WAIT_SECONDS: Final = 0.02
"""Longest wait for records while something else is under way: a claim, positions or effects that wait for their turn."""
POLL_RETRY_SECONDS: Final = 0.2
KAFKA_COMMIT_SECONDS: Final = 1.0
PASSED_OVER_SECONDS: Final = 0.3
"""How long the position of a room that was concerned in nothing waits for its next batch before it is made durable alone."""


class PartitionOwner:
    """Runs rooms on whatever partitions Kafka's group assigns to this process. Several rooms read the same log.

    `readiness` shows what keeps it from its work: servers that are away, partitions that wait to be claimed.
    """

    def __init__(
        self,
        rooms: Room[Any] | Sequence[Room[Any]],
        options: OwnerOptions,
        publisher: Publisher,
        readiness: Readiness | None = None,
    ) -> None:
        self._hosting = Hosting([rooms] if isinstance(rooms, Room) else rooms, options.namespace)
        self.rooms = self._hosting.rooms
        self.name = self._hosting.name
        self.options = options
        self._lifecycle = ProcessLifecycle()
        self._background = BackgroundTasks(self._lifecycle.fail)
        self._publisher = publisher
        self.readiness = readiness if readiness is not None else Readiness()
        self._database = Database(options.postgres_dsn, self.name, self.readiness)
        self._outbox = Outbox(
            self.name, [room.name for room in self.rooms], self._database, publisher, self._background
        )
        group = group_id(self.name, options)
        self._ownership = Ownership(
            self._hosting, group, self._database, self._outbox, retry_seconds=options.session_timeout_ms / 1000
        )
        self._claims = self._ownership.claims
        self._group = GroupWatch(
            self.name,
            group,
            ClaimsAssignor.name,
            lambda member: is_room(member.metadata),
            self.readiness,
        )
        self._newer = NewerSchemas(self.name, self._database, self.readiness)
        self._origins = OriginCheck(self._hosting, options.namespace, self._database, self.readiness)
        self._is_member = False
        self._partitions = f"partitions of {self.name}"
        self.readiness.blocked(self._partitions, f"{self.name} waits for Kafka to share out its partitions")
        self._statement: Callable[[tuple[str, ...]], str] = commit_statement
        self._in_flight: tuple[Batch, asyncio.Task[None]] | None = None
        self._buffer = FetchBuffer()
        self._pacing = FetchPacing(max(room.fetch_min_bytes for room in self.rooms))
        self._record_wait = RecordWait()
        self._consumer: AIOKafkaConsumer = None

    # --- lifecycle ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask for a graceful end: the batch in hand is finished and published first."""
        self._lifecycle.stop()
        self._record_wait.wake()

    async def run(self) -> None:
        """Own partitions until `stop()`. Raises OwnerStoppedError (or its cause) when the process must start afresh."""
        self._consumer = await started(self._new_consumer, self._publisher.outage, self._lifecycle)
        for room in self.rooms:
            room.start(self._background)
        self._outbox.start()
        self._background.start(self._watchdog().watch(), "watchdog")
        self._background.start(self._commit_to_kafka(), "commit offsets to Kafka")
        self._background.start(self._group.watch(self._consumer), "group watch")
        try:
            await self._lifecycle.run(self._work())
        finally:
            await self._close()

    async def _work(self) -> None:
        await self._ownership.begin(await self._publisher.partitions_of(self._hosting.names[0]))
        self._background.start(self._ownership.watch_log(self._consumer, self._publisher.outage), "log watch")
        await self._group.until_joinable(self._consumer, self._lifecycle)
        self._consumer.subscribe(self._hosting.topics, listener=self._rebalance())
        while self._lifecycle.running:
            await self._claim_assigned()
            await self._append_reminders()
            await self._resume_effects()
            for step in self._steps(await self._poll()):
                if not await self._process(step):
                    break
            if self._in_flight is not None and self._in_flight[1].done():
                await self._settle()
        await self._process(BatchStep([]))  # what was passed over
        await self._settle()
        await self._outbox.stop()
        await self._ownership.commit_offsets_to_kafka(self._consumer)

    def _rebalance(self) -> Rebalance:
        return Rebalance(self._assigned, self._revoked, self._lifecycle)

    def _assigned(self, tps: Iterable[TopicPartition]) -> None:
        self._is_member = True
        self._ownership.assigned(self._consumer, tps)
        self._group.assigned()
        self._record_wait.wake()

    def _revoked(self, tps: Iterable[TopicPartition]) -> None:
        partitions = {tp.partition for tp in tps}
        self._buffer.revoke(partitions)
        self._newer.revoked(partitions)
        self._origins.revoked(partitions)
        self._ownership.revoked(tps)

    async def _close(self) -> None:
        """Leave the group, so that a successor need not wait for our session to end; bounded in time."""
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

    async def _claim_assigned(self) -> None:
        """Resume the claims that a rebalance left here; claim the rest once nothing of an earlier claim is under way any more.

        While Kafka is away partitions stay unclaimed, to be claimed at a later turn of the loop.
        """
        await self._ownership.check_partitioning(self._consumer)
        try:
            resumed = await self._ownership.resume_returned(self._consumer)
            endangered = [(n, it) for hosted in resumed for n, it in enumerate(hosted.claims) if it.endangered]
            if endangered:
                await self._nothing_under_way()
                for number, claim in endangered:
                    await self._restate_levels(self.rooms[number], claim, sorted(claim.endangered))
            if partitions := self._ownership.to_claim():
                await self._nothing_under_way()
                for hosted in await self._ownership.claim(self._consumer, partitions):
                    for room, claim in zip(self.rooms, hosted.claims, strict=True):
                        await self._restate_levels(room, claim)
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
            self.readiness.blocked(self._partitions, f"partitions {waiting} of {self.name} wait to be claimed")
        elif self._is_member:
            self.readiness.cleared(self._partitions)

    async def _nothing_under_way(self) -> None:
        """Return once every decided batch is committed and published."""
        await self._settle()
        await self._outbox.drain()

    async def _restate_levels(self, room: Room[Any], claim: Claim[Any], keys: Sequence[bytes] | None = None) -> None:
        """Publish a partition's levels again, before any that is decided from now on.

        An earlier owner may have delivered an old level after a newer one. What it left unacknowledged it may still deliver,
        for as long as it is paused; once it goes on it joins the group again, so each rebalance restates those levels again.
        """
        current = await self._database.run_with_retry(
            "load", lambda c: room.levels(c, claim.partition, claim.at_ms, keys)
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
            for hosted in self._claims.values()
            for room, claim in zip(self.rooms, hosted.claims, strict=True)
            if (message := room.reminder(claim.state, now_ms)) is not None
        ]
        if reminders:
            await self._publisher.publish(reminders)

    async def _resume_effects(self) -> None:
        """Begin effects that are durable and had no room in memory."""
        for room in self.rooms:
            if room.has_effects_to_resume():
                await self._database.run_with_retry("load", room.resume_effects)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _poll(self) -> list[DecodedSlice]:
        """Return at most a batch of records, of partitions that are claimed, none from before the claim's position."""
        if not self._buffer:
            begin = await self._ownership.fetch_positions(self._consumer)
            fetched = await self._fetch()
            self._buffer.put(await self._ownership.slices(self._consumer, begin, fetched))
        taken = self._buffer.take(self.options.batch_records, self._claims)
        self._ownership.rewind(self._consumer, self._buffer.dropped())
        decoded = [found for fetched in taken if (found := self._decode(fetched)) is not None]
        kept, newer = await self._newer.hold_back(decoded)
        is_thorough = any(hosted.is_thorough for hosted in self._claims.values())
        kept, undecided = await self._origins.hold_back(kept, self._consumer.end_offsets, thorough=is_thorough)
        if held := newer + undecided:
            self._ownership.read_again(self._consumer, held)
            await asyncio.sleep(POLL_RETRY_SECONDS)
        return kept

    async def _fetch(self) -> Mapping[TopicPartition, Sequence[Any]]:
        try:
            with self._pacing.reading(self._consumer):
                if not (fetched := await self._read()):
                    await self._record_wait.until_records(self._consumer, self._patience_seconds())
                    fetched = await self._read()
        except OffsetOutOfRangeError as error:
            raise LogGapError.unreadable(self.name, error) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", room=self.name, error=repr(error))
            await asyncio.sleep(POLL_RETRY_SECONDS)
            return {}
        return fetched

    async def _read(self) -> Mapping[TopicPartition, Sequence[Any]]:
        """Return what has been fetched, without waiting for more."""
        return await read_records(
            self._consumer, self._ownership.positions, timeout_ms=0, max_records=READ_AHEAD_RECORDS
        )

    def _patience_seconds(self) -> float:
        """Return how long to wait for records: whoever has nothing else to do is woken by what comes."""
        is_at_rest = (
            self._is_member
            and self._in_flight is None
            and not self._ownership.waiting()
            and not any(room.has_effects_to_resume() for room in self.rooms)
        )
        if not is_at_rest:
            return BUSY_WAIT_SECONDS
        passed_at = [it.passed_at for hosted in self._claims.values() for it in hosted.claims if it.passed]
        left = min(passed_at, default=math.inf) + PASSED_OVER_SECONDS - time.monotonic()
        return min(max(left, BUSY_WAIT_SECONDS), REST_SECONDS)

    def _decode(self, fetched: FetchedSlice) -> DecodedSlice | None:
        if fetched.records:
            self._ownership.reads(fetched)
        return decode_slice(self._hosting.accepted, fetched, self._ownership.partitioning)

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _steps(self, slices: list[DecodedSlice]) -> list[BatchStep]:
        """Cut what was read into steps; without any, one moves the positions of rooms that have waited long enough."""
        return steps(slices, self._hosting.is_barrier) or ([BatchStep([])] if self._passed_long_ago() else [])

    def _passed_long_ago(self) -> bool:
        """Tell whether a room passed over records a while ago and has decided nothing since."""
        before = time.monotonic() - (PASSED_OVER_SECONDS if self._lifecycle.running else 0)
        return any(claim.passed and claim.passed_at < before for it in self._claims.values() for claim in it.claims)

    async def _process(self, step: BatchStep) -> bool:
        """Decide a step while the one before it commits; then let it commit. Return False when positions went back."""
        if step.barrier or self._is_memory_full():
            if not await self._settle():
                return False
            self._empty_largest_memories()
        batch = await self._decide(step.slices)
        if not await self._settle():
            return False
        if batch.parts:
            self._in_flight = (batch, asyncio.create_task(self._commit(batch.parts)))  # noqa: TID251  _settle awaits it
        return True

    def _states_of(self, number: int) -> list[Any]:
        return [hosted.claims[number].state for hosted in self._claims.values()]

    def _is_memory_full(self) -> bool:
        return any(
            sum(map(room.size, self._states_of(number))) > room.cache_limit for number, room in enumerate(self.rooms)
        )

    def _empty_largest_memories(self) -> None:
        """Empty a room's largest memories until what is left is at most half of its limit, if they are beyond it."""
        for number, room in enumerate(self.rooms):
            states = sorted(self._states_of(number), key=room.size)
            left = sum(map(room.size, states))
            if left <= room.cache_limit:
                continue
            while left > room.cache_limit // 2:
                left -= room.size(states[-1])
                room.forget(states.pop())

    async def _decide(self, slices: list[DecodedSlice]) -> Batch:
        """Hand each room its share, load what all of them need, and decide room by room."""
        by_partition: dict[int, list[DecodedSlice]] = {}
        for each in slices:
            if each.partition in self._claims:
                by_partition.setdefault(each.partition, []).append(each)
        work = [(self._claims[partition], theirs) for partition, theirs in by_partition.items()]
        shares = [(number, self._shares(number, work)) for number in range(len(self.rooms))]
        is_thorough = any(hosted.is_thorough for hosted, _ in work)
        await self._database.run_with_retry("load", lambda c: self._load(c, shares, thorough=is_thorough))
        for hosted, theirs in work:
            self._hand_out(hosted, theirs)
        parts = [
            part
            for number, theirs in shares
            for claim, mine in theirs
            if (part := self._decide_share(number, claim, mine))
        ]
        return Batch([*parts, *self._late_parts(parts)], is_thorough)

    def _shares(
        self, number: int, work: Sequence[tuple[HostedPartition, Sequence[DecodedSlice]]]
    ) -> list[tuple[Claim[Any], list[DecodedSlice]]]:
        """Return what one room has to decide, claim by claim."""
        found = []
        for hosted, slices in work:
            claim = hosted.claims[number]
            partitioning = self._ownership.partitioning
            shares = (self._hosting.share(number, each, claim, partitioning) for each in slices)
            if theirs := [each for each in shares if each is not None]:
                found.append((claim, theirs))
        return found

    async def _load(
        self,
        connection: asyncpg.Connection,
        shares: Sequence[tuple[int, Sequence[tuple[Claim[Any], list[DecodedSlice]]]]],
        *,
        thorough: bool,
    ) -> None:
        for number, theirs in shares:
            loads = [(claim.state, messages) for claim, slices in theirs if (messages := messages_in(slices))]
            if loads:
                await self.rooms[number].load(connection, loads, thorough=thorough)

    def _hand_out(self, hosted: HostedPartition, slices: Iterable[DecodedSlice]) -> None:
        """Move the reader's position over slices that are decided now."""
        hosted.next_offsets = list(hosted.next_offsets)
        for each in slices:
            self._require_contiguous(
                self.name, self._hosting.names[each.source], each, hosted.next_offsets[each.source]
            )
            hosted.next_offsets[each.source] = each.next

    def _decide_share(self, number: int, claim: Claim[Any], slices: list[DecodedSlice]) -> PartitionBatch[Any] | None:
        """Decide a room's share; None where nothing of it concerns the room, which passes over it."""
        if any(each.readings for each in slices):
            return self._decide_partition(self.rooms[number], claim, slices)
        now = time.monotonic()
        for each in slices:
            self._require_room_contiguous(self.rooms[number], each, claim)
            claim.pass_over(each.source, each.first, each.next, now)
            if each.last is not None:
                claim.last_records = list(claim.last_records)
                claim.last_records[each.source] = record_digest(each.last)
        return None

    def _late_parts(self, parts: Sequence[PartitionBatch[Any]]) -> list[PartitionBatch[Any]]:
        """Move on the rooms that passed over records a while ago; all of them together, as the statement is paid for."""
        if not (parts or self._passed_long_ago()):
            return []
        before = time.monotonic() - (PASSED_OVER_SECONDS / 2 if parts and self._lifecycle.running else 0)
        return [
            self._decide_partition(room, claim, [])
            for hosted in self._claims.values()
            for room, claim in zip(self.rooms, hosted.claims, strict=True)
            if claim.passed and claim.passed_at < before
        ]

    def _decide_partition(
        self, room: Room[Any], claim: Claim[Any], slices: Iterable[DecodedSlice]
    ) -> PartitionBatch[Any]:
        old_offsets, old_at_ms = claim.committing_offsets, claim.at_ms
        outputs: list[Outgoing] = []
        ranges, claim.passed = claim.passed, []
        claim.next_offsets = list(claim.next_offsets)
        last: dict[int, Record] = {}
        for each in slices:
            self._require_room_contiguous(room, each, claim)
            if (adoption := adopted_rules(each)) is None:
                source = room.sources[each.source].name
                decided, claim.at_ms = decide_records(room, claim.state, source, each.readings, claim.at_ms)
                outputs += decided
            else:
                self._ownership.adopt_rules(room, claim, adoption.version)
            claim.next_offsets[each.source] = each.next
            ranges += (each.source, each.first, each.next)
            if each.last is not None:
                last[each.source] = each.last
        self._name_broken_clock(room, claim, old_at_ms)
        claim.batch += 1
        changes = room.close_batch(claim.state, claim.at_ms)
        generation, offset = self._ownership.partitioning.generation, claim.next_offsets[0] - 1
        outputs += [last_value(record, generation, claim.partition, offset) for record in changes.records]
        claim.last_records = [
            record_digest(last[number]) if number in last else known for number, known in enumerate(claim.last_records)
        ]
        return PartitionBatch(
            room,
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

    def _name_broken_clock(self, room: Room[Any], claim: Claim[Any], before_ms: int) -> None:
        """Log a broker's clock that steps back, or is ahead of ours: what is decided meanwhile ends late by as much."""
        if claim.at_ms < before_ms:
            log.warning(
                "broker_clock_stepped_back", room=room.name, partition=claim.partition, by_ms=before_ms - claim.at_ms
            )
        ahead_ms = claim.at_ms - time.time_ns() // 1_000_000
        if ahead_ms > CLOCK_STEP_MS and claim.at_ms - before_ms > CLOCK_STEP_MS:
            log.warning("broker_clock_ahead", room=room.name, partition=claim.partition, by_ms=ahead_ms)

    def _require_room_contiguous(self, room: Room[Any], decoded: DecodedSlice, claim: Claim[Any]) -> None:
        topic = room.sources[decoded.source].name
        self._require_contiguous(room.name, topic, decoded, claim.next_offsets[decoded.source])

    def _require_contiguous(self, name: str, topic: str, decoded: DecodedSlice, position: int) -> None:
        """Raise NotContiguousError where records would be skipped, silently and for good, or decided twice."""
        if decoded.first != position:
            raise NotContiguousError(name, topic, decoded.partition, first=decoded.first, position=position)

    # --- committing ---------------------------------------------------------------------------------------------------

    async def _commit(self, parts: list[PartitionBatch[Any]]) -> None:
        """Make the parts durable; those of partitions that are fenced are dropped, the others tried again without them."""
        while parts:
            try:
                await commit(self._database, self._statement, parts)
                break
            except FencedError as fenced:
                log.warning("fenced", room=self.name, partitions=fenced.partitions)
                lost = {part.claim.partition for part in parts if part.claim.partition in fenced.partitions}
                self._ownership.fenced_in(lost, [part.claim for part in parts])
                parts = [part for part in parts if part.claim.partition not in lost]
                await self._ownership.require_own_group(sorted(lost))
        self._ownership.became_durable(parts)
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
            self._buffer.revoke(self._claims)
            await self._ownership.reload(self._consumer)
            return False
        return True

    # --- Kafka's view -------------------------------------------------------------------------------------------------

    async def _commit_to_kafka(self) -> None:
        while True:
            await asyncio.sleep(KAFKA_COMMIT_SECONDS)
            await self._ownership.commit_offsets_to_kafka(self._consumer)

    def _watchdog(self) -> Watchdog:
        return Watchdog(
            self.name,
            self.options.watchdog_seconds,
            lag=lambda: 0 if self._waits_rightly() else self._ownership.lag(self._consumer),
            progress=self._ownership.progress,
            on_stuck=self._lifecycle.fail,
        )

    def _waits_rightly(self) -> bool:
        """Tell whether to stand still is right: no restart brings a server back, a newer release, or what a room is to decide."""
        is_away = self._database.outage.lasts or self._publisher.outage.lasts
        return is_away or self._newer.is_waiting or self._origins.is_waiting

    def _new_consumer(self) -> AIOKafkaConsumer:
        return new_consumer(self.name, self.options, ClaimsAssignor(self._ownership.epochs))
