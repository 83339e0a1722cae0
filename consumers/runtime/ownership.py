"""Which partitions this process may decide about: claims, their loss, and what Kafka is told of them.

Kafka's group proposes partitions; a claim in PostgreSQL makes them ours by raising the epoch, which fences whoever had
them. The rebalance callback only pauses and notes: claiming is I/O and happens in the owner's loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from consumers.errors import LogGapError
from consumers.runtime.batch import Claim
from consumers.runtime.commit import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.batch import Part
    from consumers.runtime.database import Database
    from consumers.runtime.outbox import Outbox
    from consumers.runtime.room import Room

log = structlog.get_logger()
S = TypeVar("S")


class Ownership(Generic[S]):
    """One room's claims in this process. `claims` are ours; `unclaimed` are assigned, to be claimed from a time on."""

    def __init__(
        self, room: Room[S], database: Database, outbox: Outbox, topics: Sequence[str], retry_seconds: float
    ) -> None:
        self.claims: dict[int, Claim[S]] = {}
        self._room = room
        self._database = database
        self._outbox = outbox
        self._topics = topics
        self._retry_seconds = retry_seconds
        self._unclaimed: dict[int, float] = {}
        self._durable: dict[TopicPartition, int] = {}

    def sources(self, partition: int) -> list[TopicPartition]:
        """Return this partition of every source topic."""
        return [TopicPartition(topic, partition) for topic in self._topics]

    # --- gaining ------------------------------------------------------------------------------------------------------

    def assigned(self, consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> None:
        """Note what Kafka assigned; it stays paused until it is claimed."""
        for tp in tps:
            consumer.pause(tp)
            # Without a position of its own the consumer would look for one; the claim sets the true one.
            consumer.seek(tp, self._durable.get(tp, 0))
            self._unclaimed[tp.partition] = 0.0

    def due(self) -> list[int]:
        """Return the partitions that wait to be claimed now."""
        now = time.monotonic()
        return sorted(partition for partition, at in self._unclaimed.items() if at <= now)

    async def claim(self, consumer: AIOKafkaConsumer, partitions: Sequence[int]) -> None:
        """Claim partitions: fence the earlier owner, say what it left unsaid, go to its last durable position."""
        tps = [tp for partition in partitions for tp in self.sources(partition)]
        begins = await consumer.beginning_offsets(tps)
        claims = [await self._claim_row(each, [begins[tp] for tp in self.sources(each)]) for each in partitions]
        # Only now, because up to its fencing the earlier owner may have decided what came in meanwhile.
        ends = await consumer.end_offsets(tps)
        for claim in claims:
            self._insist_on_records(claim, begins, ends)
            republished = await self._outbox.republish(claim.partition)
            await self._tell_room(claim)
            if self._seek(consumer, claim):
                log.info(
                    "claimed",
                    room=self._room.name,
                    partition=claim.partition,
                    epoch=claim.epoch,
                    next=claim.next_offsets,
                    republished=republished,
                )

    def _insist_on_records(
        self, claim: Claim[S], begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> None:
        for tp, offset in zip(self.sources(claim.partition), claim.next_offsets, strict=True):
            if not begins[tp] <= offset <= ends[tp]:
                raise LogGapError(
                    self._room.name, tp.topic, claim.partition, offset=offset, first=begins[tp], end=ends[tp]
                )

    async def _claim_row(self, partition: int, first_offsets: list[int]) -> Claim[S]:
        rows = await self._database.repeatedly(
            "load", lambda c: c.fetch(QUERIES["claim"], self._room.name, partition, first_offsets)
        )
        epoch, next_offsets, at_ms, batch = rows[0]
        return Claim(partition, epoch, list(next_offsets), at_ms, batch, self._room.new_state(partition))

    async def _tell_room(self, claim: Claim[S]) -> None:
        await self._database.repeatedly("load", lambda c: self._room.claimed(c, claim.partition, claim.state))

    def _seek(self, consumer: AIOKafkaConsumer, claim: Claim[S]) -> bool:
        """Go to the claim's position, unless Kafka took the partition away meanwhile."""
        if claim.partition not in self._unclaimed:
            return False
        tps = self.sources(claim.partition)
        try:
            for tp, offset in zip(tps, claim.next_offsets, strict=True):
                consumer.seek(tp, offset)
                self._durable[tp] = offset
            consumer.resume(*tps)
        except IllegalStateError:
            return False
        del self._unclaimed[claim.partition]
        self.claims[claim.partition] = claim
        return True

    # --- holding ------------------------------------------------------------------------------------------------------

    async def reload(self) -> None:
        """Go back to what the database says: positions, and empty memories."""
        rows = await self._database.repeatedly(
            "load", lambda c: c.fetch(QUERIES["positions"], self._room.name, list(self.claims))
        )
        for partition, epoch, next_offsets, at_ms, batch in rows:
            claim = self.claims.get(partition)
            if claim is None or epoch != claim.epoch:
                continue
            claim.next_offsets, claim.at_ms, claim.batch = list(next_offsets), at_ms, batch
            claim.state = self._room.new_state(partition)
            await self._tell_room(claim)

    def became_durable(self, parts: Iterable[Part[Any]]) -> None:
        """Note how far the database is."""
        for part in parts:
            self._durable.update(zip(self.sources(part.claim.partition), part.new_offsets, strict=True))

    def progress(self) -> int:
        """Return a number that grows with every durable record."""
        return sum(self._durable.values())

    def lag(self, consumer: AIOKafkaConsumer) -> int:
        """Return how many known records of our claims are not durable yet."""
        lag = 0
        for tp in self._claimed(consumer):
            end = consumer.highwater(tp)
            lag += max(0, end - self._durable[tp]) if end is not None else 0
        return lag

    async def tell_kafka(self, consumer: AIOKafkaConsumer) -> None:
        """Commit offsets to Kafka, late and only so that lag tools see them."""
        offsets = {tp: self._durable[tp] for tp in self._claimed(consumer)}
        if not offsets:
            return
        try:
            await asyncio.wait_for(consumer.commit(offsets), 5)
        except (KafkaError, TimeoutError) as error:
            log.info("lag_not_updated", room=self._room.name, error=repr(error))

    def _claimed(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        assigned = consumer.assignment()
        return [tp for partition in self.claims for tp in self.sources(partition) if tp in assigned]

    # --- losing -------------------------------------------------------------------------------------------------------

    def revoked(self, tps: Iterable[TopicPartition]) -> None:
        """Forget what Kafka took away; a commit under way may still win or be fenced, both are right."""
        for partition in {tp.partition for tp in tps}:
            self._unclaimed.pop(partition, None)
            if self.claims.pop(partition, None) is not None:
                self._room.released(partition)

    def fenced(self, claims: Iterable[Claim[S]]) -> None:
        """Stop deciding at once; if Kafka still assigns the partition to us a session later, claim it again."""
        for claim in claims:
            if self.claims.get(claim.partition) is claim:
                del self.claims[claim.partition]
                self._unclaimed[claim.partition] = time.monotonic() + self._retry_seconds
                self._room.released(claim.partition)
