"""Filters and facets over the columns: which products are found, and how many a click would find. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from schemas.search import Facet, FacetValue, PriceRange

if TYPE_CHECKING:
    from consumers.search.columns import Columns, Mask, Rows
    from schemas.search import SearchQuery

MAX_FACETS: Final = 8
MAX_VALUES: Final = 30
RANGES: Final = 6
"""Price ranges that are aimed at."""
MAX_TABLE: Final = 8_000_000
"""Entries of a table of products and values up to which it is faster than sorting (a megabyte each million)."""
_AVAILABILITY: Final = "\0availability"
_PRICE: Final = "\0price"


class Scope(NamedTuple):
    """Some products, their variants, and what those have. Each `..._owner` is a place in the array before it."""

    products: Rows
    variants: Rows
    variant_owner: Rows
    codes: Rows
    code_owner: Rows
    option_codes: Rows
    option_owner: Rows


def scope_of(columns: Columns, products: Rows) -> Scope:
    """Return everything that these products have."""
    variants, variant_owner = columns.variants.of(products)
    attributes, code_owner = columns.attributes.of(products)
    options, option_owner = columns.options.of(variants)
    return Scope(
        products,
        variants,
        variant_owner,
        columns.attribute_codes.values[attributes],
        code_owner,
        columns.option_codes.values[options],
        option_owner,
    )


class Offer(NamedTuple):
    """What a product has for a query: its cheapest variant that meets every filter (a row), and the most units of one that does.

    `variants` counts all that have a price, whether or not they meet the filters.
    """

    variant: int
    price_minor: int
    most_available: int
    variants: int


class Selection:
    """What one query selects among the products that its text found.

    `matching` are the variants of `scope` that meet every filter, `places` and `products` whose they are. The count of a value of a facet leaves out that
    facet's own filter (a disjunctive facet), so it is what a click on the value finds.
    """

    def __init__(self, columns: Columns, query: SearchQuery, scope: Scope) -> None:
        self.scope = scope
        self._columns = columns
        self._query = query
        self._prices = columns.price.values[scope.variants]
        self._can_be_bought: Mask = columns.available.values[scope.variants] > 0
        self._masks = self._filters()
        self.matching = self._all_but(None)
        self._of_matching = self._products_of(self.matching)
        self.places: Rows = np.flatnonzero(self._of_matching)
        self.products: Rows = scope.products[self.places]

    def _filters(self) -> dict[str, Mask]:
        query = self._query
        masks = {name: self._having(name, values) for name, values in query.filters.items()}
        if query.in_stock:
            masks[_AVAILABILITY] = self._can_be_bought
        if query.price_from is not None or query.price_to is not None:
            above = self._prices >= (query.price_from or 0)
            masks[_PRICE] = above & (self._prices < query.price_to) if query.price_to is not None else above
        return masks

    def _having(self, name: str, values: tuple[str, ...]) -> Mask:
        """Return which variants have one of the values, by themselves or as their product has it."""
        scope = self.scope
        wanted = self._columns.codes.wanted(name, values)
        products = np.zeros(len(scope.products), bool)
        products[scope.code_owner[wanted[scope.codes]]] = True
        having: Mask = products[scope.variant_owner]
        having[scope.option_owner[wanted[scope.option_codes]]] = True
        return having

    def _all_but(self, name: str | None) -> Mask:
        combined = np.ones(len(self.scope.variants), bool)
        for own, mask in self._masks.items():
            if own != name:
                combined &= mask
        return combined

    def _products_of(self, variants: Mask) -> Mask:
        """Return which products of the scope have one of these variants."""
        mask = np.zeros(len(self.scope.products), bool)
        mask[self.scope.variant_owner[variants]] = True
        return mask

    def rows_of(self, places: list[int]) -> list[int]:
        """Return the rows of the products at places of the scope."""
        rows: list[int] = self.scope.products[places].tolist()
        return rows

    def offers(self, places: list[int]) -> list[Offer]:
        """Return what each of the selected products at these places has for the query, for all in one go."""
        if not places:
            return []
        # Of the owners' own type, or all of them would be converted first.
        own = np.array(places, np.int32)
        first, last = np.searchsorted(self.scope.variant_owner, own), np.searchsorted(self.scope.variant_owner, own + 1)
        counts = last - first
        begins = np.cumsum(counts) - counts
        places_of_variants = np.arange(int(counts.sum())) + np.repeat(first - begins, counts)
        matching = self.matching[places_of_variants]
        prices = np.where(matching, self._prices[places_of_variants], np.iinfo(np.int64).max)
        variants = self.scope.variants[places_of_variants]
        available = np.where(matching, self._columns.available.values[variants], 0)
        lowest = np.minimum.reduceat(prices, begins)
        is_cheapest = prices == np.repeat(lowest, counts)
        cheapest = np.minimum.reduceat(np.where(is_cheapest, variants, np.iinfo(np.int32).max), begins)
        columns = (cheapest, lowest, np.maximum.reduceat(available, begins), counts)
        return list(map(Offer._make, zip(*(column.tolist() for column in columns), strict=True)))

    def availability(self) -> tuple[int, int]:
        """Return how many products have a variant that meets the other filters and can be bought, and how many have not."""
        others = self._all_but(_AVAILABILITY)
        everything = int(np.count_nonzero(self._products_of(others)))
        in_stock = int(np.count_nonzero(self._products_of(others & self._can_be_bought)))
        return in_stock, everything - in_stock

    def facets(self) -> tuple[Facet, ...]:
        """Return the facets that describe most of what is found, and those that are filtered by."""
        codes = self._columns.codes
        counts = self._counts(self.matching, self._of_matching)
        of_facet = codes.facet.values
        for name in self._query.filters:
            if name in codes.names:
                others = self._all_but(name)
                own = of_facet == codes.names.index(name)
                counts = np.where(own, self._counts(others, self._products_of(others)), counts)
        occurring = np.flatnonzero(counts)
        described = dict.fromkeys(self._query.filters, 0)
        for number, total in enumerate(np.bincount(of_facet[occurring], counts[occurring], len(codes.names)).tolist()):
            if total:
                described[codes.names[number]] = int(total)
        ranked = sorted(described, key=lambda name: (name not in self._query.filters, -described[name], name))
        shown = ranked[: max(MAX_FACETS, len(self._query.filters))]
        by_name: dict[str, dict[str, int]] = {name: {} for name in shown}
        for code, facet, count in zip(
            occurring.tolist(), of_facet[occurring].tolist(), counts[occurring].tolist(), strict=True
        ):
            if (values := by_name.get(codes.names[facet])) is not None:
                values[codes.values[code]] = count
        return tuple(
            self._facet(name, by_name[name]) for name in sorted(shown, key=lambda facet: (-described[facet], facet))
        )

    def counts_of(self, name: str) -> dict[str, int]:
        """Return how many of `products` have each value of one facet, however many values there are."""
        codes = self._columns.codes
        counts = self._counts(self.matching, self._of_matching)
        number = codes.names.index(name) if name in codes.names else -1
        own = np.flatnonzero((codes.facet.values == number) & (counts > 0)).tolist()
        return {codes.values[code]: int(counts[code]) for code in own}

    def _counts(self, variants: Mask, products: Mask) -> Rows:
        """Return by code how many products have a variant among these with that value."""
        scope, number = self.scope, len(self._columns.codes.values)
        codes = scope.codes if products.all() else scope.codes[products[scope.code_owner]]
        counts: Rows = np.bincount(codes, minlength=number)
        own = variants[scope.option_owner]
        if own.any():
            counts = counts + self._distinct(scope.option_owner[own], scope.option_codes[own], number)
        return counts

    def _distinct(self, variants: Rows, codes: Rows, number: int) -> Rows:
        """Return by code in how many products it occurs: a product with two such variants counts once."""
        owners = self.scope.variant_owner[variants].astype(np.int64)
        occurring = np.flatnonzero(np.bincount(codes, minlength=number))
        dense = np.zeros(number, np.int64)
        dense[occurring] = np.arange(len(occurring))
        keys = owners * len(occurring) + dense[codes]
        size = len(self.scope.products) * len(occurring)
        if size > MAX_TABLE:
            per_code = np.bincount(np.unique(keys) % len(occurring), minlength=len(occurring))
        else:
            table = np.zeros(size, bool)
            table[keys] = True
            per_code = table.reshape(-1, len(occurring)).sum(axis=0)
        counts = np.zeros(number, np.int64)
        counts[occurring] = per_code
        return counts

    def _facet(self, name: str, counts: dict[str, int]) -> Facet:
        chosen = self._query.filters.get(name, ())
        values = [
            FacetValue(value, count, value in chosen) for value, count in (dict.fromkeys(chosen, 0) | counts).items()
        ]
        values.sort(key=lambda value: (not value.chosen, -value.count, value.value))
        shown = sorted(values[: max(MAX_VALUES, len(chosen))], key=lambda value: (-value.count, value.value))
        return Facet(name, tuple(shown), len(values) - len(shown))

    def price_ranges(self) -> tuple[PriceRange, ...]:
        """Return how many products have a variant in each price range that meets the other filters."""
        others = np.flatnonzero(self._all_but(_PRICE))
        if not len(others):
            return ()
        prices = self._prices[others]
        bounds = _bounds(int(prices.min()), int(prices.max()))
        codes = np.searchsorted(np.array(bounds[1:-1]), prices, side="right")
        counts = self._distinct(others, codes, len(bounds) - 1).tolist()
        ranges = zip(bounds[:-1], bounds[1:], counts, strict=True)
        return tuple(PriceRange(low, high, count) for low, high, count in ranges if count)

    def lowest_prices(self) -> Rows:
        """Return for each of `products` the lowest price of a variant that meets every filter."""
        lowest = np.full(len(self.scope.products), np.iinfo(np.int64).max)
        np.minimum.at(lowest, self.scope.variant_owner[self.matching], self._prices[self.matching])
        return lowest[self._of_matching]


def _bounds(lowest: int, highest: int) -> list[int]:
    """Return bounds of price ranges that read well: 1, 2 and 5 times powers of ten, closer together where it is cheap."""
    steps = [digit * 10**power for power in range(len(str(highest)) + 1) for digit in (1, 2, 5)]
    inner = [step for step in steps if lowest < step <= highest]
    every = max(1, -(-len(inner) // (RANGES - 1)))
    return [0, *inner[::every], max(highest, inner[-1] if inner else 0) + 1]
