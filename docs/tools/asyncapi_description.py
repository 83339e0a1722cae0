"""The words at the head of the AsyncAPI document."""

from __future__ import annotations

from typing import Final

from schemas.codec.lock import NAMESPACE
from schemas.envelope import CONTENT_TYPE

DESCRIPTION: Final = f"""\
What other systems send to Lastunit over Kafka, and what they can read from it.

**Value.** Confluent's wire format: one byte 0x00, four bytes with the schema's number (big-endian), then the record in Avro's
binary encoding. The number of each message's newest schema is its `x-schema-id`; `schemas/lock.json` has all numbers,
`schemas/history/N.avsc` the schema of number N. A record may have been written by any earlier version of its schema, so read
each by the schema of its number. A message's example has its value in hexadecimal beside it (`x-example-value`).

**Key and partition.** The key is the field that the channel names, in UTF-8. The partition is
`(murmur2(key) & 0x7fffffff) % partitions`, as in Java's client; with librdkafka set `partitioner=murmur2_random`. A record
in another partition is not decided there.

**Sending.** With `acks=all` and idempotence. A command that is sent again with the same ids and content changes nothing, so
after any error the same bytes are sent again. What cannot be decided is on `dead.letters`, whole, with the reason.

**Reading.** Each record comes at least once; its `ce_id` header is the same each time. Use a consumer group of your own. A
topic that is compacted ends a key by a record without a value.

**CloudEvents.** Records carry the attribute `id` at most (`ce_id`). The others follow from the record: `specversion` 1.0;
`type` `{NAMESPACE}.` and the message's name; `source` `/{NAMESPACE}/`, the topic, `/` and the message's name; `subject` the key;
`time` the record's timestamp; `datacontenttype` `{CONTENT_TYPE}`; without a `ce_id` that looks as below, `id` is
topic/partition/offset. `schemas.envelope.cloud_event_headers` adds them all.
"""
