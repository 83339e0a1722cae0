"""The index of orders in PostgreSQL: found by what people know of them, the same whatever is written twice, late or anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from consumers.views.index import IndexedOrder, OrderIndex, OrderQuery, find_orders, forget_index
from consumers.views.room import OrderViews, ViewsOptions
from consumers.views.timeline import TimelineEvent
from infra.base.settings import Settings
from producers.publisher import Publisher
from schemas.ids import new_order_id
from tests.harness.tables import give_tables
from tests.harness.topics import give_topics
from tests.harness.waiting import until
from tests.stack.test_views import PARTITIONS, paid_order
from topology.states import OrderState
from topology.topics import ORDER_EVENTS

RULES = PARTITIONS
"""Records that are no events: each partition begins with the version of the rules."""

A, B, C = (new_order_id() for _ in range(3))
DAY = 86_400_000


def event(offset: int, type_: str, at_ms: int = 1_000, **data: Any) -> TimelineEvent:
    return TimelineEvent(f"e/{offset}", type_, at_ms, offset, data)


def reserved(offset: int, sku: str, customer: str, reference: str = "", at_ms: int = 1_000) -> TimelineEvent:
    return event(offset, "LineReserved", at_ms, sku=sku, customer_id=customer, reference=reference, line=1)


ORDERS = {
    A: [reserved(1, "MUG", "ann", "553547"), reserved(2, "TIN", "ann", "553547"), event(9, "OrderPaid")],
    B: [reserved(3, "MUG", "bob", "553548", at_ms=DAY), event(4, "OrderRejected", DAY)],
    C: [event(5, "LineRejected", 2 * DAY, sku="TIN", customer_id="ann"), event(6, "PaymentDeclined", 2 * DAY)],
}


@pytest.fixture
async def connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    await give_tables(settings.postgres_dsn or "")
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def index_of(settings: Settings) -> AsyncIterator[OrderIndex]:
    index = OrderIndex(settings.postgres_dsn or "")
    try:
        yield index
    finally:
        await index.close()


async def order_ids(connection: asyncpg.Connection, **query: Any) -> list[str]:
    return [order.order_id for order in await find_orders(connection, OrderQuery(**query), 100)]


async def test_orders_are_found_by_all_that_people_know_of_them(
    settings: Settings, connection: asyncpg.Connection
) -> None:
    async with index_of(settings) as index:
        await index.write(ORDERS, {0: 10})
        await index.flush()
    assert await order_ids(connection) == [C, B, A]
    assert await order_ids(connection, reference="553547") == [A]
    assert await order_ids(connection, reference="") == []
    assert await order_ids(connection, customer_id="ann") == [C, A]
    assert await order_ids(connection, sku="TIN") == [C, A]
    assert await order_ids(connection, state=OrderState.REJECTED) == [B]
    assert await order_ids(connection, from_ms=DAY, until_ms=2 * DAY) == [B]
    assert await order_ids(connection, customer_id="ann", sku="MUG", state=OrderState.PAID, until_ms=DAY) == [A]
    [order] = await find_orders(connection, OrderQuery(reference="553547"), 1)
    assert order == IndexedOrder(A, 1_000, "ann", "553547", OrderState.PAID, ["MUG", "TIN"])
    assert [order.order_id for order in await find_orders(connection, OrderQuery(), 2)] == [C, B]


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_written_twice_late_or_in_pieces_the_index_is_the_same(
    settings: Settings, connection: asyncpg.Connection, seed: int
) -> None:
    draw = random.Random(seed)
    pieces = [(order_id, each) for order_id, events in ORDERS.items() for each in events] * 2
    draw.shuffle(pieces)
    async with index_of(settings) as one, index_of(settings) as other:
        for order_id, each in pieces:
            writer = draw.choice((one, other))
            await writer.write({order_id: [each]}, {0: each.offset + 1})
            if draw.random() < 0.5:
                await writer.flush()
        await one.flush()
        await other.flush()
        assert await one.positions([0, 1]) == {0: 10, 1: 0}
    orders = {order.order_id: order for order in await find_orders(connection, OrderQuery(), 10)}
    assert orders == {
        A: IndexedOrder(A, 1_000, "ann", "553547", OrderState.PAID, ["MUG", "TIN"]),
        B: IndexedOrder(B, DAY, "bob", "553548", OrderState.REJECTED, ["MUG"]),
        C: IndexedOrder(C, 2 * DAY, "ann", "", OrderState.PENDING, ["TIN"]),
    }


async def test_the_views_index_what_they_read_and_fill_an_index_that_was_lost(
    settings: Settings, connection: asyncpg.Connection
) -> None:
    bootstrap = settings.kafka_bootstrap or ""
    await give_topics(settings, ORDER_EVENTS, partitions=PARTITIONS)
    orders = [new_order_id() for _ in range(5)]
    async with Publisher(bootstrap, namespace=settings.namespace) as publisher:
        async with running(settings):
            await publisher.publish([record for order_id in orders for record in paid_order(order_id)])
            await until_found(connection, set(orders))
        assert await connection.fetchval("SELECT sum(next_offset) FROM search.positions") == RULES + 9 * len(orders)

        await connection.execute("TRUNCATE search.orders, search.positions")
        more = new_order_id()
        async with running(settings):
            await until_found(connection, set(orders))
            await publisher.publish(paid_order(more))
            await until_found(connection, {*orders, more})

            await connection.execute("DELETE FROM search.orders")
            async with Redis.from_url(settings.redis_url or "") as redis:
                await forget_index(connection, redis, settings.namespace)
            await until_found(connection, {*orders, more})


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[OrderViews]:
    room = OrderViews(
        ViewsOptions(
            kafka_bootstrap=settings.kafka_bootstrap or "",
            redis_url=settings.redis_url or "",
            postgres_dsn=settings.postgres_dsn,
            namespace=settings.namespace,
        )
    )
    task = asyncio.create_task(room.run())
    try:
        yield room
    finally:
        room.stop()
        await asyncio.wait_for(task, 20)


async def until_found(connection: asyncpg.Connection, orders: set[str]) -> None:
    async def are_found() -> bool:
        return set(await order_ids(connection, customer_id="c-1", sku="TIN", state=OrderState.PAID)) == orders

    await until(are_found)
