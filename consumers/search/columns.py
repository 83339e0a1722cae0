"""Everything about products that is no text, as columns: filters and facets are whole-array operations on them.

The unit is the variant, because a product that has size S sold out and size L in stock must not be found by "S, in
stock". A product is found if one of its variants meets every filter, and it is counted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[Any]
"""Row numbers, codes or counts: integers of whatever width."""
NO_PRICE: Final = -1
NOBODY: Final = 0
"""The row of no product: pairs that are no longer true belong to it."""
WASTE: Final = 1_000
"""Dead rows that are always put up with."""


class Column:
    """An array that grows at its end."""

    def __init__(self, dtype: Any) -> None:
        self._values = np.zeros(64, dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[Any]:
        """What it holds; a view that stays valid until the next append."""
        return self._values[: self._length]

    def append(self, value: Any) -> None:
        """Add one value."""
        if self._length == len(self._values):
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        self._values[self._length] = value
        self._length += 1

    def keep(self, kept: Mask) -> None:
        """Drop what is not kept."""
        self._length = int(kept.sum())
        self._values = np.concatenate([self._values[: len(kept)][kept], np.zeros(64, self._values.dtype)])


class Pairs:
    """Which row has which value: a pair for each. A row may have several values, or none, each at most once."""

    def __init__(self) -> None:
        self.rows = Column(np.int32)
        self.codes = Column(np.int32)

    def add(self, row: int, code: int) -> None:
        """Note that a row has a value."""
        self.rows.append(row)
        self.codes.append(code)

    def rows_having(self, wanted: Mask, number: int) -> Mask:
        """Return which of `number` rows have a wanted value."""
        mask = np.zeros(number, bool)
        mask[self.rows.values[wanted[self.codes.values]]] = True
        return mask

    def keep(self, kept: Mask) -> None:
        """Drop the pairs that are not kept."""
        self.rows.keep(kept)
        self.codes.keep(kept)


class FacetPairs:
    """One facet: its values, and who has them: products as a whole, or variants where they differ in it."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.of_products = Pairs()
        self.of_variants = Pairs()
        self._codes: dict[str, int] = {}

    def code(self, value: str) -> int:
        """Return the number of a value, new or known."""
        code = self._codes.setdefault(value, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code

    def wanted(self, values: Iterable[str]) -> Mask:
        """Return by code which values are among these."""
        mask = np.zeros(len(self.values), bool)
        mask[[self._codes[value] for value in values if value in self._codes]] = True
        return mask


Values: TypeAlias = "Mapping[str, Sequence[str]]"


class VariantFacts(NamedTuple):
    """What is known of one variant: what it costs now (`NO_PRICE`: nothing yet), and its own values by facet."""

    sku: str
    price_minor: int
    options: Values


class ProductFacts(NamedTuple):
    """What is known of a product; without variants nobody finds it."""

    row: int
    published_ms: int
    attributes: Values
    variants: tuple[VariantFacts, ...]


class Columns:
    """All products by their row, all variants by theirs. A product keeps its row for good."""

    def __init__(self) -> None:
        self.facets: dict[str, FacetPairs] = {}
        self.product = Column(np.int32)
        self.price = Column(np.int64)
        self.available = Column(np.int64)
        self.alive = Column(np.bool_)
        self.published = Column(np.int64)
        self.order = Column(np.uint64)
        self.skus: list[str] = []
        self._variants_of: list[list[int]] = []
        self._rows_of_sku: dict[str, list[int]] = {}
        self._levels: dict[str, int] = {}
        self._dead = 0
        self.new_product(0)  # nobody's

    @property
    def products(self) -> int:
        """How many rows products have."""
        return len(self._variants_of)

    @property
    def variants(self) -> int:
        """How many rows variants have."""
        return len(self.skus)

    def new_product(self, order: int) -> int:
        """Return the row of a new product; `order` decides between equals, the same on every node."""
        self._variants_of.append([])
        self.published.append(0)
        self.order.append(order)
        return self.products - 1

    def put(self, batch: Sequence[ProductFacts]) -> None:
        """Replace what is known of these products, each of which is named once."""
        replaced = np.zeros(self.products, bool)
        replaced[[facts.row for facts in batch if self._variants_of[facts.row]]] = True
        if replaced.any():
            self._bury(replaced)
        for facts in batch:
            self.published.values[facts.row] = facts.published_ms
            self._variants_of[facts.row] = [self._add(facts.row, variant) for variant in facts.variants]
            for name, values in facts.attributes.items() if facts.variants else ():
                facet = self._facet(name)
                for value in dict.fromkeys(values):
                    facet.of_products.add(facts.row, facet.code(value))
        if self._dead > WASTE + self.variants // 2:
            self._compact()

    def _bury(self, products: Mask) -> None:
        for row in np.flatnonzero(products):
            for variant in self._variants_of[row]:
                self.alive.values[variant] = False
                self._rows_of_sku[self.skus[variant]].remove(variant)
            self._dead += len(self._variants_of[row])
        for facet in self.facets.values():
            rows = facet.of_products.rows.values
            rows[products[rows]] = NOBODY

    def _add(self, product: int, facts: VariantFacts) -> int:
        variant = self.variants
        self.skus.append(facts.sku)
        self.product.append(product)
        self.price.append(facts.price_minor)
        self.available.append(self._levels.get(facts.sku, 0))
        self.alive.append(facts.price_minor != NO_PRICE)
        self._rows_of_sku.setdefault(facts.sku, []).append(variant)
        for name, values in facts.options.items():
            facet = self._facet(name)
            for value in dict.fromkeys(values):
                facet.of_variants.add(variant, facet.code(value))
        return variant

    def _facet(self, name: str) -> FacetPairs:
        return self.facets.setdefault(name, FacetPairs())

    def set_level(self, sku: str, available: int) -> None:
        """Note how many units of a SKU can be bought, whether or not a product has it yet."""
        self._levels[sku] = available
        for variant in self._rows_of_sku.get(sku, ()):
            self.available.values[variant] = available

    def forget_level(self, sku: str) -> None:
        """Note that a SKU has no stock and no level any more."""
        self.set_level(sku, 0)
        del self._levels[sku]

    def variants_of(self, product: int) -> list[int]:
        """Return the rows of a product's variants, in the product's own order."""
        return self._variants_of[product]

    def _compact(self) -> None:
        kept = np.zeros(self.variants, bool)
        kept[[variant for variants in self._variants_of for variant in variants]] = True
        renumbered = np.cumsum(kept, dtype=np.int32) - np.int32(1)
        for facet in self.facets.values():
            facet.of_products.keep(facet.of_products.rows.values != NOBODY)
            facet.of_variants.keep(kept[facet.of_variants.rows.values])
            rows = facet.of_variants.rows.values
            rows[:] = renumbered[rows]
        for column in (self.product, self.price, self.available, self.alive):
            column.keep(kept)
        self.skus = [sku for sku, stays in zip(self.skus, kept, strict=True) if stays]
        self._variants_of = [[int(renumbered[row]) for row in rows] for rows in self._variants_of]
        self._rows_of_sku = {
            sku: [int(renumbered[row]) for row in rows] for sku, rows in self._rows_of_sku.items() if rows
        }
        self._dead = 0
