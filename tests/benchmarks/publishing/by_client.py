"""What a producer spends on an order: lastunit_client, a hand-written client, and one that has the bytes already."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import fastavro
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from lastunit_client import Client, OrderLine, OrderRequest
from producers.clients.orders import place_order_lines
from schemas.codec import wire
from schemas.codec.lock import latest, read_history, read_lock
from topology.partitioner import partitions_of
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from infra.base.settings import Settings

SKUS: Final = 1_000
BATCH_BYTES: Final = 512 * 1024
AT_ONCE: Final = 1_000
_POSITIVE: Final = 0x7FFFFFFF


class Spent(msgspec.Struct, frozen=True):
    """Orders a second, and a CPU second of the producer; how long each call took, in ms."""

    per_s: float
    per_cpu_s: float
    taken_ms: list[float] = []


def orders(number: int) -> list[OrderRequest]:
    """Return orders of one line over many SKUs."""
    return [
        OrderRequest(customer_id=f"customer-{n % 500}", lines=(OrderLine(f"SKU-{n % SKUS:05d}", 1, 1295),))
        for n in range(number)
    ]


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        linger_ms=0,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, topic: str, groups: dict[int, list[tuple[bytes, bytes]]]) -> None:
    """Send what belongs to each partition in batches as large as may be."""
    pending = []
    for partition, records in groups.items():
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                pending.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        pending.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*pending)


async def bulk_ours(settings: Settings, wanted: Sequence[OrderRequest]) -> Spent:
    """Place all with lastunit_client."""
    async with Client(settings.kafka_bootstrap, namespace=settings.namespace) as client:
        return await _measured(len(wanted), client.place_all(wanted))


async def bulk_hand_written(settings: Settings, wanted: Sequence[OrderRequest]) -> Spent:
    """Do as the documents for other languages have it: fastavro, murmur2, send_batch; nothing is checked."""
    topic = INVENTORY_COMMANDS.in_namespace(settings.namespace)
    entry = latest(read_lock())["lastunit.PlaceOrderLine"]
    schema = fastavro.parse_schema(read_history(entry))
    head = wire.HEAD.pack(wire.MAGIC, entry.id)

    async def place(producer: AIOKafkaProducer) -> None:
        partitions = len(await producer.partitions_for(topic))
        groups: dict[int, list[tuple[bytes, bytes]]] = {}
        for order in wanted:
            for number, line in enumerate(order.lines, start=1):
                record = {
                    "order_id": order.order_id,
                    "line": number,
                    "line_count": len(order.lines),
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "demand": line.quantity,
                    "unit_price_minor": line.unit_price_minor,
                    "currency": order.currency,
                    "customer_id": order.customer_id,
                    "payment_token": order.payment_token,
                    "hold_seconds": order.hold_seconds,
                    "cart_id": order.cart_id,
                    "terms": order.terms,
                    "reference": order.reference,
                }
                out = io.BytesIO()
                out.write(head)
                fastavro.schemaless_writer(out, schema, record)
                key = line.sku.encode()
                groups.setdefault((murmur2(key) & _POSITIVE) % partitions, []).append((key, out.getvalue()))
        await _send(producer, topic, groups)

    async with _producer(settings) as producer:
        return await _measured(len(wanted), place(producer))


async def bulk_of_bytes(settings: Settings, wanted: Sequence[OrderRequest]) -> Spent:
    """Send what was encoded and assigned to partitions before."""
    topic = INVENTORY_COMMANDS.in_namespace(settings.namespace)
    async with _producer(settings) as producer:
        records = _encoded(wanted)
        partitions = partitions_of([key for key, _ in records], len(await producer.partitions_for(topic)))
        groups: dict[int, list[tuple[bytes, bytes]]] = {}
        for partition, record in zip(partitions, records, strict=True):
            groups.setdefault(partition, []).append(record)
        return await _measured(len(wanted), _send(producer, topic, groups))


async def single_ours(settings: Settings, wanted: Sequence[OrderRequest]) -> Spent:
    """Place each alone, many at once."""
    async with Client(settings.kafka_bootstrap, namespace=settings.namespace) as client:
        return await _each(wanted, client.place)


async def single_of_bytes(settings: Settings, wanted: Sequence[OrderRequest]) -> Spent:
    """Send each record that was encoded before alone, many at once."""
    topic = INVENTORY_COMMANDS.in_namespace(settings.namespace)
    async with _producer(settings) as producer:
        records = _encoded(wanted)
        return await _each(records, lambda record: producer.send_and_wait(topic, key=record[0], value=record[1]))


BULK: Final = {"bulk_ours": bulk_ours, "bulk_hand_written": bulk_hand_written, "bulk_of_bytes": bulk_of_bytes}
SINGLE: Final = {"single_ours": single_ours, "single_of_bytes": single_of_bytes}


def _encoded(wanted: Sequence[OrderRequest]) -> list[tuple[bytes, bytes]]:
    commands = [command for order in wanted for command in place_order_lines(order)]
    return [(command.sku.encode(), wire.encode(command)) for command in commands]


async def _measured(number: int, work: Any) -> Spent:
    began, before = time.perf_counter(), time.process_time()
    await work
    return Spent(number / (time.perf_counter() - began), number / (time.process_time() - before))


async def _each(wanted: Sequence[Any], send: Callable[[Any], Any]) -> Spent:
    waiting, taken_ms = iter(wanted), []

    async def sender() -> None:
        for each in waiting:
            began = time.perf_counter()
            await send(each)
            taken_ms.append((time.perf_counter() - began) * 1000)

    spent = await _measured(len(wanted), asyncio.gather(*(sender() for _ in range(AT_ONCE))))
    return msgspec.structs.replace(spent, taken_ms=taken_ms)
