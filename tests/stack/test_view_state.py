"""Whether the view of orders can be believed: an order that it lacks is not one that nobody knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.views.room import OrderViews, ViewsOptions
from consumers.views.store import MemoryState
from infra.base.settings import Settings
from infra.ops.view_state import redis_trouble, view_state
from schemas import messages as m
from schemas.ids import new_order_id
from tests.harness.cli import lastunit
from tests.harness.shop import Shop, in_miniature, open_shop


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    """A connection to the server; what a test sets there is set back."""
    async with Redis.from_url(settings.redis_url or "") as client:
        yield client
        await command(client, "CONFIG SET maxmemory 0")
        await command(client, "CONFIG SET maxmemory-policy noeviction")
        await command(client, "REPLICAOF NO ONE")


async def command(redis: Redis, words: str) -> None:
    await redis.execute_command(*words.split())  # type: ignore[no-untyped-call]


async def test_an_order_that_the_view_lacks_is_not_called_unknown(
    shop: Shop, redis: Redis, environment: dict[str, str]
) -> None:
    order_id = new_order_id()
    await command(redis, "CONFIG SET maxmemory 1")
    await shop.say(m.OrderPaid(order_id, 500, "GBP"))
    answer = await lastunit(environment, "order", "show", order_id)
    assert answer.status == 1
    assert "The view of orders is incomplete: it lacks the last" in answer.errors
    assert "events (Redis is full" in answer.errors
    assert f"it is not known whether there is an order {order_id}" in answer.errors


async def is_complete(shop: Shop) -> bool:
    return not (await view_state(shop.settings)).sentence


async def test_an_order_that_nobody_placed_is_unknown(shop: Shop, environment: dict[str, str]) -> None:
    await shop.supervisor.start("views")
    await shop.until(lambda: is_complete(shop))
    answer = await lastunit(environment, "order", "show", new_order_id())
    assert answer.status == 1
    assert "No order" in answer.errors
    assert "is known" in answer.errors


@pytest.mark.parametrize(
    ("commands", "trouble"),
    [
        (("CONFIG SET maxmemory 1",), "Redis is full"),
        (("REPLICAOF 127.0.0.1 1",), "Redis is a read-only replica"),
        (("CONFIG SET maxmemory 1gb", "CONFIG SET maxmemory-policy allkeys-lru"), "Redis evicts what it holds"),
        (("CONFIG SET maxmemory 1gb", "CONFIG SET maxmemory-policy volatile-ttl"), "Redis evicts what it holds"),
    ],
)
async def test_what_redis_suffers_from_is_named(
    settings: Settings, redis: Redis, commands: tuple[str, ...], trouble: str
) -> None:
    assert await redis_trouble(settings) == ""
    for words in commands:
        await command(redis, words)
    assert (await redis_trouble(settings)).startswith(trouble)


async def test_the_views_name_a_policy_that_may_drop_orders(shop: Shop, redis: Redis) -> None:
    await command(redis, "CONFIG SET maxmemory 1gb")
    await command(redis, "CONFIG SET maxmemory-policy allkeys-lru")
    options = ViewsOptions(
        kafka_bootstrap=shop.settings.kafka_bootstrap or "",
        redis_url=shop.settings.redis_url or "",
        namespace=shop.settings.namespace,
    )
    views = OrderViews(options)
    with capture_logs() as logs:
        await views._name_eviction()
    await views._redis.aclose()
    assert [(log["event"], log["policy"]) for log in logs] == [("redis_may_evict", "allkeys-lru")]


def test_a_limit_without_eviction_is_no_trouble_until_it_is_reached() -> None:
    assert MemoryState("master", 5, 10, "noeviction").trouble == ""
    assert MemoryState("master", 10, 10, "noeviction").trouble.startswith("Redis is full")
    assert MemoryState("master", 10, 0, "allkeys-lru").trouble == ""
