"""How far the rooms of a process have decided durably: its progress, its lag, and the offsets committed to Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.room import Room

log = structlog.get_logger()


class DurablePositions:
    """The positions in PostgreSQL, as of the last commit of this process."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._of_log: dict[int, int] = {}
        self._of_room: dict[tuple[str, int], int] = {}
        self._committed_to_kafka: dict[TopicPartition, int] = {}

    def note(self, room: Room[Any], partition: int, offset: int) -> None:
        """Note where a room stands; a partition is decided as far as all rooms have decided it."""
        self._of_room[room.name, partition] = offset
        known = (self._of_room.get((each.name, partition)) for each in self._hosting.rooms)
        self._of_log[partition] = min(offset for offset in known if offset is not None)

    def of(self, partition: int) -> int:
        """Return the first offset of a partition that is not decided, 0 where nothing is known of it."""
        return self._of_log.get(partition, 0)

    def progress(self) -> int:
        """Return a number that grows with every durable record."""
        return sum(self._of_room.values())

    def lag(self, consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], partitioning: Partitioning) -> int:
        """Return how many offsets of these are known and not durable yet, up to the first transaction that is open."""
        lag = 0
        for tp in tps:
            end = consumer.last_stable_offset(tp)
            stop = partitioning.stop(tp.partition)
            last = end if stop is None or end is None else min(end, stop)
            lag += max(0, last - self._of_log[tp.partition]) if last is not None else 0
        return lag

    def lag_of(self, room: Room[Any], consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> int:
        """Return the same of one room."""
        lag = 0
        for tp in tps:
            offset, end = self._of_room.get((room.name, tp.partition)), consumer.last_stable_offset(tp)
            if offset is not None and end is not None:
                lag += max(0, end - offset)
        return lag

    async def commit_to_kafka(self, consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition]) -> None:
        """Commit offsets to Kafka, late and only so that lag tools see them."""
        offsets = {tp: self._of_log[tp.partition] for tp in tps}
        if not offsets or offsets == self._committed_to_kafka:
            return
        try:
            async with asyncio.timeout(5):
                await consumer.commit(offsets)
            self._committed_to_kafka = offsets
        except (KafkaError, TimeoutError) as error:
            log.info("lag_not_updated", room=self._hosting.name, error=repr(error))
