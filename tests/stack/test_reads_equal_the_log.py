"""What the shop shows while 10,000 orders run, held against the log at the position that each answer states."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from redis.asyncio import Redis

from consumers.following.follower import Follower
from consumers.recommendations import build
from consumers.runtime.deciding.record import Record
from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from producers.clients.orders import OrderRequest
from schemas.codec.wire import decode
from schemas.messages import OrderPaid, Product, StockLevel
from schemas.search import SearchAnswer, SearchQuery
from schemas.shop import ProductView, Related, availability_of
from tests.harness.latest_levels import LatestLevels
from tests.harness.reading import Catalogue, answer_of, get, serving
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.waiting import until
from tests.stack.test_shop import HTML, JSON, current
from tests.unit.search.oracle import assert_found, find
from tests.unit.search.shelf import product
from topology.topics import CATALOGUE_PRODUCTS, ORDER_EVENTS, STOCK_LEVELS

ORDERS, ORDERS_AT_A_TIME = 10_000, 200
PRODUCTS, UNITS = 24, 150
SKUS = [f"S{number}" for number in range(PRODUCTS)]
QUERIES = {
    "/search": SearchQuery(),
    "/search?in_stock=1": SearchQuery(in_stock=True),
    "/search?f.colour=red": SearchQuery(filters={"colour": ("red",)}),
    "/search?f.colour=red&f.colour=blue&in_stock=1": SearchQuery(filters={"colour": ("red", "blue")}, in_stock=True),
    "/search?price=100-500": SearchQuery(price_from=100, price_to=500),
}
OFFERS = {"in_stock": "InStock", "few": "LimitedAvailability", "sold_out": "SoldOut"}
COLOURS = ("red", "blue", "green")
Position = Mapping[int, int]


def article(number: int, version: int) -> Product:
    sold = product(
        SKUS[number],
        f"Mug {number} edition {version}",
        price=100 + 17 * number + version,
        attributes={"colour": [COLOURS[(number + version) % 3]]},
        version=version,
    )
    return current(sold)


class Page(NamedTuple):
    """A product as JSON and as HTML showed it; `header` is the position that the HTML states."""

    view: ProductView
    header: str
    html: str


class RelatedSeen(NamedTuple):
    """What was related to a product by the generation at a position, between two answers of search."""

    product_id: str
    position: str
    products: list[Related]
    before: SearchAnswer
    after: SearchAnswer


class Reader:
    """Asks a shop for pages, searches and recommendations in turn, and keeps all answers."""

    def __init__(self, shop: ShopProcess) -> None:
        self._shop = shop
        self._lot = random.Random(15)
        self.pages: list[Page] = []
        self.searches: list[tuple[SearchQuery, SearchAnswer]] = []
        self.related: list[RelatedSeen] = []

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            sku = self._lot.choice(SKUS)
            view = msgspec.json.decode((await get(self._shop, f"/products/{sku}", **JSON))[2], type=ProductView)
            _, headers, body = await get(self._shop, view.url, **HTML)
            if "x-lastunit-position" in headers:  # else it has another address by now
                self.pages.append(Page(view, headers["x-lastunit-position"], body.decode()))
            before = await self._search(*self._lot.choice(list(QUERIES.items())))
            _, headers, body = await get(self._shop, f"/products/{sku}/related", **JSON)
            after = await self._search(*self._lot.choice(list(QUERIES.items())))
            if position := headers.get("x-lastunit-position"):
                products = msgspec.json.decode(body, type=list[Related])
                self.related.append(RelatedSeen(sku, position, products, before, after))

    async def _search(self, path: str, query: SearchQuery) -> SearchAnswer:
        status, _, body = await get(self._shop, path, **JSON)
        assert status == 200
        answer = answer_of(body)
        self.searches.append((query, answer))
        return answer


class Log:
    """A topic's records, decoded; `until` takes them up to a position that only moves on."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.at = {(record.partition, record.offset): record for record in records}
        self._next: Counter[int] = Counter()

    def again(self) -> Log:
        """Return the same records, none of them taken."""
        return Log(self.at.values())

    def until(self, position: Position) -> list[Record]:
        """Return the records before a position that were not returned yet."""
        taken = []
        for partition, end in position.items():
            taken += [self.at[partition, offset] for offset in range(self._next[partition], end)]
            self._next[partition] = max(end, self._next[partition])
        return taken


