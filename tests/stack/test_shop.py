"""The shop's pages on the real broker and Valkey: what people, programs and caches see of products and stock."""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from consumers.pages import store
from consumers.pages.node import PageNode, Shard
from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from schemas import messages as m
from schemas.shop import ProductView
from tests.harness.reading import Catalogue, answer_of, catalogue, get, serving
from tests.harness.waiting import until
from tests.unit.search.shelf import product

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html"}
NOW = int(time.time() * 1000)


def current(one: m.Product, *more: tuple[int, int]) -> m.Product:
    """Return a product whose prices begin an hour ago, with (amount, from) further ones of its first variant."""
    prices = tuple(m.Price(price.sku, price.amount_minor, NOW - 3_600_000) for price in one.prices)
    later = tuple(m.Price(one.variants[0].sku, amount, at_ms) for amount, at_ms in more)
    return msgspec.structs.replace(one, prices=(*prices, *later))


MUG = current(
    product("MUG", "Red & <b>Retro</b> Mug", price=350, attributes={"colour": ["red"]}, category="Kitchen/Mugs")
)
TEE = current(
    product("TEE", "Blue Tee", variants={"T-S": {"size": "S"}, "T-M": {"size": "M"}}, prices={"T-S": 990, "T-M": 1090})
)


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings) as opened:
        await opened.put([MUG, TEE])
        await opened.levels({"MUG": 50, "T-S": 3})
        yield opened


@pytest.fixture
async def shop(shelf: Catalogue) -> AsyncIterator[ShopProcess]:
    async with serving(shelf.settings) as process:
        yield process


async def view(shop: ShopProcess, product_id: str) -> ProductView:
    status, _, body = await get(shop, f"/products/{product_id}", **JSON)
    assert status == 200
    return msgspec.json.decode(body, type=ProductView)


async def shows(shop: ShopProcess, product_id: str, **expected: object) -> bool:
    shown = await view(shop, product_id)
    return all(getattr(shown, name) == value for name, value in expected.items())


async def test_a_page_its_json_its_offer_and_its_search_hit_are_one_truth(shop: ShopProcess) -> None:
    status, headers, body = await get(shop, "/p/red-b-retro-b-mug_MUG", **HTML)
    page = body.decode()
    assert status == 200
    page_view = await view(shop, "MUG")
    offer = json.loads(re.findall(r'ld\+json">(.*?)</script>', page)[0])
    (hit,) = answer_of((await get(shop, "/search?q=retro", **JSON))[2]).hits
    assert (page_view.price_from_minor, page_view.availability) == (350, "in_stock")
    assert (hit.price_minor, hit.availability, hit.slug) == (350, "in_stock", page_view.slug)
    assert (offer["offers"]["price"], offer["offers"]["priceCurrency"]) == ("3.50", "GBP")
    assert offer["offers"]["availability"] == "https://schema.org/InStock"
    assert offer["name"] == page_view.title
    assert "GBP 3.50" in page
    assert "In stock" in page
    assert "MUG@" in headers["x-lastunit-position"]
    assert html.escape("<b>Retro</b>") in page
    assert "<b>Retro" not in page


async def test_each_variant_has_its_own_offer_and_availability(shop: ShopProcess) -> None:
    page_view = await view(shop, "TEE")
    assert [(variant.sku, variant.price_minor, variant.availability) for variant in page_view.variants] == [
        ("T-S", 990, "few"),
        ("T-M", 1090, "sold_out"),
    ]
    answer = answer_of((await get(shop, "/search?f.size=M&in_stock=1", **JSON))[2])
    assert answer.total == 0
    assert answer_of((await get(shop, "/search?f.size=S&in_stock=1", **JSON))[2]).total == 1


