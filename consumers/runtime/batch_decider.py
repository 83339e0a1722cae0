"""Decides a step of an owner's rooms in memory: hands each room its share, loads what it needs, and decides in offset order.

What is decided is ahead of the database: `owner.py` commits it.

Decisions: docs/decisions, 040, 041.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from consumers.errors import NotContiguousError
from consumers.runtime.claim import adopt_rules
from consumers.runtime.deciding.batch import Batch, DecodedSlice, PartitionBatch, adopted_rules
from consumers.runtime.deciding.decision import CLOCK_STEP_MS, decide_records, last_value
from consumers.runtime.loading import load
from consumers.runtime.log_identity import record_digest
from producers.tracing import IS_ON, TRACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.runtime.claim import Claim, HostedPartition
    from consumers.runtime.deciding.record import MisroutedRecord, Record
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.lifecycle import ProcessLifecycle
    from consumers.runtime.ownership import Ownership
    from consumers.runtime.postgres.database import Database
    from consumers.runtime.room import Room
    from consumers.runtime.room_costs import RoomCosts
    from producers.publisher import Outgoing
    from topology.topics import Topic

    Share = tuple[Claim[Any], list[DecodedSlice]]
    """What one room has to decide of one partition."""

log = structlog.get_logger()
PATIENCE_SECONDS: Final = 0.3
"""How long the records of a room that gathers wait for more of them, and positions that rooms passed over for anything else to come."""
MOST_PASSED_SECONDS: Final = 2.0
"""How long the position of a room that was concerned in nothing waits for its next batch, while others go on: it is written for nobody
but who reads on after a crash."""
MOST_HELD: Final = 2_000
"""Records that a room which gathers holds before it decides them all."""


class BatchDecider:
    """Decides what one owner has read. The rooms' memories are those of its claims."""

    def __init__(
        self,
        hosting: Hosting,
        ownership: Ownership,
        database: Database,
        lifecycle: ProcessLifecycle,
        costs: RoomCosts,
    ) -> None:
        self._hosting = hosting
        self._rooms = hosting.rooms
        self._ownership = ownership
        self._claims = ownership.claims
        self._database = database
        self._lifecycle = lifecycle
        self._costs = costs
        self._gathers = [room.gathers and len(hosting.rooms) > 1 for room in hosting.rooms]
        self._began = 0.0
        self._read_at = 0.0

    # --- memory -------------------------------------------------------------------------------------------------------

    def is_memory_full(self) -> bool:
        """Tell whether a room holds more in memory than its limit."""
        return any(
            sum(map(room.size, self._states_of(number))) > room.cache_limit for number, room in enumerate(self._rooms)
        )

    def empty_largest_memories(self) -> None:
        """Empty a room's largest memories until what is left is at most half of its limit, if they are beyond it."""
        for number, room in enumerate(self._rooms):
            states = sorted(self._states_of(number), key=room.size)
            left = sum(map(room.size, states))
            if left <= room.cache_limit:
                continue
            while left > room.cache_limit // 2:
                left -= room.size(states[-1])
                room.forget(states.pop())

    def _states_of(self, number: int) -> list[Any]:
        return [hosted.claims[number].state for hosted in self._claims.values()]

    # --- a step -------------------------------------------------------------------------------------------------------

    async def decide(self, slices: Iterable[DecodedSlice]) -> Batch:
        """Hand each room its share, load what all of them need, and decide room by room.

        Raises NotContiguousError where a slice does not begin where its room stands.
        """
        self._began = time.monotonic()
        by_partition: dict[int, list[DecodedSlice]] = {}
        for each in slices:
            if each.partition in self._claims:
                by_partition.setdefault(each.partition, []).append(each)
        work = [(self._claims[partition], hosted_slices) for partition, hosted_slices in by_partition.items()]
        if work:
            self._read_at = self._began
        shares = [(number, self._shares(number, work)) for number in range(len(self._rooms))]
        is_thorough = any(hosted.is_thorough for hosted, _ in work)
        await self._database.run_with_retry("load", lambda c: self._load(c, shares, thorough=is_thorough))
        for hosted, hosted_slices in work:
            self._hand_out(hosted, hosted_slices)
        parts = [
            part for number, room_shares in shares if room_shares for part in self._decide_room(number, room_shares)
        ]
        self._costs.misrouting.report(self._ownership.partitioning.partitions)
        return Batch([*parts, *self._late_parts(parts)], is_thorough)

    def _shares(self, number: int, work: Sequence[tuple[HostedPartition, Sequence[DecodedSlice]]]) -> list[Share]:
        """Return what one room has to decide, claim by claim."""
        room_shares = []
        for hosted, slices in work:
            claim = hosted.claims[number]
            if claim.is_paused:
                continue
            partitioning = self._ownership.partitioning
            shares = (self._hosting.share(number, each, claim, partitioning) for each in slices)
            if claim_slices := [each for each in shares if each is not None]:
                room_shares.append((claim, claim_slices))
        return self._gathered(number, room_shares) if self._gathers[number] else room_shares

    def _gathered(self, number: int, shares: Sequence[Share]) -> list[Share]:
        """Hold a room's shares until the first of a partition has waited for long enough; return what is to be decided now.

        What has waited for half as long goes with it. Slices without a record for the room are passed over at once.
        """
        now, ready = time.monotonic(), []
        for claim, claim_slices in shares:
            if claim.held or any(each.readings for each in claim_slices):
                claim.hold(claim_slices, now)
            else:
                ready.append((claim, claim_slices))
        holding = [hosted.claims[number] for hosted in self._claims.values() if hosted.claims[number].held]
        records = sum(len(each.readings) for claim in holding for each in claim.held)
        is_over = not self._lifecycle.running or records > MOST_HELD
        if is_over or any(claim.held_at <= now - PATIENCE_SECONDS for claim in holding):
            before = math.inf if is_over else now - PATIENCE_SECONDS / 2
            ready += [(claim, claim.take_held()) for claim in holding if claim.held_at <= before]
        return ready

    async def _load(
        self, connection: asyncpg.Connection, shares: Sequence[tuple[int, Sequence[Share]]], *, thorough: bool
    ) -> None:
        for number, room_shares in shares:
            await load(connection, self._rooms[number], room_shares, thorough=thorough)

    def _hand_out(self, hosted: HostedPartition, slices: Iterable[DecodedSlice]) -> None:
        """Move the reader's position over slices that are decided now."""
        for each in slices:
            _require_contiguous(self._hosting.name, self._hosting.source, each, hosted.next_offset)
            hosted.next_offset = each.next

    def _decide_room(self, number: int, shares: Sequence[Share]) -> list[PartitionBatch[Any]]:
        """Decide one room's shares, and count what that costs."""
        before = time.thread_time()
        parts = [part for claim, slices in shares if (part := self._decide_share(number, claim, slices))]
        records = sum(len(each.readings) for _, slices in shares for each in slices)
        self._costs.decided(self._rooms[number].name, records, time.thread_time() - before)
        return parts

    def _decide_share(self, number: int, claim: Claim[Any], slices: list[DecodedSlice]) -> PartitionBatch[Any] | None:
        """Decide a room's share; None where nothing comes of it, be it that nothing concerns the room: it passes over it."""
        room = self._rooms[number]
        if any(each.readings for each in slices):
            next_offset, passed_from, passed_at = claim.next_offset, claim.passed_from, claim.passed_at
            rules_version = claim.rules_version
            part = self._decide_partition(room, claim, slices)
            if part.has_results or part.rules_version != rules_version:
                return part
            claim.batch -= 1
            claim.next_offset, claim.passed_from, claim.passed_at = next_offset, passed_from, passed_at
        now = time.monotonic()
        for each in slices:
            _require_contiguous(room.name, room.source, each, claim.next_offset)
            claim.pass_over(each.next, now)
            if each.last is not None:
                claim.last_record = record_digest(each.last)
        return None

    def _decide_partition(
        self, room: Room[Any], claim: Claim[Any], slices: Iterable[DecodedSlice]
    ) -> PartitionBatch[Any]:
        old_offset, old_at_ms = claim.committing_offset, claim.at_ms
        outputs: list[Outgoing] = []
        claim.passed_from = None
        last: Record | None = None
        source = room.source.name
        for each in slices:
            _require_contiguous(room.name, room.source, each, claim.next_offset)
            if (adoption := adopted_rules(each)) is None:
                misrouted: list[tuple[Record, MisroutedRecord]] = []
                decided, claim.at_ms = decide_records(
                    room,
                    claim.state,
                    source,
                    each.readings,
                    claim.at_ms,
                    rules_version=claim.rules_version,
                    misrouted=misrouted,
                )
                outputs += decided
                if IS_ON:
                    TRACES.continue_in(room.name, source, each.readings)
                if misrouted:
                    self._costs.misrouting.note(source, misrouted)
            else:
                adopt_rules(room, claim, adoption.version)
            claim.next_offset, last = each.next, each.last or last
        _name_broken_clock(room, claim, old_at_ms)
        claim.batch += 1
        changes = room.close_batch(claim.state, claim.at_ms)
        generation, offset = self._ownership.partitioning.generation, claim.next_offset - 1
        outputs += [last_value(record, generation, claim.partition, offset) for record in changes.records]
        if last is not None:
            claim.last_record = record_digest(last)
        return PartitionBatch(
            room,
            claim,
            old_offset,
            claim.next_offset,
            claim.at_ms,
            claim.batch,
            outputs,
            changes,
            claim.last_record,
            claim.rules_version,
            self._began,
        )

    # --- positions of rooms that pass over records --------------------------------------------------------------------

    def moves_in_seconds(self) -> float:
        """Return how long until a step is due that brings no records, for what rooms hold or passed over; infinite where there is nothing."""
        claims = [claim for hosted in self._claims.values() for claim in hosted.claims]
        held_at = min((claim.held_at for claim in claims if claim.held), default=math.inf)
        passed_at = min((claim.passed_at for claim in claims if claim.passed_from is not None), default=math.inf)
        if min(held_at, passed_at) < math.inf and not self._lifecycle.running:
            return 0.0
        quiet_at = max(passed_at, self._read_at) + PATIENCE_SECONDS
        return min(held_at + PATIENCE_SECONDS, passed_at + MOST_PASSED_SECONDS, quiet_at) - time.monotonic()

    def _late_parts(self, parts: Sequence[PartitionBatch[Any]]) -> list[PartitionBatch[Any]]:
        """Move on the rooms that passed over records a while ago; all of them where there is nothing else to commit."""
        if not parts and self.moves_in_seconds() > 0:
            return []
        waits = MOST_PASSED_SECONDS if parts and self._lifecycle.running else 0.0
        before = time.monotonic() - waits
        return [
            self._decide_partition(room, claim, [])
            for hosted in self._claims.values()
            for room, claim in zip(self._rooms, hosted.claims, strict=True)
            if claim.passed_from is not None and claim.passed_at <= before
        ]


def _name_broken_clock(room: Room[Any], claim: Claim[Any], before_ms: int) -> None:
    """Log a broker's clock that steps back, or is ahead of ours: what is decided meanwhile ends late by as much."""
    if claim.at_ms < before_ms:
        log.warning(
            "broker_clock_stepped_back", room=room.name, partition=claim.partition, by_ms=before_ms - claim.at_ms
        )
    ahead_ms = claim.at_ms - time.time_ns() // 1_000_000
    if ahead_ms > CLOCK_STEP_MS and claim.at_ms - before_ms > CLOCK_STEP_MS:
        log.warning("broker_clock_ahead", room=room.name, partition=claim.partition, by_ms=ahead_ms)


def _require_contiguous(name: str, source: Topic, decoded: DecodedSlice, position: int) -> None:
    """Raise NotContiguousError where records would be skipped, silently and for good, or decided twice."""
    if decoded.first != position:
        raise NotContiguousError(name, source.name, decoded.partition, first=decoded.first, position=position)
