"""While a fetch waits for records, nothing else waits behind it, and it is called off where it leaves out what is to be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.runtime.kafka.fetch_connection import (
    LET_BE_MS,
    Pause,
    call_off_other_fetches,
    install_fetch_connection,
    pace_fetches,
)
from consumers.runtime.kafka.fetch_pacing import Wait, ask_for
from infra.base.settings import Settings
from tests.harness.topics import give_topics
from tests.harness.waiting import until
from topology.topics import ORDER_NOTIFICATIONS

WAIT: Final = Wait(25_000, 1)
"""What the broker waits with its answer; aiokafka gives up after 40 s."""
SOON_SECONDS: Final = 15.0
"""Less than that, and long enough for a busy machine."""


class Reading:
    """A consumer of two partitions, of which it reads the first, and its fetch is under way."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        self.consumer, self.producer = consumer, producer
        self.first, self.second = (
            TopicPartition(ORDER_NOTIFICATIONS.in_namespace(settings.namespace), n) for n in (0, 1)
        )

    async def begin(self) -> None:
        install_fetch_connection(self.consumer)
        ask_for(self.consumer, WAIT)
        self.consumer.assign([self.first, self.second])
        for tp in (self.first, self.second):
            self.consumer.seek(tp, 0)
        self.consumer.pause(self.second)
        await self.until_asked(self.first, 0)

    async def until_asked(self, tp: TopicPartition, position: int) -> None:
        """Wait until a fetch asks for this alone."""
        await until(lambda: self.asked() == {tp: position}, seconds=SOON_SECONDS)

    def asked(self) -> dict[TopicPartition, int]:
        """Return what the fetch under way asks for."""
        under_way = self.consumer._fetcher._client._under_way
        return dict(*(fetch.asked for fetch in under_way.values()))

    async def write(self, tp: TopicPartition) -> None:
        await self.producer.send_and_wait(tp.topic, b"", partition=tp.partition)

    async def read(self) -> list[TopicPartition]:
        return list(await self.records())

    async def records(self) -> dict[TopicPartition, list[Any]]:
        records: dict[TopicPartition, list[Any]] = await self.consumer.getmany(timeout_ms=int(SOON_SECONDS * 1000))
        return records


@pytest_asyncio.fixture
async def reading(settings: Settings) -> AsyncIterator[Reading]:
    bootstrap = settings.kafka_bootstrap or ""
    await give_topics(settings, ORDER_NOTIFICATIONS, partitions=2)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="none")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer, consumer:
        opened = Reading(settings, consumer, producer)
        await opened.begin()
        yield opened


async def test_what_else_is_asked_does_not_wait_behind_a_fetch(reading: Reading) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        assert await reading.consumer.end_offsets([reading.first]) == {reading.first: 0}
    assert reading.asked() == {reading.first: 0}, "it waits still"


async def test_a_partition_that_is_read_from_now_on_is_asked_for_at_once(reading: Reading) -> None:
    reading.consumer.resume(reading.second)
    await reading.write(reading.second)
    call_off_other_fetches(reading.consumer, {reading.first: 0, reading.second: 0})
    assert await reading.read() == [reading.second]


async def test_a_position_that_was_sought_is_asked_for_at_once(reading: Reading) -> None:
    await reading.write(reading.first)
    assert await reading.read() == [reading.first]
    await reading.until_asked(reading.first, 1)
    reading.consumer.seek(reading.first, 0)
    call_off_other_fetches(reading.consumer, {reading.first: 0})
    assert await reading.read() == [reading.first]


