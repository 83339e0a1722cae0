"""What the shop's pages are made from: search, product records, levels and recommendations, behind one interface."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from consumers.pages.view import crumbs_of, view_of
from consumers.recommendations.blending import AGAIN_SHARE, Recommended, blend
from schemas.products import slugify
from schemas.search import SearchQuery
from schemas.shop import Crumb, Related

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumers.pages.reader import PageReader
    from consumers.recommendations.reader import Recommendations
    from consumers.search.node import SearchNode
    from schemas.shop import ProductView

CATEGORIES_SECONDS: Final = 5.0
"""How long the list of categories is kept: it changes with the catalogue, and every page shows it."""
RELATED: Final = 8


class SearchNotReadyError(Exception):
    """This process has started and builds its index; ask again in a moment, or another process."""


class Shop:
    """One worker's view of the shop. Recommendations are optional: pages are whole without them."""

    def __init__(
        self,
        search: SearchNode,
        reader: PageReader,
        currency: str,
        recommendations: Recommendations | None = None,
        *,
        in_demand: Callable[[], Awaitable[list[Recommended]]] | None = None,
        signal: Callable[[str, str], None] = lambda _kind, _product_id: None,
    ) -> None:
        self.search, self.reader, self.currency = search, reader, currency
        self.signal = signal
        self._recommendations = recommendations
        self._in_demand = in_demand
        self._categories: dict[str, int] = {}
        self._slugs: dict[str, str] = {}
        self._categories_at = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether everything that was there at the start can be found."""
        return self.search.is_ready

    @property
    def whole_search(self) -> SearchNode:
        """The search node, once it is ready. Raises SearchNotReadyError before: an answer would be from a part of the products."""
        if not self.search.is_ready:
            raise SearchNotReadyError
        return self.search

    def categories(self) -> dict[str, int]:
        """Return how many products each category has, by its path."""
        now = time.monotonic()
        if now - self._categories_at > CATEGORIES_SECONDS:
            self._categories = self.search.categories()
            self._categories_at = now if self.search.is_ready else 0.0
            self._slugs = {crumbs_of(path)[-1].slug: path for path in sorted(self._categories)}
        return self._categories

    def category(self, slug: str) -> str | None:
        """Return the path of the category at an address; None where there is none."""
        self.categories()
        return self._slugs.get(slug)

    def top_categories(self) -> list[tuple[Crumb, int]]:
        """Return the first level of the categories and how many products each has, in alphabetical order."""
        return [
            (Crumb(path, slugify(path)), count) for path, count in sorted(self.categories().items()) if "/" not in path
        ]

    async def trending(self) -> list[Related]:
        """Return what is in demand now, as far as it can be bought; nothing where that is unknown."""
        return [] if self._in_demand is None else await self._shown([await self._in_demand()])

    async def related(self, product_id: str) -> tuple[list[Related], str]:
        """Return what goes with a product, as far as it can be bought now, and the position of the orders learned from.

        With what nobody bought yet goes what is of its kind.
        """
        recommended: list[Recommended] = []
        position = ""
        if self._recommendations is not None:
            recommended, position = await self._recommendations.related(product_id)
        if not recommended:
            alike = self.search.of_its_kind(product_id, RELATED)
            recommended = [Recommended(hit.product_id, "of the same kind") for hit in alike]
        return await self._shown([recommended]), position

    async def for_customer(self, customer_id: str, having: Sequence[str]) -> list[Related]:
        """Return what a customer may want, who has `having` at hand (product ids); what is new where nothing is known."""
        sources = []
        if self._recommendations is not None:
            sources = await self._recommendations.for_customer(customer_id, having)
        if self._in_demand is not None:
            sources.append(await self._in_demand())
        newest = self.search.search(SearchQuery(sort="newest", in_stock=True, size=2 * RELATED)).hits
        sources.append(
            [Recommended(hit.product_id, "new in the shop") for hit in newest if hit.product_id not in having]
        )
        return await self._shown(sources)

    async def _shown(self, sources: Sequence[Sequence[Recommended]]) -> list[Related]:
        """Return recommendations as people see them: what is archived or sold out now is left out."""
        product_ids = list(dict.fromkeys(each.product_id for source in sources for each in source))
        products = await self.reader.products(product_ids)
        now_ms = time.time_ns() // 1_000_000
        views = {
            product_id: view_of(product, self.reader.levels_of(product), at_ms=now_ms, age_ms=None)
            for product_id, product in products.items()
            if product.state == "published"
        }
        buyable = {product_id for product_id, view in views.items() if view.availability != "sold_out"}
        types = {product_id: view.product_type for product_id, view in views.items()}
        reserved = [int(RELATED * AGAIN_SHARE), *[RELATED] * len(sources)][: len(sources)] if len(sources) > 1 else None
        chosen = blend(sources, RELATED, may_show=buyable.__contains__, type_of=types, reserved=reserved)
        return [_related(views[each.product_id], each.reason) for each in chosen]


def _related(view: ProductView, reason: str) -> Related:
    return Related(
        product_id=view.product_id,
        slug=view.slug,
        title=view.title,
        price=view.price_from,
        availability=view.availability,
        tile=view.tile,
        reason=reason,
    )
