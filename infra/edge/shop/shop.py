"""What the shop's pages are made from: search, product records, levels and recommendations, behind one interface."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from consumers.pages.view import crumbs_of, view_of
from schemas.products import slugify
from schemas.shop import Crumb, Related

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumers.pages.reader import PageReader
    from consumers.recommendations.blending import Recommended
    from consumers.search.node import SearchNode

CATEGORIES_SECONDS: Final = 5.0
"""How long the list of categories is kept: it changes with the catalogue, and every page shows it."""
RELATED: Final = 8


async def _nothing(*_: Any) -> list[Recommended]:
    return []


class Shop:
    """One worker's view of the shop. Recommendations are optional: pages are whole without them."""

    def __init__(
        self,
        search: SearchNode,
        reader: PageReader,
        currency: str,
        *,
        recommend: Callable[[str], Awaitable[Sequence[Recommended]]] = _nothing,
        recommend_for: Callable[[str, Sequence[str]], Awaitable[Sequence[Recommended]]] = _nothing,
    ) -> None:
        self.search, self.reader, self.currency = search, reader, currency
        self._recommend, self._recommend_for = recommend, recommend_for
        self._categories: dict[str, int] = {}
        self._slugs: dict[str, str] = {}
        self._categories_at = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether everything that was there at the start can be found."""
        return self.search.is_ready

    def categories(self) -> dict[str, int]:
        """Return how many products each category has, by its path."""
        now = time.monotonic()
        if now - self._categories_at > CATEGORIES_SECONDS:
            self._categories, self._categories_at = self.search.categories(), now
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

    def trending(self) -> list[Related]:
        """Return what is in demand now."""
        return []

    async def related(self, product_id: str) -> list[Related]:
        """Return what goes with a product, as far as it can be bought now."""
        return await self._shown(await self._recommend(product_id))

    async def for_customer(self, customer_id: str, having: Sequence[str]) -> list[Related]:
        """Return what a customer may want, who has `having` at hand (product ids)."""
        return await self._shown(await self._recommend_for(customer_id, having))

    async def _shown(self, recommended: Sequence[Recommended]) -> list[Related]:
        """Return recommendations as people see them: what is archived or sold out now is left out."""
        reasons = {each.product_id: each.reason for each in recommended}
        products = await self.reader.products(list(reasons))
        found = []
        for product_id, reason in reasons.items():
            product = products.get(product_id)
            if product is None or product.state != "published":
                continue
            view = view_of(product, self.reader.levels_of(product), at_ms=int(time.time() * 1000), age_ms=None)
            if view.availability != "sold_out":
                found.append(
                    Related(
                        product_id=product_id,
                        slug=view.slug,
                        title=view.title,
                        price=view.price_from,
                        availability=view.availability,
                        tile=view.tile,
                        reason=reason,
                    )
                )
        return found[:RELATED]
