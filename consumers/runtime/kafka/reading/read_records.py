"""Reads records whatever a stranger wrote: one that aiokafka cannot parse is read here, and refused.

aiokafka raises out of `getmany` at a header name that is not UTF-8, and is made to (offset_check.py) at a record with another
offset than its own. What it had parsed of other partitions is dropped, their positions move on all the same, and
the next read raises again. So after such a failure every partition goes back to where its reader is, and this one time its
records are read by our own parser. Once a read is over, a consumer's position is where its reader goes on: whatever lies
between it and the last record is not to be read.

Decision: docs/decisions, 006.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException, IllegalStateError, LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest

from consumers.errors import CorruptLogError
from consumers.runtime.deciding.record import MALFORMED_ATTRIBUTES, MALFORMED_HEADERS, MALFORMED_OFFSET, MalformedRecord
from consumers.runtime.kafka.reading.offset_check import install_offset_check
from consumers.runtime.kafka.reading.record_batch import RecordBatches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer

    Positions = Callable[[], Awaitable[Mapping[TopicPartition, int]]]

log = structlog.get_logger()

_UNPARSED: Final = (UnicodeDecodeError, CorruptRecordException)
_WHY_CHARACTERS: Final = 500
_SHOWN_BYTES: Final = 100
_FETCH_WAIT_MS: Final = 100
_ALL_BYTES: Final = 2**31 - 1
_ABORTED_AT: Final = {4: -2, 11: 2}
"""Since which version of the response its aborted transactions stand where (from the fields that follow the high mark)."""


async def read_records(
    consumer: AIOKafkaConsumer, positions: Positions, *only: TopicPartition, timeout_ms: int, max_records: int
) -> Mapping[TopicPartition, Sequence[Any]]:
    """Return FetchedRecords, as `getmany` would, with a MalformedRecord in the place of each that must not be decided.

    `positions` says how far the reader itself is in each partition that it reads; it is asked only where a read failed.
    Raises CorruptLogError for a batch that is not what was appended, else what `getmany` raises.
    """
    install_offset_check(consumer)
    try:
        fetched: Mapping[TopicPartition, Sequence[Any]] = await consumer.getmany(
            *only, timeout_ms=timeout_ms, max_records=max_records
        )
    except _UNPARSED as error:
        log.warning("read_anew", why=repr(error)[:_WHY_CHARACTERS])
        anew = await _read_anew(consumer, await positions(), max_records)
        if anew is None:
            raise
        fetched = anew
    return fetched


async def _read_anew(
    consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], max_records: int
) -> dict[TopicPartition, Sequence[Any]] | None:
    """Read a share of each partition; all of them go back first, so that whatever happens then nothing is skipped.

    A partition that nobody reads is paused, as it may be the one that failed. Return None where nothing came of it.
    """
    unread = consumer.assignment() - positions.keys() - consumer.paused()
    consumer.pause(*unread)
    for tp, position in positions.items():
        _seek(consumer, tp, position)
    waiting = {tp: position for tp, position in positions.items() if _has_more(consumer, tp, position)}
    share = max(1, max_records // max(1, len(waiting)))
    read = {tp: await _read(consumer, tp, position, share) for tp, position in waiting.items()}
    # Only now, because a read that fails must leave every partition where its reader is.
    fetched: dict[TopicPartition, Sequence[Any]] = {
        tp: records for tp, (records, following) in read.items() if _seek(consumer, tp, following) and records
    }
    moved = any(following > waiting[tp] for tp, (_, following) in read.items())
    return fetched if moved or unread else None


def _has_more(consumer: AIOKafkaConsumer, tp: TopicPartition, position: int) -> bool:
    if tp not in consumer.assignment() or tp in consumer.paused():
        return False
    end = consumer.highwater(tp)
    return end is not None and position < end


def _seek(consumer: AIOKafkaConsumer, tp: TopicPartition, position: int) -> bool:
    with contextlib.suppress(IllegalStateError):  # taken away meanwhile
        consumer.seek(tp, position)
        return True
    return False


class Records(PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's walk over batches: it judges transactions, checksums and offsets here as ever."""

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Any:
        flaw = _flaw(record)
        if flaw is None:
            return super()._consumer_record(tp, record)
        reason, detail = flaw
        return MalformedRecord(
            partition=tp.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=record.key,
            headers=[(_readable(name), value) for name, value in record.headers],
            body=record.value,
            reason=reason,
            detail=detail,
        )


def _flaw(record: Any) -> tuple[str, str] | None:
    """Return why a record must not be decided, as reason and detail; None where it may."""
    for place, (name, _) in enumerate(record.headers, start=1):
        if isinstance(name, bytes):
            return MALFORMED_HEADERS, f"the name of header {place} is not UTF-8: {name[:_SHOWN_BYTES]!r}"
    if getattr(record, "has_odd_attributes", False):
        return MALFORMED_ATTRIBUTES, "the record's attributes, which Kafka does not use, must be 0"
    if (written := getattr(record, "written_offset", None)) is not None:
        return MALFORMED_OFFSET, f"the record says that its offset is {written}, the broker gave it {record.offset}"
    return None


async def _read(consumer: AIOKafkaConsumer, tp: TopicPartition, position: int, most: int) -> tuple[list[Any], int]:
    """Return at most so many records from a position on, and the position after them."""
    answer, aborted = await _fetch(consumer, tp, position)
    fetcher = consumer._fetcher  # noqa: SLF001
    unread = Records(
        tp,
        RecordBatches(answer),
        aborted,
        position,
        None,
        None,
        True,
        fetcher._isolation_level,  # noqa: SLF001
    )
    records: list[Any] = []
    try:
        while len(records) < most and (record := next(unread, None)) is not None:
            records.append(record)
    except CorruptRecordException as error:
        if not records:
            raise CorruptLogError(tp.topic, tp.partition, unread.next_fetch_offset, str(error)) from error
    return records, unread.next_fetch_offset


async def _fetch(consumer: AIOKafkaConsumer, tp: TopicPartition, position: int) -> tuple[bytes, Any]:
    """Ask the partition's leader once, in the consumer's own way. Raises KafkaError for its refusal."""
    client, fetcher = consumer._client, consumer._fetcher  # noqa: SLF001
    leader = client.cluster.leader_for_partition(tp)
    if leader is None or leader < 0:
        raise LeaderNotAvailableError
    asked = [(tp.topic, [(tp.partition, position, fetcher._max_partition_fetch_bytes)])]  # noqa: SLF001
    request = FetchRequest(_FETCH_WAIT_MS, 1, _ALL_BYTES, fetcher._isolation_level, asked, rack_id="")  # noqa: SLF001
    response = await client.send(leader, request)
    _, code, _, *rest = response.topics[0][1][0]
    if for_code(code) is not NoError:
        raise for_code(code)({tp: position})
    since = max(version for version in _ABORTED_AT if version <= response.API_VERSION)
    return rest[-1], rest[_ABORTED_AT[since]]


def _readable(name: str | bytes) -> str:
    """Escape a name that is not UTF-8 such that its bytes can be had again."""
    return name if isinstance(name, str) else name.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
