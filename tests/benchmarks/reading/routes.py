"""What each route that is read costs: CPU of the server's process a request, and how long answers take at fixed loads.

The shop's own application over a whole catalogue in memory, with recommendations, purchases and counts of what is in demand in
a Valkey beside it, whose CPU does not count. Routes take turns, so what slows the machine for a while slows all of them.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from redis.asyncio import Redis

from consumers.pages.view import crumbs_of
from consumers.projections import trend_store
from consumers.projections.trend_store import HOUR_S
from consumers.recommendations import item_item, store
from consumers.recommendations.evaluation import Quality
from consumers.recommendations.item_item import Neighbour
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.spread import spread
from tests.benchmarks.reading import goods
from tests.benchmarks.reading.asking import Asked, ask
from tests.benchmarks.reading.servers import Lane, server, valkey
from topology.topics import ORDER_EVENTS, SHOP_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.messages import Product
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

SECONDS: Final = 2.0
"""Of each round as fast as answers come."""
OPEN_SECONDS: Final = 20.0
LOADS_PER_S: Final = (20, 100)
KEPT_UP: Final = 0.95
"""Share of a load below which a server has fallen behind, so that its percentiles grow with the time it is asked."""
ASKED_PRODUCTS: Final = 2_000
CUSTOMERS: Final = 500
ORDERS_EACH: Final = 5
LINES: Final = 6
IN_DEMAND: Final = 100
PARTITIONS: Final = 12
HTML: Final = "text/html"
JSON: Final = "application/json"
HTMX: Final = "text/html\r\nHX-Request: true"
"""As htmx asks for a part of a page."""


class Route(NamedTuple):
    """A route as it is asked: its name in figures, what it answers, and what is asked in turn."""

    name: str
    accept: str
    paths: Sequence[str]


def routes_of(products: Sequence[Product]) -> list[Route]:
    """Return every route that is read, over these products."""
    asked = products[:ASKED_PRODUCTS]
    searches = [f"/search?{query}" for query in goods.queries(500)]
    crumbs = {crumb.slug for product in products for crumb in crumbs_of(product.category)}
    categories = [f"/categories/{slug}" for slug in sorted(crumbs)]
    typed = [f"/suggest?q={text}" for text in _being_typed(asked)]
    related = [f"/products/{product.product_id}/related" for product in asked]
    suggestions = [f"/me/suggestions?{query}" for query in _visitors(asked)]
    return [
        Route("home", HTML, ["/"]),
        Route("page", HTML, [f"/p/{product.slug}" for product in asked]),
        Route("product_json", JSON, [f"/products/{product.product_id}" for product in asked]),
        Route("availability", HTMX, [f"/products/{product.product_id}/availability" for product in asked]),
        Route("related_part", HTMX, related),
        Route("related_page", HTML, related),
        Route("related_json", JSON, related),
        Route("category_page", HTML, categories),
        Route("category_json", JSON, categories),
        Route("search_page", HTML, searches),
        Route("search_json", JSON, searches),
        Route("suggest_part", HTMX, typed),
        Route("suggest_json", JSON, typed),
        Route("me_suggestions_page", HTML, suggestions),
        Route("me_suggestions_json", JSON, suggestions),
    ]


def _being_typed(products: Sequence[Product]) -> list[str]:
    """Return what stands in the search field while titles are typed, from the second letter to the end of the third word."""
    draw = random.Random(goods.SEED)
    texts = [" ".join(product.title.lower().split()[:3]) for product in products]
    return ["+".join(text[: draw.randint(2, len(text))].split()) for text in texts]


def _visitors(products: Sequence[Product]) -> list[str]:
    """Return who asks what they may want: every other one has something in the cart, one in four nobody knows."""
    draw = random.Random(goods.SEED + 1)
    return [
        "&".join(
            (
                *([f"customer=C{draw.randrange(CUSTOMERS)}"] if number % 4 else []),
                *([f"have={draw.choice(products).product_id}"] if number % 2 else []),
            )
        )
        for number in range(CUSTOMERS)
    ]


async def fill(redis: Redis, products: Sequence[Product]) -> None:
    """Write what the builds of recommendations and the counts of demand would: neighbours of all that is asked for among it."""
    draw = random.Random(goods.SEED + 2)
    ids = [product.product_id for product in products]
    model = {
        product_id: tuple(
            Neighbour(other, 1 / place, draw.randint(2, 60))
            for place, other in enumerate(draw.choices(ids, k=item_item.NEIGHBOURS), start=1)
        )
        for product_id in ids[:ASKED_PRODUCTS]
    }
    now_ms = time.time_ns() // 1_000_000
    await store.write_generation(redis, "", 1, model)
    position = dict.fromkeys(range(PARTITIONS), 100_000)
    await store.use(redis, "", store.Generation(1, Quality(0, 0, 0), len(model), now_ms, position=position))
    known = ids[:ASKED_PRODUCTS]
    purchases = [
        (f"C{customer}", f"O{order}", store.Purchase(now_ms - order * 86_400_000, tuple(draw.choices(known, k=LINES))))
        for customer in range(CUSTOMERS)
        for order in range(ORDERS_EACH)
    ]
    await store.write_purchases(redis, "", purchases)
    hour = int(time.time() // HOUR_S)
    for topic in (SHOP_SIGNALS.name, ORDER_EVENTS.name):
        for partition in range(PARTITIONS):
            counts = {f"p:{product_id}": draw.randint(1, 50) for product_id in draw.sample(ids, IN_DEMAND)}
            by_hour = {hour: counts, hour - 1: counts}
            source = f"{topic}/{partition}"
            await trend_store.count(redis, "", source, believed=None, reached=IN_DEMAND, by_hour=by_hour)


async def measure(options: Options, report: Report, size: int) -> None:
    """Measure each route over a catalogue of this size: as fast as it answers, by rounds, then at each load."""
    everything = goods.products(size)
    routes = routes_of(everything)
    seconds = 0.3 if options.quick else SECONDS
    samples: dict[str, list[Asked]] = defaultdict(list)
    async with AsyncExitStack() as open_ones:
        redis_url = await open_ones.enter_async_context(valkey())
        redis = await open_ones.enter_async_context(Redis.from_url(redis_url))
        await fill(redis, everything)
        lane = Lane(*await open_ones.enter_async_context(server("routes", size, redis_url)))
        for turn in range(-1, options.rounds):  # the first one warms up
            for route in routes[:: -1 if turn % 2 else 1]:
                asked = await ask(lane.port, route.paths, lane.cpu, accept=route.accept, seconds=seconds)
                if turn >= 0:
                    samples[route.name].append(asked)
        for route in routes:
            cpu = spread([1_000_000 / sample.per_cpu_s for sample in samples[route.name]])
            per_cpu_s = spread([sample.per_cpu_s for sample in samples[route.name]])
            report.spreads[f"{route.name}, {size:,} products, per CPU second"] = per_cpu_s
            report.figure(f"{route.name}_cpu_us", cpu.median)
            at_loads = [await _at_load(options, report, lane, route, load) for load in LOADS_PER_S]
            say(f"{route.name}: {cpu.median:,.0f} us of CPU; " + "; ".join(at_loads))


async def _at_load(options: Options, report: Report, lane: Lane, route: Route, load_per_s: int) -> str:
    """Ask for a route at a load, note its percentiles and return them for people."""
    seconds = 0.5 if options.quick else OPEN_SECONDS
    asked = await ask(lane.port, route.paths, lane.cpu, accept=route.accept, seconds=seconds, rate=load_per_s)
    report.figure(f"{route.name}_p50_ms_at_{load_per_s}_per_s", asked.p50_ms)
    report.figure(f"{route.name}_p99_ms_at_{load_per_s}_per_s", asked.p99_ms)
    if asked.per_s < load_per_s * KEPT_UP:
        report.details[f"{route.name} fell behind at {load_per_s}/s: answers a second"] = asked.per_s
    return f"at {load_per_s}/s p50 {asked.p50_ms:.1f}, p99 {asked.p99_ms:.1f} ms"