async def test_an_old_or_wrong_address_leads_to_the_present_one(shop: ShopProcess) -> None:
    status, headers, _ = await get(shop, "/p/what-it-was-called-before_MUG", **HTML)
    assert (status, headers["location"]) == (301, f"/p/{MUG.slug}")
    assert (await get(shop, "/p/nothing_NO", **HTML))[0] == 404
    assert (await get(shop, "/p/no-id", **HTML))[0] == 404


async def test_a_page_is_not_sent_again_to_whoever_has_it(shop: ShopProcess) -> None:
    _, headers, _ = await get(shop, f"/p/{MUG.slug}", **HTML)
    status, again, body = await get(shop, f"/p/{MUG.slug}", **HTML, **{"If-None-Match": headers["etag"]})
    assert (status, body) == (304, b"")
    assert again["etag"] == headers["etag"]


async def test_what_may_be_gone_soon_is_kept_for_a_second_and_what_is_plenty_for_longer(shop: ShopProcess) -> None:
    assert "max-age=30" in (await get(shop, f"/p/{MUG.slug}", **HTML))[1]["cache-control"]
    brief = (await get(shop, f"/p/{TEE.slug}", **HTML))[1]["cache-control"]
    assert "max-age=1," in brief
    assert "stale-while-revalidate" not in brief


async def test_a_number_of_units_is_never_on_a_page_that_caches_keep(shelf: Catalogue, shop: ShopProcess) -> None:
    await shelf.levels({"MUG": 7})
    await until(lambda: shows(shop, "MUG", availability="few"))
    assert b"Only 7 left" not in (await get(shop, f"/p/{MUG.slug}", **HTML))[2]
    status, headers, fragment = await get(shop, "/products/MUG/availability", **HTML)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert b"Only 7 left" in fragment


async def test_a_level_is_on_page_and_in_facets_at_once(shelf: Catalogue, shop: ShopProcess) -> None:
    etag = (await get(shop, f"/p/{MUG.slug}", **HTML))[1]["etag"]
    began = time.monotonic()
    await shelf.levels({"MUG": 0})
    await until(lambda: shows(shop, "MUG", availability="sold_out"))
    assert time.monotonic() - began < 1.2
    assert (await get(shop, f"/p/{MUG.slug}", **HTML))[1]["etag"] != etag
    answer = answer_of((await get(shop, "/search", **JSON))[2])
    assert (answer.in_stock, answer.sold_out) == (1, 1)
    assert sum(answer.position["stock.levels"].values()) == 3


async def test_a_changed_product_is_on_its_page_and_found_within_a_second(shelf: Catalogue, shop: ShopProcess) -> None:
    await get(shop, f"/p/{MUG.slug}", **HTML)
    began = time.monotonic()
    await shelf.put([msgspec.structs.replace(MUG, title="Green Xylophone", version=2)])
    await until(lambda: shows(shop, "MUG", title="Green Xylophone"))

    async def is_findable() -> bool:
        return answer_of((await get(shop, "/search?q=xylophone", **JSON))[2]).total == 1

    await until(is_findable)
    assert time.monotonic() - began < 2
    assert answer_of((await get(shop, "/search?q=retro", **JSON))[2]).hits == ()


async def test_a_price_for_later_is_shown_when_it_begins_and_no_page_outlives_it(
    shelf: Catalogue, shop: ShopProcess
) -> None:
    begins_ms = int(time.time() * 1000) + 1500
    cheaper = msgspec.structs.replace(current(MUG, (299, begins_ms)), version=2)
    await shelf.put([cheaper])
    await until(lambda: shows(shop, "MUG", version=2))
    _, headers, body = await get(shop, f"/p/{MUG.slug}", **HTML)
    assert b"GBP 3.50" in body
    assert re.search(r"max-age=[01],", headers["cache-control"])
    await until(lambda: shows(shop, "MUG", price_from_minor=299))
    assert int(time.time() * 1000) >= begins_ms
    assert b"Lowest price of the 30 days before: <s>GBP 3.50</s>" in (await get(shop, f"/p/{MUG.slug}", **HTML))[2]


