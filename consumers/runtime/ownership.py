"""Which partitions this process may decide about: the claims of its rooms, their loss, and the offsets committed to Kafka.

Kafka's group proposes partitions; a claim in PostgreSQL decides: it raises the epoch, which fences the earlier owner.
The rebalance callback only pauses and notes: claiming is I/O and happens in the owner's loop.

A rebalance revokes every partition and assigns most of them again. A claim is therefore only suspended until the partitions
are assigned: if its partition is assigned here, and nobody claimed it meanwhile, it is resumed with the same epoch.

Rooms that share a reader gain and lose a partition together: where one of them is fenced, all give it up.

Decisions: docs/decisions, 002, 008, 034.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition

from consumers.runtime.claim import HostedPartition, adopt_rules, least_offset
from consumers.runtime.claim_rows import ClaimRows
from consumers.runtime.durable_positions import DurablePositions
from consumers.runtime.handover import HandoverTimer
from consumers.runtime.kafka.seeking import paused, resumed, seek
from consumers.runtime.log_identity import source_log
from consumers.runtime.pauses import Pauses
from consumers.runtime.postgres.outbox import level_keys
from consumers.runtime.postgres.partitioning_watcher import PartitioningWatcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.claim import Claim
    from consumers.runtime.deciding.batch import FetchedSlice, PartitionBatch
    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.log_identity import LogIdentity
    from consumers.runtime.postgres.database import Database
    from consumers.runtime.postgres.outbox import Outbox
    from consumers.runtime.room import Room

log = structlog.get_logger()


class Ownership:
    """The claims of the rooms of this process, whose consumer group is `group`.

    `claims` are those in use, by partition; suspended ones are in a rebalance, and `_returned` names those that it assigned here again;
    `_unclaimed` wait for a claim, from a time on (monotonic, s). `durable` has how far they have decided, `rows` are in PostgreSQL.
    """

    def __init__(self, rooms: Hosting, group: str, database: Database, outbox: Outbox, *, retry_seconds: float) -> None:
        self.claims: dict[int, HostedPartition] = {}
        self._rooms, self._topic = rooms.rooms, rooms.topic
        self._name = rooms.name
        self._handovers = {room.name: HandoverTimer(room.name) for room in rooms.rooms}
        self._database = database
        self._outbox = outbox
        self._retry_seconds = retry_seconds
        self._suspended: dict[int, HostedPartition] = {}
        self._returned: set[int] = set()
        self.watcher = PartitioningWatcher(rooms.rooms[0], database)
        self._unclaimed: dict[int, float] = {}
        self.durable = DurablePositions(rooms)
        self.rows = ClaimRows(rooms, group, database)
        self.pauses = Pauses()

    def tp_of(self, partition: int) -> TopicPartition:
        """Return this partition of the rooms' log."""
        return TopicPartition(self._topic, partition)

    @property
    def partitioning(self) -> Partitioning:
        """How the rooms' keys are partitioned, as of the claims."""
        return self.watcher.now

    async def begin(self, partitions: int) -> None:
        """Read the partitioning; `partitions` is how many the topic has in Kafka."""
        await self.watcher.begin(partitions)

    async def check_partitioning(self, consumer: AIOKafkaConsumer) -> None:
        """Check now and then whether the partitioning has changed; the claims end then, to be made again under the new one."""
        if not self.watcher.is_due:
            return
        if await self.watcher.look():
            self._claim_all_again()
        if len(consumer.partitions_for_topic(self._topic) or ()) < self.partitioning.partitions:
            consumer._client.force_metadata_update()  # noqa: SLF001  else aiokafka notices within five minutes

    def _claim_all_again(self) -> None:
        log.info("partitioning_changed", room=self._name, partitioning=str(self.partitioning))
        self.fenced(list(self.held().values()))
        self._unclaimed = dict.fromkeys(self._unclaimed, 0.0)

    # --- gaining ------------------------------------------------------------------------------------------------------

    def assigned(self, consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> None:
        """Note what Kafka assigned, which is everything assigned here; it stays paused until a claim gives the position."""
        assigned = set()
        for tp in tps:
            consumer.pause(tp)
            # Without a position of its own the consumer would look for one; the claim sets the true one.
            consumer.seek(tp, self.durable.of(tp.partition))
            assigned.add(tp.partition)
        self._returned = assigned & self._suspended.keys()
        self._unclaimed.update(dict.fromkeys(assigned - self._returned, 0.0))
        for timer in self._handovers.values():
            timer.assigned(assigned - self._returned)
        for partition in self._suspended.keys() - assigned:
            del self._suspended[partition]
            self._release(partition)

    def _release(self, partition: int) -> None:
        for room in self._rooms:
            room.released(partition)

    async def resume_returned(self, consumer: AIOKafkaConsumer) -> list[HostedPartition]:
        """Resume the claims whose partitions a rebalance assigned here again; those that were raised meanwhile are lost.

        Return the claims that are resumed. Called between fetches only: nothing fetched before the rebalance may be decided after it (see FetchBuffer).
        """
        if not self._returned:
            return []
        identity = (await source_log(consumer._client, self._topic)).identity  # noqa: SLF001
        epochs = await self.rows.epochs(self._returned, identity)
        kept = []
        for partition in sorted(self._returned):
            claim = self._suspended[partition]
            if epochs.get(partition) != [each.epoch for each in claim.claims]:
                self._give_up(claim, retry_seconds=0.0)
            elif self._read_from(consumer, claim):
                del self._suspended[partition]
                self._returned.discard(partition)
                kept.append(partition)
        if kept:
            log.info("kept", room=self._name, partitions=kept)
        return [self.claims[partition] for partition in kept]

    def waiting(self) -> list[int]:
        """Return the partitions in use that are assigned here and not decided: to be claimed, or in a rebalance."""
        assigned = {*self._unclaimed, *self._suspended}
        return sorted(partition for partition in assigned if partition < self.partitioning.partitions)

    def to_claim(self) -> list[int]:
        """Return the partitions that wait to be claimed now."""
        now = time.monotonic()
        ready = sorted(partition for partition, at in self._unclaimed.items() if at <= now)
        return [partition for partition in ready if partition < self.partitioning.partitions]

    async def claim(self, consumer: AIOKafkaConsumer, partitions: Sequence[int]) -> list[HostedPartition]:
        """Claim partitions for every room: fence the earlier owner, publish what it left in the outbox, seek to its last durable position.

        Return the claims that are in use now.
        """
        tps = [self.tp_of(partition) for partition in partitions]
        identity = (await source_log(consumer._client, self._topic)).identity  # noqa: SLF001
        begins = await consumer.beginning_offsets(tps)
        committed = await asyncio.gather(*map(consumer.committed, tps))
        hosted = [await self._claim_rows(tp.partition, begins[tp], identity) for tp in tps]
        # After the rows, so that a change which did not fence them is seen here.
        if await self.watcher.look():
            self._claim_all_again()
            return []
        # Only now, because up to its fencing the earlier owner may have decided what came in meanwhile.
        ends = await consumer.end_offsets(tps)
        for each, tp, in_kafka in zip(hosted, tps, committed, strict=True):
            self.rows.require_records(each, begins[tp], ends[tp])
            await self.rows.notice_older_database(each, in_kafka)
        republished = await self._outbox.republish(partitions)
        for each in hosted:
            for room, claim in self._by_room(each):
                claim.endangered = level_keys(republished[room.name, each.partition])
                await self._notify_room(room, claim)
            if each.partition in self._unclaimed and self._read_from(consumer, each):
                del self._unclaimed[each.partition]
                for room, claim in self._by_room(each):
                    self.durable.note(room, claim.partition, claim.next_offset)
                    log.info(
                        "claimed",
                        room=room.name,
                        partition=claim.partition,
                        epoch=claim.epoch,
                        next=claim.next_offset,
                        republished=len(republished[room.name, each.partition]),
                    )
        return [each for each in hosted if self.claims.get(each.partition) is each]

    def _by_room(self, hosted: HostedPartition) -> Iterator[tuple[Room[Any], Claim[Any]]]:
        return zip(self._rooms, hosted.claims, strict=True)

    async def _claim_rows(self, partition: int, first_offset: int, identity: LogIdentity) -> HostedPartition:
        claims = []
        for room in self._rooms:
            claim, rules_version, silent_seconds = await self.rows.claim(room, partition, first_offset, identity)
            claim.is_paused = self.pauses.cover(room.name, partition)
            adopt_rules(room, claim, rules_version)
            self._handovers[room.name].claimed(claim, silent_seconds)
            claims.append(claim)
        return HostedPartition(partition, claims, least_offset(claims))

    async def _notify_room(self, room: Room[Any], claim: Claim[Any]) -> None:
        await self._database.run_with_retry("load", lambda c: room.claimed(c, claim.partition, claim.state))

    def _read_from(self, consumer: AIOKafkaConsumer, claim: HostedPartition) -> bool:
        """Use these claims from their position on, unless Kafka revoked the partition meanwhile."""
        claim.begin_again()
        tp = self.tp_of(claim.partition)
        if is_resumed := resumed(consumer, tp, claim.next_offset):
            self.claims[claim.partition] = claim
            if claim.is_paused:
                paused(consumer, tp)
        return is_resumed

    def epochs(self) -> dict[int, int]:
        """Return the sum of the rooms' epochs, which grows with each claim, of every partition that is held here."""
        return {partition: sum(each.epoch for each in hosted.claims) for partition, hosted in self.held().items()}

    async def reload(self, consumer: AIOKafkaConsumer) -> None:
        """Return to the positions in the database, with empty memories. A claim that was raised meanwhile is lost.

        What was decided beyond them is read and decided again, with all that it touches loaded.
        """
        held = self.held()
        for number, room in enumerate(self._rooms):
            for row in await self.rows.stored(room, held):
                hosted = held[row["partition"]]
                if row["epoch"] != hosted.claims[number].epoch:
                    self.fenced([hosted])
                else:
                    await self._reload(room, hosted.claims[number], row)
        for hosted in held.values():
            hosted.thorough_below = max(hosted.next_offset, hosted.thorough_below)
            hosted.next_offset = least_offset(hosted.claims)
            if self.claims.get(hosted.partition) is hosted:
                seek(consumer, self.tp_of(hosted.partition), hosted.next_offset)

    async def _reload(self, room: Room[Any], claim: Claim[Any], row: Any) -> None:
        claim.return_to(row["next_offset"], row["at_ms"], row["batch"])
        claim.last_record = row["last_record"]
        claim.state = room.new_state(claim.partition)
        claim.rules_version = row["rules_version"]
        room.rules_adopted(claim.state, claim.rules_version)
        await self._notify_room(room, claim)

    def held(self) -> dict[int, HostedPartition]:
        """Return the claims in use and those in a rebalance."""
        return {**self._suspended, **self.claims}

    def reads(self, fetched: FetchedSlice) -> None:
        """Note that fetched records are about to be decided."""
        for room, claim in self._by_room(fetched.claim):
            self._handovers[room.name].read(claim, fetched.records[0].timestamp)

    def became_durable(self, parts: Sequence[PartitionBatch[Any]]) -> None:
        """Note the positions in the database."""
        for part in parts:
            self.durable.note(part.room, part.claim.partition, part.new_offset)
        for name, timer in self._handovers.items():
            timer.committed([part for part in parts if part.room.name == name])

    def claimed_tps(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Return the partitions that are claimed and still assigned here."""
        assigned = consumer.assignment()
        return [tp for tp in map(self.tp_of, self.claims) if tp in assigned]

    def revoked(self, tps: Iterable[TopicPartition]) -> None:
        """Suspend what Kafka revokes; a commit under way may still win or be fenced, both are right."""
        self._returned.clear()
        for partition in {tp.partition for tp in tps}:
            self._unclaimed.pop(partition, None)
            if (claim := self.claims.pop(partition, None)) is not None:
                self._suspended[partition] = claim

    def fenced_in(self, partitions: Iterable[int], claims: Sequence[Claim[Any]]) -> None:
        """Give up these partitions, if they are still held under one of the claims that were fenced."""
        here = [hosted for partition, hosted in self.held().items() if partition in set(partitions)]
        self.fenced([hosted for hosted in here if any(claim is own for claim in claims for own in hosted.claims)])

    def fenced(self, claims: Iterable[HostedPartition]) -> None:
        """Stop deciding at once; if the partition is still assigned here a session later, claim it again."""
        for claim in claims:
            if self.held().get(claim.partition) is claim:
                self._give_up(claim, self._retry_seconds)

    def _give_up(self, claim: HostedPartition, retry_seconds: float) -> None:
        partition = claim.partition
        if partition in self.claims or partition in self._returned:
            self._unclaimed[partition] = time.monotonic() + retry_seconds
        self.claims.pop(partition, None)
        self._suspended.pop(partition, None)
        self._returned.discard(partition)
        self._release(partition)
