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
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from consumers.errors import LogGapError, OtherGroupError, OtherLogError, UnknownRulesError
from consumers.runtime.claim import Claim, HostedPartition
from consumers.runtime.deciding.batch import FetchedSlice
from consumers.runtime.handover import HandoverTimer
from consumers.runtime.log_identity import LogIdentity, source_log
from consumers.runtime.postgres.database import ASYNC_COMMIT
from consumers.runtime.postgres.partitioning_watcher import PartitioningWatcher
from consumers.runtime.postgres.queries import QUERIES
from topology.rules import NEWEST
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.deciding.batch import DecodedSlice, PartitionBatch
    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.log_identity import SourceLog
    from consumers.runtime.postgres.database import Database
    from consumers.runtime.postgres.outbox import Outbox
    from consumers.runtime.room import Room
    from producers.outage import Outage
    from producers.publisher import Outgoing

log = structlog.get_logger()

LOG_WATCH_SECONDS: Final = 10.0


class Ownership:
    """The claims of the rooms of this process, whose consumer group is `group`. `topics` are all that they read, by Kafka's names.

    `claims` are those in use, by partition; suspended ones are in a rebalance, and `_returned` names those of them whose partitions it
    assigned here again; `_unclaimed` are assigned without a claim, to be claimed from a time on (monotonic, s).
    """

    def __init__(self, rooms: Hosting, group: str, database: Database, outbox: Outbox, *, retry_seconds: float) -> None:
        self.claims: dict[int, HostedPartition] = {}
        self._hosting = rooms
        self._rooms = rooms.rooms
        self._name = rooms.name
        self._group = group
        self._handovers = {room.name: HandoverTimer(room.name) for room in rooms.rooms}
        self._database = database
        self._outbox = outbox
        self._topics = rooms.topics
        self._retry_seconds = retry_seconds
        self._suspended: dict[int, HostedPartition] = {}
        self._returned: set[int] = set()
        self._watcher = PartitioningWatcher(rooms.rooms[0], database)
        self._unclaimed: dict[int, float] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._durable_by_room: dict[tuple[str, int], list[int]] = {}
        self._committed_to_kafka: dict[TopicPartition, int] = {}

    def tps_of(self, partition: int) -> list[TopicPartition]:
        """Return this partition of every topic of the rooms."""
        return [TopicPartition(topic, partition) for topic in self._topics]

    # --- partitioning -------------------------------------------------------------------------------------------------

    @property
    def partitioning(self) -> Partitioning:
        """How the rooms' keys are partitioned, as of the claims."""
        return self._watcher.now

    async def begin(self, partitions: int) -> None:
        """Read the partitioning; `partitions` is how many the topic has in Kafka."""
        await self._watcher.begin(partitions)

    async def check_partitioning(self, consumer: AIOKafkaConsumer) -> None:
        """Check now and then whether the partitioning has changed; the claims end then, to be made again under the new one."""
        if not self._watcher.is_due:
            return
        if await self._watcher.look():
            self._claim_all_again()
        known = consumer.partitions_for_topic(self._topics[0]) or ()
        if len(known) < self.partitioning.partitions:
            consumer._client.force_metadata_update()  # noqa: SLF001  else aiokafka notices within five minutes

    def _claim_all_again(self) -> None:
        log.info("partitioning_changed", room=self._name, partitioning=str(self.partitioning))
        self.fenced(list(self._held().values()))
        self._unclaimed = dict.fromkeys(self._unclaimed, 0.0)

    # --- gaining ------------------------------------------------------------------------------------------------------

    def assigned(self, consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> None:
        """Note what Kafka assigned, which is everything assigned here; it stays paused until a claim gives the position."""
        assigned = set()
        for tp in tps:
            consumer.pause(tp)
            # Without a position of its own the consumer would look for one; the claim sets the true one.
            consumer.seek(tp, self._durable.get(tp, 0))
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
        identity = (await source_log(consumer._client, self._topics)).identity  # noqa: SLF001
        epochs: dict[int, list[int]] = {}
        for room in self._rooms:
            for row in await self._stored(room, self._returned):
                self._require_same_log(room, row, identity)
                epochs.setdefault(row["partition"], []).append(row["epoch"])
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
        tps = [tp for partition in partitions for tp in self.tps_of(partition)]
        identity = (await source_log(consumer._client, self._topics)).identity  # noqa: SLF001
        begins = await consumer.beginning_offsets(tps)
        committed = dict(zip(tps, await asyncio.gather(*map(consumer.committed, tps)), strict=True))
        hosted = [
            await self._claim_rows(each, [begins[tp] for tp in self.tps_of(each)], identity) for each in partitions
        ]
        # After the rows, so that a change which did not fence them is seen here.
        if await self._watcher.look():
            self._claim_all_again()
            return []
        # Only now, because up to its fencing the earlier owner may have decided what came in meanwhile.
        ends = await consumer.end_offsets(tps)
        for each in hosted:
            self._require_records(each, begins, ends)
            await self._notice_older_database(each, committed)
        republished = await self._outbox.republish(partitions)
        for each in hosted:
            for room, claim in self._by_room(each):
                claim.endangered = _level_keys(republished[room.name, each.partition])
                await self._notify_room(room, claim)
            if each.partition in self._unclaimed and self._read_from(consumer, each):
                del self._unclaimed[each.partition]
                for room, claim in self._by_room(each):
                    self._note_durable(room, claim.partition, claim.next_offsets)
                    log.info(
                        "claimed",
                        room=room.name,
                        partition=claim.partition,
                        epoch=claim.epoch,
                        next=claim.next_offsets,
                        republished=len(republished[room.name, each.partition]),
                    )
        return [each for each in hosted if self.claims.get(each.partition) is each]

    def _by_room(self, hosted: HostedPartition) -> Iterator[tuple[Room[Any], Claim[Any]]]:
        return zip(self._rooms, hosted.claims, strict=True)

    def adopt_rules(self, room: Room[Any], claim: Claim[Any], version: int) -> None:
        """Decide by this version from here on, unless a later one is in force. Raises UnknownRulesError for one to come."""
        if version > NEWEST:
            raise UnknownRulesError(room.name, claim.partition, version, NEWEST)
        if version > claim.rules_version:
            claim.rules_version = version
            log.info("rules_adopted", room=room.name, partition=claim.partition, version=version)
        room.rules_adopted(claim.state, claim.rules_version)

    def _require_records(
        self, hosted: HostedPartition, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> None:
        tps = self.tps_of(hosted.partition)
        for number, claim in enumerate(hosted.claims):
            for source, offset in zip(self._hosting.sources[number], claim.next_offsets, strict=True):
                tp = tps[source]
                if not begins[tp] <= offset <= ends[tp]:
                    raise LogGapError(
                        self._rooms[number].name,
                        tp.topic,
                        claim.partition,
                        offset=offset,
                        first=begins[tp],
                        end=ends[tp],
                    )

    async def _claim_rows(self, partition: int, first_offsets: list[int], identity: LogIdentity) -> HostedPartition:
        claims = [
            await self._claim_row(number, partition, first_offsets, identity) for number in range(len(self._rooms))
        ]
        return HostedPartition(partition, claims, self._hosting.least_offsets(claims))

    async def _claim_row(
        self, number: int, partition: int, first_offsets: list[int], identity: LogIdentity
    ) -> Claim[Any]:
        room, sources = self._rooms[number], self._hosting.sources[number]
        theirs = LogIdentity(identity.cluster_id, tuple(identity.topic_ids[source] for source in sources))
        first = [first_offsets[source] for source in sources]
        arguments = (room.name, partition, first, theirs.cluster_id, list(theirs.topic_ids), self._group)
        rows = await self._database.run_with_retry(ASYNC_COMMIT, lambda c: c.fetch(QUERIES["claim"], *arguments))
        if not rows:
            for row in await self._stored(room, [partition]):
                self._require_same_log(room, row, identity)
        epoch, next_offsets, at_ms, batch, rules_version, last_records, silent_seconds = rows[0]
        claim = Claim(partition, epoch, list(next_offsets), at_ms, batch, room.new_state(partition))
        self.adopt_rules(room, claim, rules_version)
        claim.last_records = list(last_records or [""] * len(sources))
        self._handovers[room.name].claimed(claim, silent_seconds)
        return claim

    def _require_same_log(self, room: Room[Any], row: Any, identity: LogIdentity) -> None:
        sources = self._hosting.sources[self._rooms.index(room)]
        theirs = LogIdentity(identity.cluster_id, tuple(identity.topic_ids[source] for source in sources))
        stored = LogIdentity(row["cluster_id"], tuple(row["topic_ids"] or ()))
        if row["cluster_id"] is not None and stored != theirs:
            raise OtherLogError(room.name, row["partition"], stored=stored, found=theirs)

    async def watch_log(self, consumer: AIOKafkaConsumer, outage: Outage) -> None:
        """See now and then whether the topics are still those that we decide, until cancelled.

        Raises OtherLogError. A topic that is deleted and made again within a moment is noticed by nothing else.
        """
        known: SourceLog | None = None
        while True:
            try:
                found = await source_log(consumer._client, self._topics)  # noqa: SLF001
            except (KafkaError, OSError) as error:
                await outage.wait(error, "topics")
                continue
            outage.ended("topics")
            if known is not None and found.identity != known.identity:
                raise OtherLogError(self._name, 0, stored=known.identity, found=found.identity)
            if known is None or found.partitions != known.partitions:
                self._name_surplus(found)
            known = found
            await asyncio.sleep(LOG_WATCH_SECONDS)

    def _name_surplus(self, log_now: SourceLog) -> None:
        """Name partitions that are not in use: orders are keyed by a recorded number (topology/copartitioning.py)."""
        in_use = self.partitioning.partitions
        for topic, partitions in log_now.partitions.items():
            if partitions > in_use and not self._rooms[0].may_be_repartitioned:
                log.warning("surplus_partitions", room=self._name, topic=topic, partitions=partitions, in_use=in_use)

    async def _notice_older_database(
        self, hosted: HostedPartition, committed: Mapping[TopicPartition, int | None]
    ) -> None:
        """Name a database that went back: positions are committed to Kafka after they are durable, never before."""
        tps = self.tps_of(hosted.partition)
        for number, (room, claim) in enumerate(self._by_room(hosted)):
            in_kafka = [committed[tps[source]] or 0 for source in self._hosting.sources[number]]
            await self._notice_older_claim(room, claim, in_kafka)

    async def _notice_older_claim(self, room: Room[Any], claim: Claim[Any], in_kafka: list[int]) -> None:
        if all(offset <= position for offset, position in zip(in_kafka, claim.next_offsets, strict=True)):
            return
        log.error(
            "database_went_back",
            room=room.name,
            partition=claim.partition,
            position=claim.next_offsets,
            committed_to_kafka=in_kafka,
            guide="docs/guides/outages.md",
        )
        up_to = [max(pair) for pair in zip(in_kafka, claim.next_offsets, strict=True)]
        arguments = (room.name, claim.partition, up_to)
        await self._database.run_with_retry(ASYNC_COMMIT, lambda c: c.execute(QUERIES["went_back"], *arguments))

    async def _notify_room(self, room: Room[Any], claim: Claim[Any]) -> None:
        await self._database.run_with_retry("load", lambda c: room.claimed(c, claim.partition, claim.state))

    def _read_from(self, consumer: AIOKafkaConsumer, claim: HostedPartition) -> bool:
        """Use these claims from their position on, unless Kafka revoked the partition meanwhile."""
        tps = self.tps_of(claim.partition)
        try:
            for tp, offset in zip(tps, claim.next_offsets, strict=True):
                consumer.seek(tp, offset)
            consumer.resume(*tps)
        except IllegalStateError:
            return False
        self.claims[claim.partition] = claim
        return True

    # --- holding ------------------------------------------------------------------------------------------------------

    def epochs(self) -> dict[int, int]:
        """Return the sum of the rooms' epochs, which grows with each claim, of every partition that is held here."""
        return {partition: sum(each.epoch for each in hosted.claims) for partition, hosted in self._held().items()}

    async def positions(self) -> dict[TopicPartition, int]:
        """Return the next offset to decide of every partition that is read."""
        return {
            tp: offset
            for claim in self.claims.values()
            for tp, offset in zip(self.tps_of(claim.partition), claim.next_offsets, strict=True)
        }

    async def fetch_positions(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, tuple[HostedPartition, int]]:
        """Return the claims and the fetch position of every partition that is read, without those that have reached their stop."""
        found: dict[TopicPartition, tuple[HostedPartition, int]] = {}
        for tp in self._claimed(consumer):
            stop, claim = self.partitioning.stop(tp.partition), self.claims.get(tp.partition)
            if claim is not None and (stop is None or claim.next_offsets[self._topics.index(tp.topic)] < stop):
                with contextlib.suppress(IllegalStateError):  # revoked meanwhile
                    found[tp] = claim, await consumer.position(tp)
        return found

    async def slices(
        self,
        consumer: AIOKafkaConsumer,
        begin: Mapping[TopicPartition, tuple[HostedPartition, int]],
        fetched: Mapping[TopicPartition, Sequence[Any]],
    ) -> list[FetchedSlice]:
        """Return what was fetched from the positions `begin`, without what was revoked meanwhile.

        A consumer that moved on without a record has passed over a transaction's marker, or over what was aborted.
        """
        reached = await self.fetch_positions(consumer)
        return [
            FetchedSlice(tp, self._topics.index(tp.topic), claim, fetched.get(tp, ()), first, reached[tp][1])
            for tp, (claim, first) in begin.items()
            if tp in reached and reached[tp][0] is claim and reached[tp][1] > first
        ]

    def rewind(self, consumer: AIOKafkaConsumer, dropped: Iterable[FetchedSlice]) -> None:
        """Read again from the claims' positions where fetched records were dropped."""
        for fetched in dropped:
            tp, claim = fetched.tp, self.claims.get(fetched.tp.partition)
            if claim is None:
                continue
            position = claim.next_offsets[fetched.source]
            log.warning("fetched_records_dropped", room=self._name, tp=str(tp), first=fetched.first, position=position)
            with contextlib.suppress(IllegalStateError):  # revoked meanwhile
                consumer.seek(tp, position)

    def read_again(self, consumer: AIOKafkaConsumer, held: Iterable[DecodedSlice]) -> None:
        """Read again from where these slices begin; what is before them is decided meanwhile."""
        for decoded in held:
            with contextlib.suppress(IllegalStateError):  # revoked meanwhile
                consumer.seek(self.tps_of(decoded.partition)[decoded.source], decoded.first)

    async def reload(self, consumer: AIOKafkaConsumer) -> None:
        """Return to the positions in the database, with empty memories. A claim that was raised meanwhile is lost.

        What was decided beyond them is read and decided again, with all that it touches loaded.
        """
        held = self._held()
        for number, room in enumerate(self._rooms):
            for row in await self._stored(room, held):
                hosted = held[row["partition"]]
                if row["epoch"] != hosted.claims[number].epoch:
                    self.fenced([hosted])
                else:
                    await self._reload(room, hosted.claims[number], row)
        for hosted in held.values():
            reached, hosted.next_offsets = hosted.next_offsets, self._hosting.least_offsets(hosted.claims)
            hosted.thorough_below = list(map(max, reached, hosted.thorough_below or reached))
            if self.claims.get(hosted.partition) is hosted:
                for tp, offset in zip(self.tps_of(hosted.partition), hosted.next_offsets, strict=True):
                    with contextlib.suppress(IllegalStateError):  # revoked meanwhile
                        consumer.seek(tp, offset)

    async def _reload(self, room: Room[Any], claim: Claim[Any], row: Any) -> None:
        claim.return_to(row["next_offsets"], row["at_ms"], row["batch"])
        claim.last_records = list(row["last_records"] or claim.last_records)
        claim.state = room.new_state(claim.partition)
        claim.rules_version = row["rules_version"]
        room.rules_adopted(claim.state, claim.rules_version)
        await self._notify_room(room, claim)

    def _held(self) -> dict[int, HostedPartition]:
        return {**self._suspended, **self.claims}

    async def _stored(self, room: Room[Any], partitions: Iterable[int], purpose: str = "load") -> list[Any]:
        query, wanted = QUERIES["positions"], list(partitions)
        return await self._database.run_with_retry(purpose, lambda c: c.fetch(query, room.name, wanted))

    def reads(self, fetched: FetchedSlice) -> None:
        """Note that fetched records are about to be decided."""
        for room, claim in self._by_room(fetched.claim):
            self._handovers[room.name].read(claim, fetched.records[0].timestamp)

    def became_durable(self, parts: Sequence[PartitionBatch[Any]]) -> None:
        """Note the positions in the database."""
        for part in parts:
            self._note_durable(part.room, part.claim.partition, part.new_offsets)
        for name, timer in self._handovers.items():
            timer.committed([part for part in parts if part.room.name == name])

    def _note_durable(self, room: Room[Any], partition: int, offsets: list[int]) -> None:
        """Note where a room stands; a topic's partition is decided as far as all rooms that read it have decided it."""
        self._durable_by_room[room.name, partition] = offsets
        least: dict[int, int] = {}
        for number, each in enumerate(self._rooms):
            for source, offset in zip(
                self._hosting.sources[number], self._durable_by_room.get((each.name, partition), ()), strict=False
            ):
                least[source] = min(offset, least.get(source, offset))
        tps = self.tps_of(partition)
        self._durable.update({tps[source]: offset for source, offset in least.items()})

    async def require_own_group(self, partitions: Sequence[int]) -> None:
        """Raise OtherGroupError where a process of another consumer group has claimed one of these partitions.

        Called by whoever commits: it reads on the connection of commits.
        """
        for room in self._rooms:
            for row in await self._stored(room, partitions, "commit"):
                if row["group_id"] not in (None, self._group):
                    raise OtherGroupError(room.name, row["partition"], group=self._group, other=row["group_id"])

    def progress(self) -> int:
        """Return a number that grows with every durable record."""
        return sum(map(sum, self._durable_by_room.values()))

    def lag(self, consumer: AIOKafkaConsumer) -> int:
        """Return how many offsets of the claims are known and not durable yet, up to the first transaction that is open."""
        lag = 0
        for tp in self._claimed(consumer):
            end = consumer.last_stable_offset(tp)
            stop = self.partitioning.stop(tp.partition)
            last = end if stop is None or end is None else min(end, stop)
            lag += max(0, last - self._durable[tp]) if last is not None else 0
        return lag

    async def commit_offsets_to_kafka(self, consumer: AIOKafkaConsumer) -> None:
        """Commit offsets to Kafka, late and only so that lag tools see them."""
        offsets = {tp: self._durable[tp] for tp in self._claimed(consumer)}
        if not offsets or offsets == self._committed_to_kafka:
            return
        try:
            async with asyncio.timeout(5):
                await consumer.commit(offsets)
            self._committed_to_kafka = offsets
        except (KafkaError, TimeoutError) as error:
            log.info("lag_not_updated", room=self._name, error=repr(error))

    def _claimed(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        assigned = consumer.assignment()
        return [tp for partition in self.claims for tp in self.tps_of(partition) if tp in assigned]

    # --- losing -------------------------------------------------------------------------------------------------------

    def revoked(self, tps: Iterable[TopicPartition]) -> None:
        """Suspend what Kafka revokes; a commit under way may still win or be fenced, both are right."""
        self._returned.clear()
        for partition in {tp.partition for tp in tps}:
            self._unclaimed.pop(partition, None)
            if (claim := self.claims.pop(partition, None)) is not None:
                self._suspended[partition] = claim

    def fenced_in(self, partitions: Iterable[int], claims: Sequence[Claim[Any]]) -> None:
        """Give up these partitions, if they are still held under one of the claims that were fenced."""
        held = self._held()
        self.fenced(
            [
                held[each]
                for each in partitions
                if each in held and any(it is own for it in claims for own in held[each].claims)
            ]
        )

    def fenced(self, claims: Iterable[HostedPartition]) -> None:
        """Stop deciding at once; if the partition is still assigned here a session later, claim it again."""
        for claim in claims:
            if self._held().get(claim.partition) is claim:
                self._give_up(claim, self._retry_seconds)

    def _give_up(self, claim: HostedPartition, retry_seconds: float) -> None:
        partition = claim.partition
        if partition in self.claims or partition in self._returned:
            self._unclaimed[partition] = time.monotonic() + retry_seconds
        self.claims.pop(partition, None)
        self._suspended.pop(partition, None)
        self._returned.discard(partition)
        self._release(partition)


def _level_keys(blobs: Iterable[Iterable[Outgoing]]) -> frozenset[bytes]:
    """Return the keys of the levels in these blobs."""
    return frozenset(
        record.key for blob in blobs for record in blob if record.topic == STOCK_LEVELS.name and record.key
    )
