"""The shop as one process: follows the topics, keeps Valkey and its own index current, and serves the pages.

One process does everything where one is enough (`lastunit up`). Beyond that, more of them stand behind a balancer; each has
an index of its own, so any may die.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from consumers.pages.node import WHOLE, PageNode
from consumers.pages.reader import HOT_PRODUCTS, PageReader
from consumers.recommendations.reader import Recommendations
from consumers.search.node import SearchNode
from consumers.search.rules import read_rules
from infra.edge.measured import Measured
from infra.edge.server import HttpServer
from infra.edge.shop.abandonment import SWEEP_SECONDS, Abandonment
from infra.edge.shop.administration import LOOPBACK, administration_routes
from infra.edge.shop.buying import cart_routes
from infra.edge.shop.charge_file import ChargeFile
from infra.edge.shop.checkout import Checkout, CheckoutOptions
from infra.edge.shop.delivery import Addresses
from infra.edge.shop.demand import Demand, Signals
from infra.edge.shop.order_actions import action_routes
from infra.edge.shop.order_pages import order_routes
from infra.edge.shop.ordering import Ordering, checkout_routes
from infra.edge.shop.product_pages import ProductPages
from infra.edge.shop.routes import application
from infra.edge.shop.search_answers import SearchAnswers
from infra.edge.shop.shop import Shop
from infra.edge.shop.visitors import Visitors
from infra.edge.shop.watching import OrderWatch
from producers.checkout.abandoned import ABANDONED_S, AbandonedCarts
from producers.checkout.carts import Carts
from producers.checkout.signing import Signer
from producers.clients.orders import DEFAULT_HOLD_SECONDS
from producers.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from consumers.pages.node import Shard
    from infra.ops.process_metrics import RequestMetrics
    from schemas.messages import Product

log = structlog.get_logger()

VALKEY_SECONDS: Final = 0.5
"""How long a page waits for Valkey before it is asked elsewhere or refused."""
PURGE_SECONDS: Final = 2.0
GIVE_UP_SECONDS: Final = 5.0
"""How long signals and orders are tried to publish; a shopper does not wait for longer."""


def valkey(url: str) -> Redis:
    """Return a client that answers soon or not at all: whoever asks for a page does not wait for retries."""
    return Redis.from_url(
        url,
        socket_timeout=VALKEY_SECONDS,
        socket_connect_timeout=VALKEY_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class Purger:
    """Tells HTTP caches in front of the shop to forget a product's pages (PURGE, as Varnish and others take it)."""

    def __init__(self, caches: Sequence[str]) -> None:
        self._caches = caches
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, product: Product) -> None:
        """Purge a product's page and its JSON in every cache; one that does not answer has its max-age to go."""
        if not self._caches:
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PURGE_SECONDS))
        addresses = [
            f"{cache}{path}"
            for cache in self._caches
            for path in (f"/p/{product.slug}", f"/products/{product.product_id}")
        ]
        await asyncio.gather(*(self._purge(self._session, address) for address in addresses))

    @staticmethod
    async def _purge(session: aiohttp.ClientSession, address: str) -> None:
        try:
            async with session.request("PURGE", address):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("purge_failed", address=address, error=f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class ShopProcess:
    """Runs until asked to stop. With port 0 any free one is taken; `address` is where it listens once `listening` is set."""

    def __init__(
        self,
        *,
        kafka_bootstrap: str,
        redis_url: str,
        namespace: str = "",
        currency: str = "GBP",
        host: str = "127.0.0.1",
        port: int = 0,
        replica_url: str | None = None,
        caches: Sequence[str] = (),
        shard: Shard = WHOLE,
        base_url: str = "",
        rules_path: Path | None = None,
        charges_path: Path | None = None,
        postgres_dsn: str = "",
        partitions: int = 12,
        hot_products: int = HOT_PRODUCTS,
        secret: str = "",
        hold_seconds: int = DEFAULT_HOLD_SECONDS,
        in_use: Mapping[str, int] | None = None,
        requests: RequestMetrics | None = None,
        abandoned_after_s: int = ABANDONED_S,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._stores = [valkey(url) for url in (redis_url, replica_url) if url]
        self._writer = Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self._purger = Purger(caches)
        self.search = SearchNode(kafka_bootstrap, namespace, currency, read_rules(rules_path) if rules_path else None)
        self.reader = PageReader(namespace, self._stores, lambda: self.search.age_ms, hot_products=hot_products)
        self.search.also_apply = self.reader.apply
        self.pages = PageNode(kafka_bootstrap, namespace, self._writer, purge=self._purger, shard=shard)
        self._publisher = Publisher(
            kafka_bootstrap, namespace=namespace, give_up_seconds=GIVE_UP_SECONDS, in_use=in_use or {}
        )
        self._signals = Signals(self._publisher)
        recommendations = Recommendations(self._stores[0], namespace)
        demand = Demand(self._stores[0], namespace, partitions)
        self.shop = Shop(
            self.search, self.reader, currency, recommendations, in_demand=demand.now, signal=self._signals.note
        )
        left = AbandonedCarts(self._stores[0], namespace, abandoned_after_s)
        self._abandonment = Abandonment(left, self.reader, self._signals.note, sweep_seconds)
        self._watch = OrderWatch(self._stores[0], namespace)
        self._addresses = Addresses(postgres_dsn) if postgres_dsn else None
        prices_age_ms = lambda: self.search.products_age_ms  # noqa: E731
        checkout = CheckoutOptions(namespace, hold_seconds, prices_age_ms, ChargeFile(charges_path).current)
        selling = self._selling(secret or secrets.token_urlsafe(32), host, base_url, checkout)
        pages = SearchAnswers(self.shop, application(self.shop, selling))
        app = ProductPages(self.reader, pages, base_url=base_url, categories=self.shop.top_categories)
        self._server = HttpServer(app if requests is None else Measured(app, requests), host=host, port=port)
        self._stopping = asyncio.Event()
        self.listening = self._server.listening

    def _selling(self, secret: str, host: str, base_url: str, options: CheckoutOptions) -> list[Any]:
        """Return the routes of carts, checkouts and orders; on loopback those without authentication too."""
        signer = Signer(secret)
        visitors = Visitors(signer, is_secure=base_url.startswith("https://"))
        carts = Carts(self._stores[0], options.namespace)
        checkout = Checkout(self.shop, carts, self._publisher, self._stores[0], options)
        ordering = Ordering(self.shop, carts, checkout, visitors, signer, addresses=self._addresses)
        is_here = host in LOOPBACK
        return [
            *(administration_routes(self._publisher) if is_here else ()),
            *cart_routes(self.shop, carts, checkout, visitors, may_sign_in=is_here),
            *checkout_routes(ordering),
            *order_routes(ordering, self._watch),
            *action_routes(ordering),
        ]

    @property
    def address(self) -> str:
        """Where the shop listens, once it does."""
        return self._server.address

    def stop(self) -> None:
        """Ask for a graceful end: answers under way are finished."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                runs = (self.search.run(), self.pages.run(), self._signals.run(), self._abandonment.run())
                work = [tasks.create_task(run) for run in runs]
                serving = tasks.create_task(self._server.run())
                await self._stopping.wait()
                self._watch.close()
                self._server.stop()
                await serving
                for task in work:
                    task.cancel()
        finally:
            await self._purger.close()
            if self._addresses is not None:
                await self._addresses.close()
            await self._publisher.close()
            for client in (*self._stores, self._writer):
                await client.aclose()
