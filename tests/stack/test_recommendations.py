"""Recommendations on the real broker and Valkey: from paid orders to the page, and back when they are worse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest
from redis.asyncio import Redis

from consumers.following.follower import Follower
from consumers.recommendations import build, store
from consumers.recommendations.evaluation import Quality
from infra.base.settings import Settings
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from schemas.shop import Related
from tests.harness.reading import Catalogue, catalogue, get, serving
from tests.harness.waiting import until
from tests.stack.test_shop import JSON, current
from tests.unit.search.shelf import product
from topology.topics import ORDER_EVENTS

PRODUCTS = ("MUG", "TEA", "TIN", "LAMP", "BULB")


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings) as opened:
        await opened.put([current(product(product_id, product_id.title())) for product_id in PRODUCTS])
        await opened.levels(dict.fromkeys(PRODUCTS, 50))
        yield opened


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = Redis.from_url(settings.redis_url or "")
    yield client
    await client.aclose()


async def pay(settings: Settings, baskets: Iterable[tuple[str, ...]], customer: str = "c-1") -> None:
    records = []
    for basket in baskets:
        order_id = new_order_id()
        lines = tuple(m.OrderedLine(number, sku, 1, 100) for number, sku in enumerate(basket, start=1))
        events = (
            m.OrderReserved(order_id, len(lines), 100, "GBP", customer, "tok"),
            m.OrderPaid(order_id, 100, "GBP", lines),
        )
        records += [Outgoing(ORDER_EVENTS.name, BY_KEY, order_id.encode(), encode(event)) for event in events]
    async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
        await publisher.publish(records)


async def baskets(settings: Settings) -> list[build.Basket]:
    orders = build.PaidOrders()
    follower = Follower(settings.kafka_bootstrap or "", settings.namespace, (ORDER_EVENTS,), orders.apply, name="test")
    following = asyncio.create_task(follower.run())
    await asyncio.wait_for(follower.caught_up.wait(), 60)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return orders.baskets({product_id: product_id for product_id in PRODUCTS})


async def test_paid_orders_become_recommendations_with_a_reason_and_without_what_is_sold_out(
    shelf: Catalogue, redis: Redis
) -> None:
    settings = shelf.settings
    await pay(settings, [("MUG", "TEA", "TIN")] * 30 + [("LAMP", "BULB")] * 20)
    outcome = await build.build(redis, settings.namespace, await baskets(settings), 1)
    assert not outcome.was_refused
    async with serving(settings) as shop:

        async def related(path: str) -> list[Related]:
            status, _, body = await get(shop, path, **JSON)
            assert status == 200
            return msgspec.json.decode(body, type=list[Related])

        recommended = await related("/products/MUG/related")
        assert {suggestion.product_id for suggestion in recommended} == {"TEA", "TIN"}
        assert all(suggestion.reason == "bought together 30 times" for suggestion in recommended)
        suggestions = await related("/me/suggestions?customer=c-1")
        assert suggestions[0].reason.startswith("you bought this")
        stranger = await related("/me/suggestions")
        assert {suggestion.reason for suggestion in stranger} == {"new in the shop"}
        await shelf.levels({"TEA": 0})

        async def without_tea() -> bool:
            return {suggestion.product_id for suggestion in await related("/products/MUG/related")} == {"TIN"}

        await until(without_tea)


async def test_a_page_is_whole_without_recommendations(shelf: Catalogue) -> None:
    async with serving(shelf.settings, redis_url="redis://127.0.0.1:1/0") as shop:
        assert (await get(shop, "/products/MUG/related", **JSON))[0] == 200
        assert (await get(shop, "/products/MUG", **JSON))[0] == 200


async def test_a_worse_model_is_refused_and_a_generation_can_be_taken_back(shelf: Catalogue, redis: Redis) -> None:
    namespace = shelf.settings.namespace

    def orders(*products: tuple[str, ...]) -> list[build.Basket]:
        return [build.Basket(f"o{number}", "", number, basket) for number, basket in enumerate(products)]

    good = orders(*[("MUG", "TEA"), ("LAMP", "BULB")] * 200)
    assert (await build.build(redis, namespace, good, 1)).in_use == store.Generation(1, Quality(1, 1, 40), 4, 1)
    # Learned from nonsense, judged on what is really bought.
    bad = orders(*[("MUG", "LAMP"), ("TEA", "BULB")] * 180, *[("MUG", "TEA"), ("LAMP", "BULB")] * 20)
    refused = await build.build(redis, namespace, bad, 2)
    assert refused.was_refused
    assert (await store.read_current(redis, namespace)) == refused.in_use
    assert {neighbour.item for neighbour in (await store.read_neighbours(redis, namespace, ["MUG"]))["MUG"]} == {"TEA"}
    second = await build.build(redis, namespace, good, 3)
    assert second.in_use is not None
    assert (second.in_use.number, second.in_use.previous) == (2, 1)
    before = await build.roll_back(redis, namespace)
    assert before is not None
    assert before.number == 1
    assert await store.read_neighbours(redis, namespace, ["MUG"])