def message_of(record: Record) -> object:
    assert record.value is not None
    return decode(record.value)


@pytest.mark.release
async def test_nothing_that_is_shown_contradicts_the_log_at_its_position(settings: Settings, tmp_path: Path) -> None:
    async with open_shop(in_miniature(settings), tmp_path) as shop:
        articles = Catalogue(shop.settings, shop.publisher)
        await articles.put(article(number, 1) for number in range(PRODUCTS))
        await shop.receive(**dict.fromkeys(SKUS, UNITS))
        await shop.start_processes()
        async with serving(shop.settings) as process:
            await until(
                lambda: all(
                    process.reader.levels_of(article(number, 1))[SKUS[number]].offset >= 0 for number in range(PRODUCTS)
                )
            )
            reader = Reader(process)
            reading = asyncio.create_task(reader.run())
            await sell(shop, articles)
            await shop.until_quiet()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            assert reading.cancelled(), reading.exception()
        levels = Log(await shop.records(STOCK_LEVELS))
        products = Log(await shop.records(CATALOGUE_PRODUCTS))
        events = Log(await shop.records(ORDER_EVENTS))
    pages_are_true(reader.pages, levels, products)
    searches_are_true(reader.searches, levels, products)
    related_are_true(reader.related, levels, events)
    availabilities = {variant.availability for page in reader.pages for variant in page.view.variants}
    assert availabilities == {"in_stock", "few", "sold_out"}, "the run must show all of them"
    assert min(len(reader.pages), len(reader.searches)) > 100, "too few to say anything"
    assert sum(bool(seen.products) for seen in reader.related) > 10
    assert len({seen.position for seen in reader.related}) > 1
    planted_faults_are_found(reader, levels, products, events)


def planted_faults_are_found(reader: Reader, levels: Log, products: Log, events: Log) -> None:
    """Assert that each check fails for an answer that is wrong in one thing."""
    page = reader.pages[-1]
    (variant,) = page.view.variants
    other = "sold_out" if variant.availability == "in_stock" else "in_stock"
    wrong = msgspec.structs.replace(page.view, variants=(msgspec.structs.replace(variant, availability=other),))
    with pytest.raises(AssertionError):
        pages_are_true([page._replace(view=wrong)], levels, products)
    query, answer = reader.searches[-1]
    one_more = msgspec.structs.replace(answer, in_stock=answer.in_stock + 1)
    with pytest.raises(AssertionError):
        searches_are_true([(query, one_more)], levels.again(), products.again())
    seen = next(seen for seen in reversed(reader.related) if seen.products)
    more_often = [msgspec.structs.replace(one, reason="bought together 0 times") for one in seen.products]
    with pytest.raises(AssertionError):
        related_are_true([seen._replace(products=more_often)], levels, events.again())


async def sell(shop: Shop, articles: Catalogue) -> None:
    """Sell 10,000 orders of one to three lines, with deliveries, changed products and new generations meanwhile."""
    lot = random.Random(10_000)
    redis = Redis.from_url(shop.settings.redis_url or "")
    versions = Counter(dict.fromkeys(range(PRODUCTS), 1))
    for number in range(0, ORDERS, ORDERS_AT_A_TIME):
        baskets = [basket(lot) for _ in range(ORDERS_AT_A_TIME)]
        await shop.place(*baskets)
        await shop.until(partial(shop.has_decided, "orders", number))
        if number % 1_000 == 0:
            await shop.receive(**dict.fromkeys(lot.sample(SKUS, 8), 40))
            changed = lot.sample(range(PRODUCTS), 5)
            versions.update(changed)
            await articles.put(article(one, versions[one]) for one in changed)
            await learn(shop, redis)
    await redis.aclose()


def basket(lot: random.Random) -> OrderRequest:
    first = lot.randrange(PRODUCTS)
    return order(*((SKUS[(first + step) % PRODUCTS], 1) for step in range(lot.randint(1, 3))))