async def test_a_fetch_that_is_called_off_while_it_connects_is_not_sent(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, may_connect = reading.consumer._client.ready, asyncio.Event()

    async def connect_late(*node: Any, **group: Any) -> bool:
        await may_connect.wait()
        return bool(await connect(*node, **group))

    await reading.write(reading.first)
    assert await reading.read() == [reading.first], "it is connected"
    await reading.until_asked(reading.first, 1)
    monkeypatch.setattr(reading.consumer._client, "ready", connect_late)
    await reading.write(reading.first)
    assert await reading.read() == [reading.first]
    await reading.until_asked(reading.first, 2)
    reading.consumer.resume(reading.second)
    await reading.write(reading.second)
    call_off_other_fetches(reading.consumer, {reading.first: 2, reading.second: 0})
    may_connect.set()
    assert await reading.read() == [reading.second]


async def test_a_fetch_that_is_not_called_off_leaves_out_what_came_later(reading: Reading) -> None:
    """The control: the wait above ends by what was called off. Nor does a call end a fetch that asks for all."""
    reading.consumer.resume(reading.second)
    await reading.write(reading.second)
    call_off_other_fetches(reading.consumer, {reading.first: 0})
    assert not await reading.consumer.getmany(timeout_ms=500)
    assert reading.asked() == {reading.first: 0}


async def test_a_fetch_that_ends_soon_is_let_be_as_a_busy_room_gathers_what_it_leaves_out(reading: Reading) -> None:
    ask_for(reading.consumer, Wait(LET_BE_MS, 1))
    await reading.write(reading.first)
    assert await reading.read() == [reading.first], "the long fetch is over"
    connections = reading.consumer._client._conns
    (before,) = (connection for (_, group), connection in connections.items() if group == "fetches")
    call_off_other_fetches(reading.consumer, {reading.first: 1, reading.second: 0})
    assert before.connected()
    assert reading.asked() == {}


async def test_a_fetch_that_pauses_is_answered_with_all_that_came_meanwhile(reading: Reading) -> None:
    pace_fetches(reading.consumer, Pause(0.5, 1_000))
    await reading.write(reading.first)
    assert await reading.read() == [reading.first]
    for _ in range(2):
        await reading.write(reading.first)
    assert [len(records) for records in (await reading.records()).values()] == [2]


async def test_a_fetch_does_not_pause_after_an_answer_that_is_large_enough(reading: Reading) -> None:
    pace_fetches(reading.consumer, Pause(10 * SOON_SECONDS, 1))
    for _ in range(3):
        await reading.write(reading.first)
        assert await reading.read() == [reading.first]


async def test_a_fetch_that_pauses_is_called_off_as_others_are(reading: Reading) -> None:
    pace_fetches(reading.consumer, Pause(0.5, 1_000))
    await reading.write(reading.first)
    assert await reading.read() == [reading.first]
    await reading.until_asked(reading.first, 1)
    reading.consumer.seek(reading.first, 0)
    call_off_other_fetches(reading.consumer, {reading.first: 0})
    assert await reading.read() == [reading.first]


async def both_asked_for_and_the_first_unread(reading: Reading) -> None:
    reading.consumer.resume(reading.second)
    call_off_other_fetches(reading.consumer, {reading.first: 0, reading.second: 0})
    await until(lambda: reading.asked() == {reading.first: 0, reading.second: 0}, seconds=SOON_SECONDS)
    await reading.write(reading.first)
    await until(lambda: reading.first in reading.consumer._fetcher._records, seconds=SOON_SECONDS)


async def test_no_fetch_leaves_out_a_partition_whose_records_are_not_read_yet(reading: Reading) -> None:
    await both_asked_for_and_the_first_unread(reading)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(until(lambda: bool(reading.asked()), seconds=SOON_SECONDS), 0.5)
    assert await reading.read() == [reading.first]
    await until(lambda: reading.asked() == {reading.first: 1, reading.second: 0}, seconds=SOON_SECONDS)


async def test_aiokafka_by_itself_asks_for_the_others_after_a_tenth_of_a_second(reading: Reading) -> None:
    """The control of the one above."""
    reading.consumer._fetcher._prefetch_backoff = 0.1
    await both_asked_for_and_the_first_unread(reading)
    await reading.until_asked(reading.second, 0)
