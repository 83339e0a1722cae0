"""Reads what the views have not written: gathered while anything comes, else as soon as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka.errors import IllegalStateError, KafkaError

from consumers.runtime.kafka.fetch_connection import call_off_other_fetches
from consumers.runtime.kafka.fetch_pacing import AT_REST, Wait, ask_for
from consumers.runtime.kafka.reading.read_records import read_records
from consumers.runtime.kafka.record_wait import RecordWait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from consumers.runtime.newer_schemas import NewerSchemas
    from consumers.views.places import Places

log = structlog.get_logger()

GATHERING: Final = Wait(100, 262_144)
"""Views are for people: a tenth of a second is not seen, and a batch of one event costs as much as one of fifty."""
REST_AFTER_SECONDS: Final = 1.0
"""Without a record, until the broker is to answer with the first one that comes."""
BUSY_WAIT_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 0.5


class ViewsReader:
    """What one process reads of the places that it has; `newer` holds back what only a newer release can read."""

    def __init__(self, name: str, places: Places, newer: NewerSchemas | None, most_records: int) -> None:
        self._name = name
        self._places = places
        self._newer = newer
        self._most_records = most_records
        self._record_wait = RecordWait()
        self._read_at = 0.0

    def wake(self) -> None:
        """End the wait for records under way, or the next one."""
        self._record_wait.wake()

    async def read(self, consumer: AIOKafkaConsumer, patience_seconds: float) -> Mapping[TopicPartition, Sequence[Any]]:
        """Return records of partitions that have a place; wait for them, at rest for at most `patience_seconds`."""
        try:
            fetched = await self._fetched(consumer, patience_seconds)
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("poll_failed", room=self._name, error=repr(error))
            self._places.forget()  # what was parsed before the failure is lost
            await asyncio.sleep(RETRY_SECONDS)
            return {}
        return await self._readable(
            consumer,
            {tp: records for tp, records in fetched.items() if records and tp.partition in self._places.next_offsets},
        )

    async def _fetched(
        self, consumer: AIOKafkaConsumer, patience_seconds: float
    ) -> Mapping[TopicPartition, Sequence[Any]]:
        is_at_rest = time.monotonic() - self._read_at > REST_AFTER_SECONDS
        ask_for(consumer, AT_REST if is_at_rest else GATHERING)
        if not (fetched := await self._taken(consumer)):
            call_off_other_fetches(consumer, await self._places.positions())
            await self._record_wait.until_records(consumer, patience_seconds if is_at_rest else BUSY_WAIT_SECONDS)
            fetched = await self._taken(consumer)
        if fetched:
            self._read_at = time.monotonic()
        return fetched

    async def _taken(self, consumer: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[Any]]:
        return await read_records(consumer, self._places.in_log, timeout_ms=0, max_records=self._most_records)

    async def _readable(
        self, consumer: AIOKafkaConsumer, fetched: dict[TopicPartition, Sequence[Any]]
    ) -> Mapping[TopicPartition, Sequence[Any]]:
        """Leave out what begins with a record of a newer release: a process of that release goes on from there."""
        for tp, records in list(fetched.items()):
            if self._newer is None or (held := await self._newer.first_in(tp.partition, records)) is None:
                continue
            fetched[tp] = records[:held]
            with contextlib.suppress(IllegalStateError):  # taken away meanwhile
                consumer.seek(tp, records[held].offset)
            await asyncio.sleep(RETRY_SECONDS)
        return {tp: records for tp, records in fetched.items() if records}
