from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import create_conn
from structlog.testing import capture_logs

from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.kafka.consumer import FETCH_BYTES
from infra.base.settings import Settings
from producers.errors import PublishError
from producers.outage import Readiness
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas.ids import new_order_id
from schemas.limits import MAX_LINES, MAX_TEXT_BYTES
from schemas.messages import OrderedLine, OrderPaid
from tests.harness.tcp_proxy import TcpProxy
from tests.harness.topics import give_topics
from tests.harness.waiting import one_turn, until
from topology.topics import MAX_RECORD_BYTES, ORDER_COMMANDS, ORDER_EVENTS, Topic


@pytest_asyncio.fixture
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    bootstrap = settings.kafka_bootstrap or ""
    await give_topics(settings, ORDER_COMMANDS, ORDER_EVENTS, partitions=3)
    async with Publisher(bootstrap, namespace=settings.namespace) as publisher:
        yield publisher


def record(value: bytes, key: bytes = b"an order") -> Outgoing:
    return Outgoing(ORDER_COMMANDS.name, BY_KEY, key, value)


async def values(settings: Settings, key: bytes = b"an order", topic: Topic = ORDER_COMMANDS) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic.in_namespace(settings.namespace),
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        published: list[bytes] = []
        ends = await consumer.end_offsets(consumer.assignment())
        async with asyncio.timeout(60):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                batches = await consumer.getmany(timeout_ms=100)
                published += [kept.value for records in batches.values() for kept in records if kept.key == key]
        return published
    finally:
        await consumer.stop()


async def test_a_thousand_small_lists_to_one_partition_take_a_moment(publisher: Publisher, settings: Settings) -> None:
    wanted = [f"{number}".encode() for number in range(1000)]

    async with asyncio.timeout(10):
        await asyncio.gather(*(publisher.publish([record(value)]) for value in wanted))

    assert await values(settings) == wanted


async def test_a_record_too_large_is_refused_to_its_caller_alone(publisher: Publisher, settings: Settings) -> None:
    lists = [[record(b"small")], [record(b"x" * (MAX_RECORD_BYTES + 1))], [record(b"small too")]]

    answers = await asyncio.gather(*(publisher.publish(batch) for batch in lists), return_exceptions=True)

    assert [type(answer) for answer in answers] == [type(None), PublishError, type(None)]
    assert set(await values(settings)) == {b"small", b"small too"}


async def test_the_largest_lawful_event_is_taken_by_its_topic_and_read_by_its_rooms(
    publisher: Publisher, settings: Settings
) -> None:
    lines = tuple(OrderedLine(line, "é" * (MAX_TEXT_BYTES // 2), 1, 1) for line in range(1, MAX_LINES + 1))
    event = outgoing(OrderPaid(new_order_id(), 1, "GBP", lines))

    await publisher.publish([event])

    assert len(event.value or b"") > MAX_RECORD_BYTES
    assert await values(settings, event.key or b"", ORDER_EVENTS) == [event.value]


async def test_a_caller_who_gives_up_does_not_hold_up_the_others(publisher: Publisher, settings: Settings) -> None:
    impatient = asyncio.create_task(publisher.publish([record(b"impatient")]))
    patient = asyncio.create_task(publisher.publish([record(b"patient")]))
    await one_turn()
    impatient.cancel()

    await patient

    assert impatient.cancelled()
    assert await values(settings) == [b"impatient", b"patient"]


async def test_closing_sends_what_is_under_way(settings: Settings, publisher: Publisher) -> None:
    last = asyncio.create_task(publisher.publish([record(b"last")]))
    await one_turn()
    await publisher.close()

    await last
    assert await values(settings) == [b"last"]


# --- a broker that does not answer --------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def proxy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TcpProxy]:
    """A network that every connection of aiokafka in this process goes through."""
    host, _, port = (settings.kafka_bootstrap or "").partition(":")
    async with TcpProxy(host, int(port)).listening() as proxy:

        async def through_the_proxy(host: str, _: int, **options: Any) -> Any:
            return await create_conn(host, proxy.port, **options)

        monkeypatch.setattr("aiokafka.client.create_conn", through_the_proxy)
        yield proxy


async def test_a_producer_that_was_given_up_delivers_nothing_after_its_successor(
    proxy: TcpProxy, publisher: Publisher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka's stop() waits for the broker; given up on, it leaves a sender that delivers once the broker is back."""
    monkeypatch.setattr("producers.publisher.ATTEMPT_SECONDS", 0.5)
    await publisher.publish([record(b"0")])
    frozen = proxy.freeze()

    await publisher.publish([record(b"1")])
    await publisher.publish([record(b"2")])
    async with asyncio.timeout(10):
        for line in frozen:
            line.cut()
            await line.ended.wait()
    await _until_no_sender_is_left(but=1)

    await publisher.publish([record(b"3")])
    assert await values(settings) == [b"0", b"1", b"2", b"3"]


async def _until_no_sender_is_left(but: int) -> None:
    """Wait until only so many of aiokafka's senders are alive, or until one that should be gone had time to deliver."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: _senders() <= but, seconds=5)


def _senders() -> int:
    return sum("_sender_routine" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_an_outage_is_logged_once_and_shown_until_it_is_over(
    proxy: TcpProxy, settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.publisher.ATTEMPT_SECONDS", 0.3)
    readiness = Readiness()
    bootstrap = settings.kafka_bootstrap or ""
    async with Publisher(
        bootstrap, namespace=settings.namespace, give_up_seconds=math.inf, readiness=readiness
    ) as patient:
        await patient.publish([record(b"0")])
        with capture_logs() as logs:
            proxy.is_frozen = True
            proxy.freeze()
            before = len(proxy.lines)
            waiting = asyncio.create_task(patient.publish([record(b"1")]))
            await until(lambda: len(proxy.lines) >= before + 3)  # several attempts
            assert "Kafka is unavailable: TimeoutError" in readiness.obstacles["Kafka"]
            proxy.is_frozen = False
            await asyncio.wait_for(waiting, 20)
    assert readiness.is_ready
    assert [log["event"] for log in logs if log["event"].startswith("server_")] == [
        "server_unavailable",
        "server_available",
    ]
    assert await values(settings) == [b"0", b"1"]
