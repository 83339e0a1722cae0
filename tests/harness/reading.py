"""A shop to read from: topics with products and levels, and a process that serves them, here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.search import SearchAnswer
from tests.harness.topics import give_topics
from tests.harness.waiting import PATIENCE_SECONDS, until
from topology.topics import (
    CATALOGUE_PRODUCTS,
    INVENTORY_COMMANDS,
    ORDER_COMMANDS,
    ORDER_EVENTS,
    SHOP_SIGNALS,
    STOCK_LEVELS,
)

USED_BY_THE_SHOP = (CATALOGUE_PRODUCTS, STOCK_LEVELS, SHOP_SIGNALS, INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS)


class Catalogue:
    """Publishes products and levels as the rooms do, without them."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self.settings = settings
        self._publisher = publisher

    async def put(self, products: Iterable[m.Product]) -> None:
        await self._publish(
            [
                Outgoing(CATALOGUE_PRODUCTS.name, BY_KEY, product.product_id.encode(), encode(product))
                for product in products
            ]
        )

    async def remove(self, *product_ids: str) -> None:
        await self._publish(
            [Outgoing(CATALOGUE_PRODUCTS.name, BY_KEY, product_id.encode(), None) for product_id in product_ids]
        )

    async def levels(self, available: Mapping[str, int]) -> None:
        levels = [m.StockLevel(sku, units, 0, 0, units, 1) for sku, units in available.items()]
        await self._publish(
            [Outgoing(STOCK_LEVELS.name, BY_KEY, level.sku.encode(), encode(level)) for level in levels]
        )

    async def _publish(self, records: list[Outgoing]) -> None:
        await self._publisher.publish(records)


@asynccontextmanager
async def catalogue(settings: Settings) -> AsyncIterator[Catalogue]:
    """Open a catalogue on fresh topics, those that the shop reads or writes."""
    await give_topics(settings, *USED_BY_THE_SHOP, partitions=2)
    async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
        yield Catalogue(settings, publisher)


@asynccontextmanager
async def serving(settings: Settings, **options: Any) -> AsyncIterator[ShopProcess]:
    """Serve the shop, caught up with its topics."""
    urls = {"redis_url": settings.redis_url or ""} | options
    process = ShopProcess(kafka_bootstrap=settings.kafka_bootstrap or "", namespace=settings.namespace, **urls)
    running = asyncio.create_task(process.run())
    try:
        await until(lambda: process.listening.is_set() and process.search.is_ready, running)
        yield process
    finally:
        process.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(running, PATIENCE_SECONDS)


async def get(process: ShopProcess, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (names in lower case) and body of an answer; redirects are not followed."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(process.address + path, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.read()


def answer_of(body: bytes) -> SearchAnswer:
    """Return a search answer from its JSON."""
    import msgspec  # noqa: PLC0415

    return msgspec.json.decode(body, type=SearchAnswer)