async def test_an_archived_product_is_marked_and_found_nowhere(shelf: Catalogue, shop: ShopProcess) -> None:
    await shelf.put([msgspec.structs.replace(MUG, state="archived", version=2)])

    async def gone() -> bool:
        return (await get(shop, f"/p/{MUG.slug}", **HTML))[0] == 410

    await until(gone)
    assert b"No longer sold" in (await get(shop, f"/p/{MUG.slug}", **HTML))[2]

    async def unfound() -> bool:
        return answer_of((await get(shop, "/search?q=retro", **JSON))[2]).total == 0

    await until(unfound)
    assert (await get(shop, "/products/MUG/availability", **HTML))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?q=mug",
        "/search?q=%00&f.=x&price=a-b&page=-1&sort=no",
        "/categories/kitchen",
        "/categories/kitchen-mugs",
        "/suggest?q=re",
    ],
)
async def test_every_page_is_whole_and_locked_down(shop: ShopProcess, path: str) -> None:
    status, headers, body = await get(shop, path, **HTML)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert b"<script>" not in body
    assert b" style=" not in body
    assert b"onclick" not in body


async def test_a_program_gets_an_answer_to_whatever_it_searches_for(shop: ShopProcess) -> None:
    for address in ("/search?q=%00%ff&f.=x&f.colour=%E9&price=a-b&page=-1&sort=no", "/search?q", "/search?&&q=mug&q="):
        status, headers, body = await get(shop, address, **JSON)
        assert (status, headers["content-type"]) == (200, "application/json")
        assert "default-src 'none'" in headers["content-security-policy"]
        assert answer_of(body).position["stock.levels"]
    assert (await get(shop, "/search?q=mug", **HTML))[1]["content-type"].startswith("text/html")


async def test_a_page_that_is_not_there_has_a_way_back_and_a_problem_for_programs(shop: ShopProcess) -> None:
    assert (await get(shop, "/categories/nothing", **HTML))[0] == 404
    status, headers, body = await get(shop, "/nothing", **JSON)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(body)["status"] == 404
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (await get(shop, "/tiles/mugs-cups/red.svg"))[1]["content-type"].startswith("image/svg+xml")
    assert (await get(shop, "/tiles/../red.svg"))[0] == 404


async def test_two_page_nodes_share_the_partitions_and_a_lost_store_is_written_again(shelf: Catalogue) -> None:
    settings = shelf.settings
    redis = Redis.from_url(settings.redis_url or "")
    nodes = [
        PageNode(settings.kafka_bootstrap or "", settings.namespace, redis, shard=Shard(number, 2)) for number in (1, 2)
    ]
    running = [asyncio.create_task(node.run()) for node in nodes]

    async def written() -> bool:
        stored = await store.read_products(redis, settings.namespace, ["MUG", "TEE"])
        levels = await store.read_levels(redis, settings.namespace, ["MUG", "T-S"])
        return set(stored) == {"MUG", "TEE"} and {sku: level.available for sku, level in levels.items()} == {
            "MUG": 50,
            "T-S": 3,
        }

    try:
        await until(written)
        keys = await redis.keys(f"{settings.namespace}*")
        await redis.delete(*keys)
        await until(written)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await redis.aclose()


async def test_hot_pages_are_served_while_valkey_is_away_and_others_are_refused_politely(shelf: Catalogue) -> None:
    async with serving(shelf.settings) as shop:
        pass  # Valkey has all products now
    async with serving(shelf.settings, redis_url="redis://127.0.0.1:1/0") as shop:
        assert (await get(shop, f"/p/{MUG.slug}", **HTML))[0] == 200
        assert (await get(shop, "/search?q=mug", **HTML))[0] == 200
        status, headers, _ = await get(shop, "/p/never-seen_NEVER", **HTML)
        assert status == 503
        assert headers["retry-after"]
