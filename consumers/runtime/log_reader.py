"""Reads the log of an owner's rooms: fetches, buffers what was fetched, decodes it, and holds back what must wait."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from consumers.errors import LogGapError
from consumers.runtime.deciding.batch import DecodedSlice, FetchedSlice, decode_slice
from consumers.runtime.fetch_positions import FetchPositions
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS, FetchBuffer
from consumers.runtime.kafka.fetch_connection import call_off_other_fetches
from consumers.runtime.kafka.fetch_pacing import FetchPacing
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.kafka.record_wait import RecordWait
from consumers.runtime.newer_schemas import NewerSchemas
from consumers.runtime.origins.check import OriginCheck
from consumers.runtime.origins.log_ends import log_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.hosting import Hosting
    from consumers.runtime.options import OwnerOptions
    from consumers.runtime.ownership import Ownership
    from consumers.runtime.postgres.database import Database
    from producers.outage import Readiness

log = structlog.get_logger()
POLL_RETRY_SECONDS: Final = 0.2


class LogReader:
    """What one owner reads: never more than it has claimed, and nothing from before a claim's position."""

    def __init__(
        self, hosting: Hosting, options: OwnerOptions, ownership: Ownership, database: Database, readiness: Readiness
    ) -> None:
        self._hosting = hosting
        self._batch_records = options.batch_records
        self._ownership = ownership
        self._positions = FetchPositions(hosting.name, ownership)
        self._buffer = FetchBuffer()
        self._pacing = FetchPacing(max(room.fetch_min_bytes for room in hosting.rooms))
        self._record_wait = RecordWait()
        self._newer = NewerSchemas(hosting.name, database, readiness)
        self._origins = OriginCheck(hosting, options.namespace, database, readiness)

    @property
    def has_fetched(self) -> bool:
        """Whether records are fetched that no batch has taken yet."""
        return bool(self._buffer)

    @property
    def waits_for_others(self) -> bool:
        """Whether a record waits for a newer release, or for what another room has to decide first."""
        return self._newer.is_waiting or self._origins.is_waiting

    @property
    def waits_for_records(self) -> bool:
        """Whether it waits for records now, and nothing has come yet."""
        return self._record_wait.is_waiting

    def wake(self) -> None:
        """End the wait for records under way, or the next one."""
        self._record_wait.wake()

    def drop(self, partitions: Iterable[int]) -> None:
        """Drop what was fetched of these partitions: they are read again from the position of their claims."""
        self._buffer.revoke(partitions)

    def revoked(self, partitions: set[int]) -> None:
        """Drop what was fetched of partitions that Kafka revokes, and forget what waited there."""
        self._buffer.revoke(partitions)
        self._newer.revoked(partitions)
        self._origins.revoked(partitions)

    async def read(self, consumer: AIOKafkaConsumer, patience_seconds: float) -> list[DecodedSlice]:
        """Return at most a batch of records, of partitions that are claimed, none from before the claim's position.

        Waits for records at most `patience_seconds`. Raises LogGapError where Kafka has deleted what is to be read.
        """
        claims = self._ownership.claims
        if not self._buffer:
            begin = await self._positions.current(consumer)
            fetched = await self._fetch(consumer, {tp: at for tp, (_, at) in begin.items()}, patience_seconds)
            self._buffer.put(await self._positions.slices(consumer, begin, fetched))
        taken = self._buffer.take(self._batch_records, claims)
        self._positions.rewind(consumer, self._buffer.dropped())
        decoded = [decoded_slice for fetched in taken if (decoded_slice := self._decode(fetched)) is not None]
        kept, newer = await self._newer.hold_back(decoded)
        is_thorough = any(hosted.is_thorough for hosted in claims.values())
        kept, undecided = await self._origins.hold_back(kept, partial(log_ends, consumer), thorough=is_thorough)
        if held := newer + undecided:
            self._positions.read_again(consumer, held)
            await asyncio.sleep(POLL_RETRY_SECONDS)
        return kept

    async def _fetch(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], patience_seconds: float
    ) -> Mapping[TopicPartition, Sequence[Any]]:
        try:
            with self._pacing.reading(consumer):
                if not (fetched := await self._fetched(consumer)):
                    call_off_other_fetches(consumer, positions)
                    await self._record_wait.until_records(consumer, patience_seconds)
                    fetched = await self._fetched(consumer)
        except OffsetOutOfRangeError as error:
            raise LogGapError.unreadable(self._hosting.name, error) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", room=self._hosting.name, error=repr(error))
            await asyncio.sleep(POLL_RETRY_SECONDS)
            return {}
        return fetched

    async def _fetched(self, consumer: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[Any]]:
        """Return what has been fetched, without waiting for more."""
        return await read_records(consumer, self._positions.next_offsets, timeout_ms=0, max_records=READ_AHEAD_RECORDS)

    def _decode(self, fetched: FetchedSlice) -> DecodedSlice | None:
        if fetched.records:
            self._ownership.reads(fetched)
        return decode_slice(self._hosting.accepted, fetched, self._ownership.partitioning)
