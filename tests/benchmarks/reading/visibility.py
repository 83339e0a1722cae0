"""How soon a change of the catalogue is on its page and found: from before its command is published, over HTTP.

A whole system at rest, as `make up` runs it; changes come by a schedule that waits for none of them. Beside it what a
look-up of recommendations takes at the store.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
import numpy as np
from redis.asyncio import Redis

from consumers.recommendations import store
from consumers.recommendations.evaluation import Quality
from consumers.recommendations.item_item import Neighbour
from infra.local.supervisor import Supervisor
from infra.local.system import FEW_PARTITIONS
from producers.clients.catalogue import CatalogueClient, commands_for, put_product
from producers.importing.seeded_catalogue import seeded_catalogue
from producers.publisher import Publisher
from tests.benchmarks.harness.report import at_most
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.servers import running_servers
from tests.harness.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

PRODUCTS: Final = 1_000
EVERY_SECONDS: Final = 0.5
POLL_SECONDS: Final = 0.004
LOOK_UPS: Final = 2_000
READY_SECONDS: Final = 300.0
PAGE_BAR_MS: Final = 200
SEARCH_BAR_MS: Final = 1_000


async def measure(options: Options, report: Report) -> None:
    """Measure both in a system of its own."""
    async with running_servers(options) as servers, AsyncExitStack() as open_ones:
        settings = await servers.shop("read", partitions=options.partitions or FEW_PARTITIONS)
        bootstrap = settings.kafka_bootstrap or ""
        publisher = await open_ones.enter_async_context(Publisher(bootstrap, namespace=settings.namespace))
        folder = servers.settings.state_dir / "read"
        system = await open_ones.enter_async_context(
            Supervisor(settings.model_copy(update={"state_dir": folder}), folder=folder, together=True, shop=True)
        )
        await system.start_all()
        drafts = list(seeded_catalogue(1, 50 if options.quick else PRODUCTS))
        client = CatalogueClient(publisher)
        await client.send([command for draft in drafts for command in commands_for(draft)])
        session = await open_ones.enter_async_context(aiohttp.ClientSession(headers={"Accept": "application/json"}))
        shop = f"http://127.0.0.1:{system.settings.shop_port}"

        async def is_filled() -> bool:
            try:
                return bool((await _json(session, f"{shop}/search"))["total"] == len(drafts))
            except aiohttp.ClientError:
                return False

        await until(is_filled, seconds=READY_SECONDS, poll_seconds=0.5)
        page_ms: list[float] = []
        search_ms: list[float] = []

        async def change(number: int) -> None:
            word = f"changed{number:04}q"
            command = put_product(msgspec.structs.replace(drafts[number % len(drafts)], title=f"Mug {word}"))
            began = time.perf_counter()

            async def is_on_page() -> bool:
                return word in (await _json(session, f"{shop}/products/{command.product_id}"))["title"]

            async def is_found() -> bool:
                hits = (await _json(session, f"{shop}/search?q={word}"))["hits"]
                return [word in hit["title"] for hit in hits] == [True]

            async def seen(condition: Any, taken: list[float]) -> None:
                await until(condition, poll_seconds=POLL_SECONDS)
                taken.append((time.perf_counter() - began) * 1000)

            await asyncio.gather(client.send([command]), seen(is_on_page, page_ms), seen(is_found, search_ms))

        await change(0)  # the first one opens connections
        page_ms.clear()
        search_ms.clear()
        began = time.perf_counter()
        changes = []
        for number in range(1, 6 if options.quick else 201):
            await asyncio.sleep(max(0.0, began + number * EVERY_SECONDS - time.perf_counter()))
            changes.append(asyncio.ensure_future(change(number)))
        await asyncio.gather(*changes)
        _note(report, "change_on_page", page_ms, PAGE_BAR_MS)
        _note(report, "change_in_search", search_ms, SEARCH_BAR_MS)
        say(f"{len(page_ms)} changes of the catalogue were seen")
        await _look_ups(report, settings.redis_url or "", settings.namespace)


async def _json(session: aiohttp.ClientSession, address: str) -> Any:
    """Return a document. Raises aiohttp.ClientError: nobody answers, or not yet."""
    async with session.get(address, raise_for_status=True) as answer:
        return msgspec.json.decode(await answer.read())


async def _look_ups(report: Report, redis_url: str, namespace: str) -> None:
    """Look neighbours up as a page does, and ask Valkey what each of its GETs took."""
    redis = Redis.from_url(redis_url)
    neighbours = tuple(Neighbour(f"P{number:06}", 0.5, 40) for number in range(50))
    await store.write_generation(redis, namespace, 1, {f"P{number:06}": neighbours for number in range(1_000)})
    await store.use(redis, namespace, store.Generation(1, Quality(0, 0, 0), 1_000, 1))
    await redis.config_resetstat()
    taken = []
    for number in range(LOOK_UPS):
        began = time.perf_counter()
        await store.read_neighbours(redis, namespace, [f"P{number % 1_000:06}"])
        taken.append((time.perf_counter() - began) * 1000)
    latencies: Any = await redis.info("latencystats")
    await redis.aclose()
    _note(report, "recommendations_look_up", taken, None)
    at_store_ms = float(latencies["latency_percentiles_usec_get"]["p99"]) / 1000
    report.figure("recommendations_at_store_p99_ms", at_store_ms)
    report.bars["recommendations_at_store_p99_ms"] = at_most(at_store_ms, 1)


def _note(report: Report, name: str, taken_ms: Sequence[float], bar_ms: float | None) -> None:
    p50_ms, p99_ms = np.percentile(taken_ms, (50, 99)).tolist()
    report.figure(f"{name}_p50_ms", p50_ms)
    report.figure(f"{name}_p99_ms", p99_ms)
    if bar_ms is not None:
        report.bars[f"{name}_p99_ms"] = at_most(p99_ms, bar_ms)
