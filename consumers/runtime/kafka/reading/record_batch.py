"""Parses what a broker stores (record batches of magic 2), whatever a producer wrote that no broker refuses.

aiokafka reads the same bytes ten times faster, but raises at a header name that is not UTF-8, and believes a record that
errs about its offset. So it reads, and this is for the read that failed.
Layout: https://kafka.apache.org/documentation/#messageformat
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import calc_crc32c, decode_varint_py

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH_COUNTS: Final = struct.calcsize(">qi")
_MAGIC_AT: Final = struct.calcsize(">qii")
_CHECKED_FROM: Final = struct.calcsize(">qiibI")
_MAGIC: Final = 2

_MORE_FOLLOWS: Final = 0x80
_CODEC: Final = 0x07
_LOG_APPEND_TIME: Final = 0x08
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_UNPACKERS: Final[dict[int, tuple[Callable[[], bool], Callable[[bytes], bytes]]]] = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}

_varint = decode_varint_py  # the compiled one reads beyond the end of its buffer
RawHeaders = list[tuple[str | bytes, bytes | None]]


class RawRecord(msgspec.Struct):
    """A record as it stands in its batch; a header name that is not UTF-8 is bytes. `timestamp` in ms since the epoch.

    `offset` is the broker's; `written_offset` what is written in the record where that is another. `has_odd_attributes` where
    aiokafka is misled by them: it reads the byte as a number that may go on in the next one.
    """

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders
    has_odd_attributes: bool = False
    written_offset: int | None = None
    checksum: None = None


class RecordBatches:
    """The whole batches in what a broker answered, with the methods that aiokafka's PartitionRecords asks for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def has_next(self) -> bool:
        """Tell whether a whole batch is left; a broker may cut the last one."""
        return self._at + _BEFORE_LENGTH_COUNTS <= len(self._data) and self._end() <= len(self._data)

    def next_batch(self) -> Any:
        """Return the next batch; those of magic 0 and 1 know no headers, so aiokafka's own parser does for them."""
        batch, self._at = memoryview(self._data)[self._at : self._end()], self._end()
        if len(batch) <= _MAGIC_AT:
            raise CorruptRecordException(f"a batch of {len(batch)} bytes")
        magic = batch[_MAGIC_AT]
        return RecordBatch(batch) if magic >= _MAGIC else LegacyRecordBatch(batch, magic)

    def _end(self) -> int:
        length: int = struct.unpack_from(">i", self._data, self._at + 8)[0]
        return self._at + _BEFORE_LENGTH_COUNTS + length


class RecordBatch:
    """One batch of magic 2. Its records are read as they are asked for.

    Raises CorruptRecordException for what is no batch, UnsupportedCodecError for a codec that is not installed.
    """

    def __init__(self, data: memoryview) -> None:
        if len(data) < _HEADER.size:
            raise CorruptRecordException(f"a batch of {len(data)} bytes")
        self._data = data
        header = _HEADER.unpack_from(data)
        self.base_offset: int = header[0]
        self._crc: int = header[4]
        self._attributes: int = header[5]
        self.next_offset: int = self.base_offset + header[6] + 1
        self._first_ms, self._max_ms = header[7:9]
        self.producer_id: int = header[9]
        self._count: int = header[12]
        self._was_compacted = self._count != header[6] + 1
        self.is_transactional = bool(self._attributes & _TRANSACTIONAL)
        self.is_control_batch = bool(self._attributes & _CONTROL)
        self._records = self._read()

    def validate_crc(self) -> bool:
        """Tell whether the batch is what its producer sent (CRC-32C)."""
        return bool(calc_crc32c(self._data[_CHECKED_FROM:].tobytes()) == self._crc)

    def __iter__(self) -> Iterator[RawRecord]:
        return self._records

    def __next__(self) -> RawRecord:
        return next(self._records)

    def _read(self) -> Iterator[RawRecord]:
        body, at = self._unpacked(), 0
        for number in range(self.base_offset, self.base_offset + self._count):
            try:
                record, at = self._record(body, at)
            except (IndexError, ValueError) as error:
                raise CorruptRecordException(
                    f"the batch at {self.base_offset} holds no whole record: {error}"
                ) from error
            if record.offset != number and not self._was_compacted:
                record.offset, record.written_offset = number, record.offset
            yield record
        if at != len(body):
            raise CorruptRecordException(f"{len(body) - at} bytes are left after the records at {self.base_offset}")

    def _unpacked(self) -> bytes:
        packed, kind = self._data[_HEADER.size :].tobytes(), self._attributes & _CODEC
        if not kind:
            return packed
        is_there, unpack = _UNPACKERS.get(kind, (bool, bytes))
        if not is_there():
            raise UnsupportedCodecError(f"codec {kind} is not installed")
        return unpack(packed)

    def _record(self, body: bytes, at: int) -> tuple[RawRecord, int]:
        length, start = _varint(body, at)
        end = start + length
        try:
            return self._fields(body, _varint(body, start)[1], end), end
        except (CorruptRecordException, IndexError, ValueError):
            if body[start] < _MORE_FOLLOWS:
                raise
        record = self._fields(body, start + 1, end)
        record.has_odd_attributes = True
        return record, end

    def _fields(self, body: bytes, at: int, end: int) -> RawRecord:
        later_ms, at = _varint(body, at)
        further, at = _varint(body, at)
        key, at = _nullable(body, at)
        value, at = _nullable(body, at)
        headers, at = _headers(body, at)
        if at != end or end > len(body):
            raise CorruptRecordException(f"record {self.base_offset + further} has another length than it says")
        appended = bool(self._attributes & _LOG_APPEND_TIME)
        at_ms = self._max_ms if appended else self._first_ms + later_ms
        return RawRecord(self.base_offset + further, at_ms, int(appended), key, value, headers)


def _headers(body: bytes, at: int) -> tuple[RawHeaders, int]:
    count, at = _varint(body, at)
    if count < 0:
        raise CorruptRecordException(f"{count} headers")
    headers: RawHeaders = []
    for _ in range(count):
        name, at = _nullable(body, at)
        if name is None:
            raise CorruptRecordException("a header without a name")
        value, at = _nullable(body, at)
        try:
            headers.append((name.decode(), value))
        except UnicodeDecodeError:
            headers.append((name, value))
    return headers, at


def _nullable(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(body, at)
    return (body[at : at + length], at + length) if length >= 0 else (None, at)
