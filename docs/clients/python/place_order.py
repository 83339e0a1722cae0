"""Places an order with confluent-kafka (librdkafka) and fastavro, and follows it until it is paid (0) or not (1)."""

import functools
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import uuid_utils  # from Python 3.14 on, the standard library's uuid.uuid7 does as well
from confluent_kafka import Consumer, Producer, TopicPartition

SERVERS = {"bootstrap.servers": os.environ.get("LASTUNIT_KAFKA_BOOTSTRAP", "localhost:9092")}
NAMESPACE = os.environ.get("LASTUNIT_NAMESPACE", "")  # what the topics' names begin with, on a shared cluster
HISTORY = Path(os.environ.get("LASTUNIT_SCHEMAS", "schemas")) / "history"
PARTITIONER = os.environ.get("PARTITIONER", "murmur2_random")  # Java's; librdkafka's default, CRC32, is another
PLACE_ORDER_LINE = 98  # the id of the version that this program was written for: ids never change
LINES = (("MUG", 1, 1295), ("TEA", 2, 450), ("MUG", 1, 1295))  # SKU, units, price of one in pence


@functools.cache
def schema(number: int) -> Any:
    """Return the schema of an id: the one that its records were written by."""
    return fastavro.parse_schema(json.loads((HISTORY / f"{number}.avsc").read_text()))


def commands(order_id: str) -> Iterator[tuple[str, bytes]]:
    """Yield the key and the value of each line's command."""
    for at, (sku, quantity, price) in enumerate(LINES):
        body = io.BytesIO()
        demand = sum(
            later[1] for later in LINES[at:] if later[0] == sku
        )  # of this SKU, in this line and those after it
        line = {"line": at + 1, "line_count": len(LINES), "sku": sku, "quantity": quantity, "demand": demand}
        order = {"order_id": order_id, "currency": "GBP", "customer_id": "c-7", "payment_token": "tok_ok"}
        rest = {"unit_price_minor": price, "hold_seconds": 900}
        fastavro.schemaless_writer(body, schema(PLACE_ORDER_LINE), {**order, **line, **rest})
        yield sku, b"\0" + PLACE_ORDER_LINE.to_bytes(4, "big") + body.getvalue()


def place(order_id: str) -> None:
    """Publish the commands; return when all replicas in sync have them."""
    failures = []
    producer = Producer({**SERVERS, "acks": "all", "partitioner": PARTITIONER})
    for sku, value in commands(order_id):
        producer.produce(
            f"{NAMESPACE}inventory.commands", value, sku, on_delivery=lambda error, _: failures.append(error)
        )
    if producer.flush(10) or any(failures):
        sys.exit(f"not acknowledged; the same order again is harmless: {failures}")


def main() -> int:
    """Place the order and follow it; return the exit status."""
    order_id = str(uuid_utils.uuid7())
    events = f"{NAMESPACE}order.events"
    consumer = Consumer({**SERVERS, "group.id": "unused", "enable.auto.commit": False})
    partitions = consumer.list_topics(events).topics[events].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(events, each))[1] for each in partitions]
    consumer.assign([TopicPartition(events, *each) for each in zip(partitions, ends, strict=True)])
    place(order_id)
    print("order", order_id)
    while True:
        record = consumer.poll(1)
        if record is None or record.error() or record.key() != order_id.encode():
            continue
        value = record.value() or b""
        writer = schema(int.from_bytes(value[1:5], "big"))
        name = writer["name"].removeprefix("lastunit.")
        print(name, fastavro.schemaless_reader(io.BytesIO(value[5:]), writer, None))
        if name in {"OrderPaid", "OrderRejected", "OrderCancelled"}:
            consumer.close()
            return 0 if name == "OrderPaid" else 1


if __name__ == "__main__":
    sys.exit(main())
