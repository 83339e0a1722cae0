"""Record batches as a broker takes them, with what no client library would write."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c, decode_varint_py

RawHeaders = Sequence[tuple[bytes, bytes | None]]
RawRecord = tuple[bytes | None, bytes | None, RawHeaders]
"""Key, value and headers; a header's name may be any bytes."""

CRC_AT, CHECKED_FROM, LAST_DELTA_AT, RECORDS_FROM = 17, 21, 23, 61


class _Name(str):  # noqa: SLOT000  a str has room for no slots
    """A header name that is written as the bytes that it was made of."""

    raw: bytes

    def encode(self, *_: Any) -> bytes:
        return self.raw


def _named(raw: bytes) -> str:
    name = _Name()
    name.raw = raw
    return name


def batch_of(records: Sequence[RawRecord], deltas: Sequence[int] | None = None, **changes: Any) -> bytearray:
    """Return one batch of magic 2; `changes` are fields of aiokafka's builder.

    `deltas` is what each record says of its offset within the batch; its header says the truth, as a broker checks that.
    """
    fields = {
        "compression_type": 0,
        "is_transactional": 0,
        "producer_id": -1,
        "producer_epoch": -1,
        "base_sequence": 0,
        "batch_size": 1 << 24,
    }
    builder = _DefaultRecordBatchBuilderPy(2, **(fields | changes))
    offset_deltas = range(len(records)) if deltas is None else deltas
    for place, (delta, (key, value, headers)) in enumerate(zip(offset_deltas, records, strict=True)):
        named = [(_named(name), content) for name, content in headers]
        builder.append(delta, timestamp=1_700_000_000_000 + place, key=key, value=value, headers=named)
    batch = bytearray(builder.build())
    struct.pack_into(">i", batch, LAST_DELTA_AT, len(records) - 1)
    return batch


def attributes_at(batch: bytearray, record: int) -> int:
    """Return where the attributes of a batch's record stand (counted from 0); every client writes a 0 there."""
    at = RECORDS_FROM
    for _ in range(record):
        length, start = decode_varint_py(batch, at)
        at = start + length
    return int(decode_varint_py(batch, at)[1])


def sealed(batch: bytearray) -> bytes:
    """Return the batch with the checksum of what it holds now."""
    struct.pack_into(">I", batch, CRC_AT, calc_crc32c(bytes(batch[CHECKED_FROM:])))
    return bytes(batch)


async def produce(bootstrap: str, topic: str, partition: int, batch: bytes) -> int:
    """Append a batch as it is; return the error code of the broker's answer (0 for none)."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.fetch_all_metadata()
        client.set_topics([topic])
        await client._wait_on_metadata(topic)
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, -1, 30_000, [(topic, [(partition, batch)])])
        response = await client.send(leader, request)
        code: int = response.topics[0][1][0][1]
        return code
    finally:
        await client.close()
