"""Checks each record's offset against the one that the broker gave it.

A broker numbers the records of a batch from the batch's first offset on, without a gap, and refuses another header. The
offset delta of an uncompressed record is stored as the producer wrote it, and aiokafka goes by that: after a jump it takes
good records for old ones and leaves them out. So here a record's offset is its place in its batch, and reading fails at the
first record with another.

Decision: docs/decisions, 007.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition


class OffsetMismatchError(CorruptRecordException):  # type: ignore[misc]  # aiokafka has no types
    """A record has another offset than its place in the batch.

    Raised too where its place means nothing: in a batch that was compacted, or is of a format from before batches.
    """


class FetchedRecord(msgspec.Struct, gc=False):
    """A record at its checked offset; `timestamp` in ms since the epoch. aiokafka's own takes 0.8 us longer to make."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def install_offset_check(consumer: AIOKafkaConsumer) -> None:
    """Have `getmany` return FetchedRecords, or raise OffsetMismatchError. It may be called again."""
    fetcher = consumer._fetcher  # noqa: SLF001
    if not isinstance(fetcher._records, _Fetched):  # noqa: SLF001
        fetcher._records = _Fetched(fetcher._records)  # noqa: SLF001


class _Fetched(OrderedDict["TopicPartition", Any]):
    """What aiokafka has fetched of each partition and nobody has taken; it is parsed as it is taken."""

    def __setitem__(self, tp: TopicPartition, fetched: Any) -> None:
        if isinstance(fetched, FetchResult):
            fetched._partition_records = NumberedRecords.of(fetched._partition_records)  # noqa: SLF001
        super().__setitem__(tp, fetched)


class NumberedRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's walk over the batches of one partition, with a count of their records."""

    next_fetch_offset: int

    @classmethod
    def of(cls, unread: PartitionRecords) -> NumberedRecords:
        """Return the same records, of which none has been read."""
        return cls(
            unread._tp,  # noqa: SLF001
            unread._records,  # noqa: SLF001
            unread._aborted_transactions,  # noqa: SLF001
            unread.next_fetch_offset,
            None,
            None,
            True,
            unread._isolation_level,  # noqa: SLF001
        )

    def __iter__(self) -> Iterator[FetchedRecord]:
        iterator: Iterator[FetchedRecord] = self._records_iterator
        return iterator

    def _unpack_records(self) -> Iterator[FetchedRecord]:
        partition, batches = self._tp.partition, self._records
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"a batch of {self._tp} has another checksum than it says")
            if not self._is_passed_over(batch):
                number = batch.base_offset
                for record in batch:
                    if record.offset != number:
                        raise OffsetMismatchError(
                            f"record {number} of {self._tp} says that its offset is {record.offset}"
                        )
                    number += 1
                    if number > self.next_fetch_offset:
                        self.next_fetch_offset = number
                        yield FetchedRecord(
                            partition, record.offset, record.timestamp, record.key, record.value, record.headers
                        )
            self.next_fetch_offset = batch.next_offset

    def _is_passed_over(self, batch: Any) -> bool:
        """Tell whether a batch is a transaction's marker, or was aborted; batches have to come in their order."""
        producer = batch.producer_id
        if producer is None:
            raise OffsetMismatchError(f"{self._tp} has a batch of a format from before batches")
        if self._isolation_level == READ_COMMITTED:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(producer)
            if batch.is_transactional and producer in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)
