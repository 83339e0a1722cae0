"""What one worker needs to answer for a product: the record, from its cache or Valkey, and the levels, from its own tail.

A worker follows stock.levels itself, so it knows every level and how old its knowledge is; what is put while it runs enters
its cache from catalogue.products. With Valkey away the hot products are still there; with Kafka away pages lose numbers.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from redis.exceptions import RedisError

from consumers.following.follower import Followed
from consumers.pages import store
from consumers.pages.node import Levels
from schemas.messages import Product
from schemas.shop import UNKNOWN_LEVEL, Level
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from redis.asyncio import Redis


T = TypeVar("T")
HOT_PRODUCTS: Final = 20_000
"""Records that a worker keeps, of a few kilobytes each."""


class PagesUnavailableError(Exception):
    """The product is not in this worker's cache and no store can be asked for it; ask again in a moment."""


class PageReader:
    """Answers from its cache and from `stores`, which are asked in turn: the primary, then a replica.

    Whoever follows the topics hands it what was read (`apply`) and knows its age (`age_ms`).
    """

    def __init__(
        self,
        namespace: str,
        stores: Sequence[Redis],
        age_ms: Callable[[], int | None] = lambda: None,
        *,
        hot_products: int = HOT_PRODUCTS,
    ) -> None:
        self._namespace, self._stores, self._hot = namespace, stores, hot_products
        self._cache: OrderedDict[str, Product | None] = OrderedDict()
        self._levels = Levels()
        self.age_ms = age_ms

    def apply(self, records: Iterable[Followed]) -> None:
        """Take in levels, and products as they are put."""
        now_ms = time.time_ns() // 1_000_000
        for record in records:
            if record.topic == STOCK_LEVELS.name:
                self._levels.take(record, now_ms)
            else:
                self._keep(record.key, record.message if isinstance(record.message, Product) else None)

    def _keep(self, product_id: str, product: Product | None) -> Product | None:
        """Keep a product unless a newer one is kept, and return the newer one; the least used one makes room."""
        known = self._cache.get(product_id)
        if product is None or known is None or product.version >= known.version:
            self._cache[product_id] = product
        self._cache.move_to_end(product_id)
        if len(self._cache) > self._hot:
            self._cache.popitem(last=False)
        return self._cache.get(product_id)

    def cached(self, product_id: str) -> Product | None:
        """Return a product if this worker has it at hand."""
        product = self._cache.get(product_id)
        if product is not None:
            self._cache.move_to_end(product_id)
        return product

    def levels_of(self, product: Product) -> dict[str, Level]:
        """Return the level of each of a product's variants."""
        get = self._levels.get
        return {variant.sku: get(variant.sku) or UNKNOWN_LEVEL for variant in product.variants}

    async def product(self, product_id: str) -> Product | None:
        """Return a product; None where there is none. Raises PagesUnavailableError."""
        products = await self.products([product_id])
        return products.get(product_id)

    async def products(self, product_ids: Sequence[str]) -> dict[str, Product]:
        """Return those of many products that there are. Raises PagesUnavailableError if one can be asked of nobody."""
        products = {
            product_id: product for product_id in product_ids if (product := self.cached(product_id)) is not None
        }
        if missing := [product_id for product_id in product_ids if product_id not in products]:
            for product_id, product in (await self._read(missing)).items():
                if (latest := self._keep(product_id, product)) is not None:
                    products[product_id] = latest
        return products

    async def owners(self, skus: Sequence[str]) -> dict[str, str]:
        """Return which product has each of these SKUs, of those that some product has. Raises PagesUnavailableError."""
        return await self._ask(lambda source: store.read_owners(source, self._namespace, skus))

    async def _read(self, product_ids: Sequence[str]) -> dict[str, Product]:
        return await self._ask(lambda source: store.read_products(source, self._namespace, product_ids))

    async def _ask(self, question: Callable[[Redis], Awaitable[dict[str, T]]]) -> dict[str, T]:
        errors: list[str] = []
        for source in self._stores:
            try:
                return await question(source)
            except (RedisError, OSError, TimeoutError) as error:
                errors.append(f"{type(error).__name__}: {error}")
        raise PagesUnavailableError("; ".join(errors))
