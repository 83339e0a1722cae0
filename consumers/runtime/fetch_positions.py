"""Where an owner's consumer reads: the positions of its claims, what a fetch has passed over, and going back to what is undecided."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import IllegalStateError

from consumers.runtime.deciding.batch import FetchedSlice
from consumers.runtime.kafka.seeking import seek

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.claim import HostedPartition
    from consumers.runtime.deciding.batch import DecodedSlice
    from consumers.runtime.ownership import Ownership

log = structlog.get_logger()


class FetchPositions:
    """The consumer's positions in the partitions that one process has claimed."""

    def __init__(self, name: str, ownership: Ownership) -> None:
        self._name = name
        self._ownership = ownership

    async def next_offsets(self) -> dict[TopicPartition, int]:
        """Return the next offset to decide of every partition that is read."""
        claims = self._ownership.claims
        return {self._ownership.tp_of(partition): hosted.next_offset for partition, hosted in claims.items()}

    async def current(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, tuple[HostedPartition, int]]:
        """Return the claims and the fetch position of every partition that is read, without those that have reached their stop, or are paused."""
        positions: dict[TopicPartition, tuple[HostedPartition, int]] = {}
        for tp in self._ownership.claimed_tps(consumer):
            stop, hosted = self._ownership.partitioning.stop(tp.partition), self._ownership.claims.get(tp.partition)
            if hosted is None or hosted.is_paused:
                continue
            if stop is None or hosted.next_offset < stop:
                with contextlib.suppress(IllegalStateError):  # revoked meanwhile
                    positions[tp] = hosted, await consumer.position(tp)
        return positions

    async def slices(
        self,
        consumer: AIOKafkaConsumer,
        begin: Mapping[TopicPartition, tuple[HostedPartition, int]],
        fetched: Mapping[TopicPartition, Sequence[Any]],
    ) -> list[FetchedSlice]:
        """Return what was fetched from the positions `begin`, without what was revoked meanwhile.

        A consumer that moved on without a record has passed over a transaction's marker, or over what was aborted.
        """
        reached = await self.current(consumer)
        return [
            FetchedSlice(tp, hosted, fetched.get(tp, ()), first, reached[tp][1])
            for tp, (hosted, first) in begin.items()
            if tp in reached and reached[tp][0] is hosted and reached[tp][1] > first
        ]

    def rewind(self, consumer: AIOKafkaConsumer, dropped: Iterable[FetchedSlice]) -> None:
        """Read again from the claims' positions where fetched records were dropped."""
        for fetched in dropped:
            tp, hosted = fetched.tp, self._ownership.claims.get(fetched.tp.partition)
            if hosted is None:
                continue
            position = hosted.next_offset
            log.warning("fetched_records_dropped", room=self._name, tp=str(tp), first=fetched.first, position=position)
            seek(consumer, tp, position)

    def read_again(self, consumer: AIOKafkaConsumer, held_back: Iterable[DecodedSlice]) -> None:
        """Read again from where these slices begin; what is before them is decided meanwhile."""
        for decoded in held_back:
            seek(consumer, self._ownership.tp_of(decoded.partition), decoded.first)