async def learn(shop: Shop, redis: Redis) -> None:
    """Build recommendations from what is paid, as the command does."""
    orders = build.PaidOrders()
    settings = shop.settings
    follower = Follower(settings.kafka_bootstrap or "", settings.namespace, (ORDER_EVENTS,), orders.apply, name="test")
    following = asyncio.create_task(follower.run())
    await until(follower.caught_up.is_set, following)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    baskets = orders.baskets({sku: sku for sku in SKUS})
    await build.build(redis, settings.namespace, baskets, int(time.time() * 1000), orders.position)


def pages_are_true(pages: list[Page], levels: Log, products: Log) -> None:
    by_version = {
        (one.product_id, one.version): one for one in map(message_of, products.at.values()) if isinstance(one, Product)
    }
    for view, header, html in pages:
        assert view.title == by_version[view.product_id, view.version].title
        (variant,) = view.variants
        assert variant.price_minor == by_version[view.product_id, view.version].prices[0].amount_minor
        level = level_at(levels, view.product_id, view.position[variant.sku])
        assert variant.availability == availability_of(level.available)
        assert variant.available in (None, level.available)
        stated = re.fullmatch(r"v(\d+) \S+@(\S+)", header)
        assert stated is not None
        of_page = by_version[view.product_id, int(stated[1])]
        level = level_at(levels, view.product_id, stated[2])
        assert f"<h1>{of_page.title}</h1>" in html
        assert f"https://schema.org/{OFFERS[availability_of(level.available)]}" in html


def level_at(levels: Log, sku: str, position: str) -> StockLevel:
    partition, _, offset = position.partition("/")
    level = message_of(levels.at[int(partition), int(offset)])
    assert isinstance(level, StockLevel)
    assert level.sku == sku
    return level


def searches_are_true(searches: list[tuple[SearchQuery, SearchAnswer]], levels: Log, products: Log) -> None:
    latest, known = LatestLevels(), dict[str, Product]()
    for query, answer in searches:
        for record in levels.until(answer.position[STOCK_LEVELS.name]):
            level = message_of(record)
            assert isinstance(level, StockLevel)
            latest.take(record.key or b"", level)
        for record in products.until(answer.position[CATALOGUE_PRODUCTS.name]):
            one = message_of(record)
            assert isinstance(one, Product)
            if one.version >= (known[one.product_id].version if one.product_id in known else 0):
                known[one.product_id] = one
        available = {key.decode(): level.available for key, level in latest.levels.items() if level is not None}
        expected = find(list(known.values()), available, query, (), int(time.time() * 1000))
        assert_found(answer, expected)
        assert [hit.availability for hit in answer.hits] == [availability_of(available[hit.sku]) for hit in answer.hits]


def related_are_true(related: list[RelatedSeen], levels: Log, events: Log) -> None:
    pairs: Counter[tuple[str, str]] = Counter()
    paid: set[str] = set()
    history: dict[str, list[tuple[int, int, bool]]] = {}
    for (partition, offset), record in sorted(levels.at.items()):
        level = message_of(record)
        assert isinstance(level, StockLevel)
        history.setdefault(level.sku, []).append((partition, offset, level.available > 0))
    for seen in related:
        position = {int(one.split("/")[0]): int(one.split("/")[1]) for one in seen.position.split()[2:]}
        for record in events.until(position):
            event = message_of(record)
            if isinstance(event, OrderPaid) and event.order_id not in paid:
                paid.add(event.order_id)
                pairs.update(combinations(sorted({line.sku for line in event.lines}), 2))
        for one in seen.products:
            first, last = sorted((seen.product_id, one.product_id))
            assert one.reason == f"bought together {pairs[first, last]} times"
            begin, end = (answer.position[STOCK_LEVELS.name] for answer in (seen.before, seen.after))
            own = history[one.product_id]
            before = [has_units for partition, offset, has_units in own if offset < begin[partition]][-1]
            within = [has for partition, offset, has in own if begin[partition] <= offset < end[partition]]
            assert before or any(within), f"{one.product_id} was sold out all along"
