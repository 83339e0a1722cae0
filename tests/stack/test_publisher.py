from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from aiokafka import AIOKafkaConsumer

from infra.settings import Settings
from producers.errors import PublishError
from producers.publisher import BY_KEY, Outgoing, Publisher
from topology import admin
from topology.topics import MAX_RECORD_BYTES, ORDER_COMMANDS


@pytest_asyncio.fixture
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    bootstrap = settings.kafka_bootstrap or ""
    await admin.apply(bootstrap, namespace=settings.namespace, expected_cluster_id=settings.cluster_id)
    async with Publisher(bootstrap, namespace=settings.namespace) as publisher:
        yield publisher


def record(value: bytes, key: bytes = b"an order") -> Outgoing:
    return Outgoing(ORDER_COMMANDS.name, BY_KEY, key, value)


async def values(settings: Settings, key: bytes = b"an order") -> list[bytes]:
    consumer = AIOKafkaConsumer(
        ORDER_COMMANDS.in_namespace(settings.namespace),
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        found: list[bytes] = []
        while batches := await consumer.getmany(timeout_ms=1000):
            found += [it.value for records in batches.values() for it in records if it.key == key]
        return found
    finally:
        await consumer.stop()


async def test_a_thousand_small_lists_to_one_partition_take_a_moment(publisher: Publisher, settings: Settings) -> None:
    wanted = [f"{number}".encode() for number in range(1000)]

    async with asyncio.timeout(10):
        await asyncio.gather(*(publisher.publish([record(value)]) for value in wanted))

    assert await values(settings) == wanted


async def test_a_record_too_large_is_refused_to_its_caller_alone(publisher: Publisher, settings: Settings) -> None:
    lists = [[record(b"small")], [record(b"x" * (MAX_RECORD_BYTES + 1))], [record(b"small too")]]

    answers = await asyncio.gather(*(publisher.publish(it) for it in lists), return_exceptions=True)

    assert [type(answer) for answer in answers] == [type(None), PublishError, type(None)]
    assert set(await values(settings)) == {b"small", b"small too"}


async def test_a_caller_who_gives_up_does_not_hold_up_the_others(publisher: Publisher, settings: Settings) -> None:
    impatient = asyncio.create_task(publisher.publish([record(b"impatient")]))
    patient = asyncio.create_task(publisher.publish([record(b"patient")]))
    await asyncio.sleep(0)
    impatient.cancel()

    await patient

    assert impatient.cancelled()
    assert await values(settings) == [b"impatient", b"patient"]


async def test_closing_sends_what_is_under_way(settings: Settings, publisher: Publisher) -> None:
    last = asyncio.create_task(publisher.publish([record(b"last")]))
    await asyncio.sleep(0)
    await publisher.close()

    await last
    assert await values(settings) == [b"last"]
