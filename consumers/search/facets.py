"""Filters and facets over the columns: which products are found, and how many a click would find. Pure."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

import numpy as np

from schemas.search import Facet, FacetValue, PriceRange

if TYPE_CHECKING:
    from consumers.search.columns import Columns, Mask, Rows
    from schemas.search import SearchQuery

MAX_FACETS: Final = 8
MAX_VALUES: Final = 30
MAX_TABLE: Final = 8_000_000
"""Entries of a table of products and values up to which it is faster than sorting (a megabyte each million)."""
RANGES: Final = 6
"""Price ranges that are aimed at."""
_AVAILABILITY: Final = "\0availability"
_PRICE: Final = "\0price"


class Selection:
    """What one query selects among the variants of the products that its text found.

    `matching` are the variants that meet every filter. The count of a value of a facet leaves out that facet's own
    filter (a disjunctive facet), so it is what a click on the value finds.
    """

    def __init__(self, columns: Columns, query: SearchQuery, found: Rows | None) -> None:
        self._columns = columns
        self._query = query
        self._base = columns.alive.values.copy()
        if found is not None:
            of_text = np.zeros(columns.products, bool)
            of_text[found] = True
            self._base &= of_text[columns.product.values]
        self._masks = self._filters()
        self.matching: Mask = self._all_but(None)
        self._matching_products = self._products_of(self.matching)
        self.products: Rows = np.flatnonzero(self._matching_products)

    def _filters(self) -> dict[str, Mask]:
        columns, query = self._columns, self._query
        masks = {name: self._having(name, values) for name, values in query.filters.items()}
        if query.in_stock:
            masks[_AVAILABILITY] = columns.available.values > 0
        price = columns.price.values
        if query.price_from is not None or query.price_to is not None:
            above = price >= (query.price_from or 0)
            masks[_PRICE] = above & (price < query.price_to) if query.price_to is not None else above
        return masks

    def _having(self, name: str, values: tuple[str, ...]) -> Mask:
        """Return which variants have one of the values, by themselves or as their product has it."""
        columns = self._columns
        facet = columns.facets.get(name)
        if facet is None:
            return np.zeros(columns.variants, bool)
        wanted = facet.wanted(values)
        products = facet.of_products.rows_having(wanted, columns.products)
        return products[columns.product.values] | facet.of_variants.rows_having(wanted, columns.variants)

    def _all_but(self, name: str | None) -> Mask:
        return reduce(np.logical_and, (mask for own, mask in self._masks.items() if own != name), self._base)

    def _products_of(self, variants: Mask) -> Mask:
        """Return which products have one of these variants."""
        mask = np.zeros(self._columns.products, bool)
        mask[self._columns.product.values[variants]] = True
        return mask

    def availability(self) -> tuple[int, int]:
        """Return how many products have a variant that meets the other filters and can be bought, and how many have not."""
        others = self._all_but(_AVAILABILITY)
        everything = int(self._products_of(others).sum())
        in_stock = int(self._products_of(others & (self._columns.available.values > 0)).sum())
        return in_stock, everything - in_stock

    def facets(self) -> tuple[Facet, ...]:
        """Return the facets that describe most of what is found, and those that are filtered by."""
        found = [(name, self._counts(name)) for name in self._columns.facets]
        described = [(int(counts.sum()), name, counts) for name, counts in found if counts.any() or name in self._masks]
        described.sort(key=lambda facet: (facet[1] not in self._masks, -facet[0], facet[1]))
        shown = sorted(described[: max(MAX_FACETS, len(self._query.filters))], key=lambda facet: (-facet[0], facet[1]))
        return tuple(self._facet(name, counts) for _, name, counts in shown)

    def _counts(self, name: str) -> Rows:
        """Return by code how many products have a variant with that value that meets the other filters."""
        facet = self._columns.facets[name]
        filtered = name in self._masks
        others = self._all_but(name) if filtered else self.matching
        products = self._products_of(others) if filtered else self._matching_products
        pairs = facet.of_products
        counts = np.bincount(pairs.codes.values[products[pairs.rows.values]], minlength=len(facet.values))
        own = others[facet.of_variants.rows.values]
        if own.any():
            variants, codes = facet.of_variants.rows.values[own], facet.of_variants.codes.values[own]
            counts = counts + self._distinct(variants, codes, len(facet.values))
        return counts

    def _distinct(self, variants: Rows, codes: Rows, number: int) -> Rows:
        """Return by code in how many products it occurs: a product with two such variants counts once."""
        keys = self._columns.product.values[variants].astype(np.int64) * number + codes
        if self._columns.products * number > MAX_TABLE:
            return np.bincount(np.unique(keys) % number, minlength=number)
        table = np.zeros(self._columns.products * number, bool)
        table[keys] = True
        counted: Rows = table.reshape(-1, number).sum(axis=0)
        return counted

    def _facet(self, name: str, counts: Rows) -> Facet:
        values = self._columns.facets[name].values
        chosen = set(self._query.filters.get(name, ()))
        some = {values[code]: int(counts[code]) for code in np.flatnonzero(counts)} | {
            value: 0 for value in chosen if value not in values or not counts[values.index(value)]
        }
        listed = [FacetValue(value, count, value in chosen) for value, count in some.items()]
        listed.sort(key=lambda it: (not it.chosen, -it.count, it.value))
        shown = sorted(listed[: max(MAX_VALUES, len(chosen))], key=lambda it: (-it.count, it.value))
        return Facet(name, tuple(shown), len(listed) - len(shown))

    def price_ranges(self) -> tuple[PriceRange, ...]:
        """Return how many products have a variant in each price range that meets the other filters."""
        others = self._all_but(_PRICE)
        prices = self._columns.price.values[others]
        if not len(prices):
            return ()
        bounds = _bounds(int(prices.min()), int(prices.max()))
        codes = np.searchsorted(np.array(bounds[1:-1]), prices, side="right").astype(np.int32)
        counts = self._distinct(np.flatnonzero(others), codes, len(bounds) - 1).tolist()
        ranges = zip(bounds[:-1], bounds[1:], counts, strict=True)
        return tuple(PriceRange(low, high, count) for low, high, count in ranges if count)

    def lowest_prices(self) -> Rows:
        """Return for each of `products` the lowest price of a variant that meets every filter."""
        lowest = np.full(self._columns.products, np.iinfo(np.int64).max)
        np.minimum.at(lowest, self._columns.product.values[self.matching], self._columns.price.values[self.matching])
        return lowest[self.products]


def _bounds(lowest: int, highest: int) -> list[int]:
    """Return bounds of price ranges that read well: 1, 2 and 5 times powers of ten, closer together where it is cheap."""
    steps = [digit * 10**power for power in range(len(str(highest)) + 1) for digit in (1, 2, 5)]
    inner = [step for step in steps if lowest < step <= highest]
    every = max(1, -(-len(inner) // (RANGES - 1)))
    return [0, *inner[::every], max(highest, inner[-1] if inner else 0) + 1]
