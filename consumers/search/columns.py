"""Everything about products that is no text, as columns: filters and facets are operations on whole arrays.

The unit is the variant, because a product that has size S sold out and size L in stock must not be found by "S, in
stock". What belongs to one product or variant stands together, so what some products have is gathered by ranges; what is
replaced is left behind, and dropped once it is half of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Values: TypeAlias = Mapping[str, Sequence[str]]

Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[Any]
"""Row numbers, codes or counts: integers of whatever width."""
NO_PRICE: Final = -1
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


class Ranges:
    """To each row of something a run of rows of something else: `start` and `count`."""

    def __init__(self) -> None:
        self.start = Column(np.int32)
        self.count = Column(np.int32)

    def of(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the rows that all of `rows` have, and beside each the place in `rows` of whom it belongs to."""
        counts = self.count.values[rows]
        owners = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
        ends = np.cumsum(counts)
        within = np.arange(len(owners), dtype=np.int32) - np.repeat(ends - counts, counts)
        return self.start.values[rows][owners] + within, owners


class Codes:
    """A number for each value of each facet."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.facet = Column(np.int32)
        self.values: list[str] = []
        self._codes: dict[tuple[str, str], int] = {}
        self._numbers: dict[str, int] = {}

    def of(self, name: str, value: str) -> int:
        """Return the number of a value, new or known."""
        code = self._codes.setdefault((name, value), len(self.values))
        if code == len(self.values):
            self.values.append(value)
            number = self._numbers.setdefault(name, len(self.names))
            if number == len(self.names):
                self.names.append(name)
            self.facet.append(number)
        return code

    def all_of(self, values: Values) -> Iterator[int]:
        """Yield the number of each value, once."""
        for name, some in values.items():
            for value in dict.fromkeys(some):
                yield self.of(name, value)

    def wanted(self, name: str, values: Iterable[str]) -> Mask:
        """Return by number which values are among these of a facet."""
        mask = np.zeros(len(self.values), bool)
        mask[[self._codes[name, value] for value in values if (name, value) in self._codes]] = True
        return mask


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
    """All products by their row, which they keep for good, and all variants by theirs, which change."""

    def __init__(self) -> None:
        self.codes = Codes()
        self.published = Column(np.int64)
        self.order = Column(np.uint64)
        self._facts: list[ProductFacts | None] = []
        self._levels: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        """Start with no variants; the products and their facts stay."""
        self.variants = Ranges()
        self.attributes = Ranges()
        self.attribute_codes = Column(np.int32)
        self.options = Ranges()
        self.option_codes = Column(np.int32)
        self.price = Column(np.int64)
        self.available = Column(np.int64)
        self.skus: list[str] = []
        self._rows_of_sku: dict[str, list[int]] = {}
        self._dead = 0
        self._sold: Rows | None = None
        for _ in self._facts:
            self._append_ranges()

    def _append_ranges(self) -> None:
        for ranges in (self.variants, self.attributes):
            ranges.start.append(0)
            ranges.count.append(0)

    @property
    def products(self) -> int:
        """How many rows products have."""
        return len(self._facts)

    def new_product(self, order: int) -> int:
        """Return the row of a new product; `order` decides between equals, the same on every node."""
        self._facts.append(None)
        self._append_ranges()
        self.published.append(0)
        self.order.append(order)
        return self.products - 1

    def put(self, batch: Iterable[ProductFacts]) -> None:
        """Replace what is known of these products."""
        self._sold = None
        for facts in batch:
            for variant in self.variants_of(facts.row):
                self._rows_of_sku[self.skus[variant]].remove(variant)
                self._dead += 1
            self._facts[facts.row] = facts
            self._place(facts)
        if self._dead > WASTE + len(self.skus) // 2:
            self._begin()
            for known in self._facts:
                if known is not None:
                    self._place(known)

    def _place(self, facts: ProductFacts) -> None:
        row = facts.row
        self.published.values[row] = facts.published_ms
        priced = [variant for variant in facts.variants if variant.price_minor != NO_PRICE]
        self.variants.start.values[row], self.variants.count.values[row] = len(self.skus), len(priced)
        for variant in priced:
            self._place_variant(variant)
        self.attributes.start.values[row] = len(self.attribute_codes)
        for code in self.codes.all_of(facts.attributes):
            self.attribute_codes.append(code)
        self.attributes.count.values[row] = len(self.attribute_codes) - self.attributes.start.values[row]

    def _place_variant(self, facts: VariantFacts) -> None:
        self._rows_of_sku.setdefault(facts.sku, []).append(len(self.skus))
        self.skus.append(facts.sku)
        self.price.append(facts.price_minor)
        self.available.append(self._levels.get(facts.sku, 0))
        self.options.start.append(len(self.option_codes))
        for code in self.codes.all_of(facts.options):
            self.option_codes.append(code)
        self.options.count.append(len(self.option_codes) - int(self.options.start.values[-1]))

    def set_level(self, sku: str, available: int) -> None:
        """Note how many units of a SKU can be bought, whether or not a product has it yet."""
        self._levels[sku] = available
        for variant in self._rows_of_sku.get(sku, ()):
            self.available.values[variant] = available

    def forget_level(self, sku: str) -> None:
        """Note that a SKU has no stock and no level any more."""
        self.set_level(sku, 0)
        del self._levels[sku]

    def variants_of(self, product: int) -> range:
        """Return the rows of the variants of a product that have a price, in the product's own order."""
        start = int(self.variants.start.values[product])
        return range(start, start + int(self.variants.count.values[product]))

    def sold(self) -> Rows:
        """Return the rows of all products that have a variant with a price."""
        if self._sold is None:
            self._sold = np.flatnonzero(self.variants.count.values).astype(np.int32)
        return self._sold
