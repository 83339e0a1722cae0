"""How far the views are in each partition that Kafka gave to this process: where to read on, and what was written.

Redis and the index have positions of their own, and reading begins at the earlier one. A partition whose place is not known,
or is not known any more, stays paused until `find` has looked it up.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from consumers.views import store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer
    from redis.asyncio import Redis

    from consumers.views.index import OrderIndex

log = structlog.get_logger()


class Places:
    """The places of one consumer in one topic; `consumer` is set before anything is assigned.

    `next_offsets` has how far each placed partition was written, None for one that begins at its log's beginning; `passed`
    counts offsets since the start, whatever stood there.
    """

    consumer: AIOKafkaConsumer

    def __init__(self, topic: str, namespace: str, redis: Redis, index: OrderIndex | None) -> None:
        self.next_offsets: dict[int, int | None] = {}
        self.passed = 0
        self._in_redis: dict[int, int | None] = {}
        self._unknown: set[int] = set()
        self._topic = topic
        self._namespace = namespace
        self._redis = redis
        self._index = index

    # --- what Kafka gives and takes ---------------------------------------------------------------------------------------

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Note what Kafka assigned; it stays paused until its place is known."""
        self.consumer.pause(*partitions)
        for tp in partitions:
            # Without a position of its own the consumer would look for one; `find` sets the true one.
            self.consumer.seek(tp, 0)
            self._unknown.add(tp.partition)

    def revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget what Kafka took away."""
        for tp in partitions:
            self._unknown.discard(tp.partition)
            self.next_offsets.pop(tp.partition, None)

    # --- where to read ------------------------------------------------------------------------------------------------

    async def find(self) -> None:
        """Go to where each new partition was left, or to its beginning, and read from there."""
        if not self._unknown:
            return
        wanted = sorted(self._unknown)
        stored = await store.read_positions(self._redis, self._namespace, wanted)
        positions = await self._earlier(stored)
        log.info("views_placed", partitions=wanted, from_the_beginning=[p for p in wanted if positions[p] is None])
        for partition in [number for number in wanted if number in self._unknown]:
            tp, position = self._tp(partition), positions[partition]
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile
                if position is None:
                    await self.consumer.seek_to_beginning(tp)
                else:
                    self.consumer.seek(tp, position)
                self.consumer.resume(tp)
                self._unknown.discard(partition)
                self.next_offsets[partition] = position
                self._in_redis[partition] = stored[partition]

    async def _earlier(self, in_redis: Mapping[int, int | None]) -> dict[int, int | None]:
        """Return where to read from: the index may be behind Redis, or lost."""
        if self._index is None:
            return dict(in_redis)
        indexed = await self._index.positions(list(in_redis))
        return {p: None if at is None or not indexed[p] else min(at, indexed[p]) for p, at in in_redis.items()}

    def forget(self, partitions: Iterable[int] | None = None) -> None:
        """Look these places up anew, or all of them: what was fetched and not written is fetched again."""
        for partition in set(self.next_offsets if partitions is None else partitions) & self.next_offsets.keys():
            del self.next_offsets[partition]
            self._unknown.add(partition)
            with contextlib.suppress(IllegalStateError):
                self.consumer.pause(self._tp(partition))

    async def forget_what_is_lost(self) -> None:
        """Look up anew what Redis has another position of than was written: it was emptied, or another process writes."""
        positions = await store.read_positions(self._redis, self._namespace, sorted(self.next_offsets))
        self.forget(p for p, position in positions.items() if position != self._in_redis.get(p))

    async def in_log(self) -> dict[TopicPartition, int]:
        """Return how far we have written, but at least where the log begins."""
        tps = {self._tp(partition): position for partition, position in self.next_offsets.items()}
        begins = await self.consumer.beginning_offsets(list(tps))
        return {tp: max(position or 0, begins[tp]) for tp, position in tps.items()}

    async def positions(self) -> dict[TopicPartition, int]:
        """Return where the consumer reads on in every placed partition."""
        positions: dict[TopicPartition, int] = {}
        for partition in list(self.next_offsets):
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile
                positions[self._tp(partition)] = await self.consumer.position(self._tp(partition))
        return positions

    # --- moving on ----------------------------------------------------------------------------------------------------

    async def reached(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> dict[int, int]:
        """Return up to where each partition was read, even if only over a transaction's marker."""
        reached = {}
        for partition, position in list(self.next_offsets.items()):
            tp = self._tp(partition)
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile
                at = await self.consumer.position(tp)
                if tp in fetched or at > (position or 0):
                    reached[partition] = at
        return reached

    async def store(self, reached: Mapping[int, int]) -> set[int]:
        """Move the positions in Redis; return those that were lost there, or that another process moved."""
        moves = [(p, self._in_redis[p], max(self._in_redis[p] or 0, at)) for p, at in reached.items()]
        lost = await store.move_positions(self._redis, self._namespace, moves)
        self._in_redis.update({partition: new for partition, _, new in moves})
        return lost

    def move(self, reached: Mapping[int, int]) -> None:
        """Note what was written, of the partitions that are still ours."""
        for partition, at in reached.items():
            if partition in self.next_offsets:
                self.passed += at - (self.next_offsets[partition] or 0)
                self.next_offsets[partition] = at

    def lag(self) -> int:
        """Return how many offsets are to be read, up to the last stable one that the consumer knows of."""
        ends = {p: self.consumer.last_stable_offset(self._tp(p)) for p in self.next_offsets}
        return sum(max(0, end - (self.next_offsets[p] or 0)) for p, end in ends.items() if end is not None)

    def to_commit(self) -> dict[TopicPartition, int]:
        """Return the offsets that may be committed to Kafka."""
        assigned = self.consumer.assignment()
        return {
            tp: position
            for partition, position in self.next_offsets.items()
            if position is not None and (tp := self._tp(partition)) in assigned
        }

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)
