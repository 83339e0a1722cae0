"""One node's search index: products in, stock levels in, answers out.

Text is tantivy's (in memory, built anew from the topics), everything else is columns. A commit makes both current at
once, and an answer is computed without giving up control, so it is as of one position of each topic.

Decisions: docs/decisions, 057.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from consumers.search.analysis import indexed_words
from consumers.search.columns import NO_PRICE, Columns, ProductFacts, VariantFacts
from consumers.search.facets import scope_of
from consumers.search.interpret import Interpreter
from consumers.search.matching import TextIndex
from consumers.search.rules import SearchRules, alternatives_by_phrase, pins_by_phrase
from consumers.search.vocabulary import Vocabulary
from schemas.products import next_price_change_ms, price_at

if TYPE_CHECKING:
    from consumers.search.columns import Rows
    from consumers.search.facets import Scope
    from consumers.search.interpret import Slot
    from consumers.search.matching import Matches
    from schemas.messages import Product

PUBLISHED: Final = "published"
REMEMBERED_PRODUCTS: Final = 200_000
"""In what is found by texts that were asked for before, some 200 bytes each: most searches repeat what others look for."""
REMEMBERED_TEXT: Final = 20
"""Products that a text itself counts as."""


class Found(NamedTuple):
    """What a text finds, whatever is filtered by: its matches, and everything that those for sale have."""

    matches: Matches
    scope: Scope

    @property
    def cost(self) -> int:
        """How much room it takes, in products."""
        return REMEMBERED_TEXT + len(self.matches.rows)


class SearchIndex:
    """The products of one shop, whose prices are in one currency: those in another are not for sale in it.

    `put`, `remove` are collected and become visible with `commit`; `set_level` at once.
    """

    def __init__(self, currency: str, rules: SearchRules | None = None) -> None:
        rules = rules or SearchRules()
        self.currency = currency
        self.columns = Columns()
        self.vocabulary = Vocabulary()
        self.text = TextIndex(self.vocabulary)
        self.interpreter = Interpreter(self.vocabulary, alternatives_by_phrase(rules))
        self.pins = pins_by_phrase(rules)
        self.products: dict[int, Product] = {}
        self.row_of: dict[str, int] = {}
        self._words: dict[int, frozenset[str]] = {}
        self._pending: dict[str, Product | None] = {}
        self._price_changes: list[tuple[int, str, int]] = []
        self._everything: Scope | None = None
        self._found: OrderedDict[tuple[Slot, ...], Found] = OrderedDict()
        self._room = REMEMBERED_PRODUCTS

    def put(self, product: Product) -> None:
        """Take a product in, unless a newer version is known."""
        is_pending = product.product_id in self._pending
        known = self._pending[product.product_id] if is_pending else self._visible(product.product_id)
        if known is None or product.version >= known.version:
            self._pending[product.product_id] = product

    def remove(self, product_id: str) -> None:
        """Forget a product."""
        self._pending[product_id] = None

    def _visible(self, product_id: str) -> Product | None:
        return self.products.get(self.row_of.get(product_id, -1))

    def set_level(self, sku: str, available: int | None) -> None:
        """Note how many units of a SKU can be bought; None where it has no level any more."""
        if available is None:
            self.columns.forget_level(sku)
        else:
            self.columns.set_level(sku, available)

    def everything(self) -> Scope:
        """Return everything for sale."""
        if self._everything is None:
            self._everything = scope_of(self.columns, self.columns.sold())
        return self._everything

    def find(self, slots: tuple[Slot, ...], pinned: list[int]) -> Found:
        """Return what the slots of a text match, and in its scope what is pinned too."""
        found = self._found.get(slots)
        if found is None:
            matches = self.text.match(slots)
            found = Found(matches, self._for_sale(matches.rows))
            self._remember(slots, found)
        else:
            self._found.move_to_end(slots)
        if not pinned:
            return found
        return Found(found.matches, self._for_sale(np.union1d(found.matches.rows, np.array(pinned, np.int32))))

    def _for_sale(self, rows: Rows) -> Scope:
        return scope_of(self.columns, rows[self.columns.variants.count.values[rows] > 0])

    def _remember(self, slots: tuple[Slot, ...], found: Found) -> None:
        """Keep what was found until a commit; what was not asked for longest makes room."""
        self._found[slots] = found
        self._room -= found.cost
        while self._room < 0:
            self._room += self._found.popitem(last=False)[1].cost

    def _forget(self) -> None:
        self._found.clear()
        self._room, self._everything = REMEMBERED_PRODUCTS, None

    @property
    def pending(self) -> int:
        """How many products wait for a commit."""
        return len(self._pending)

    def due_ms(self) -> int | None:
        """Return when the next price begins (ms since the epoch, UTC): a commit must follow."""
        return self._price_changes[0][0] if self._price_changes else None

    def commit(self, now_ms: int, most: int = 1_000_000) -> None:
        """Make visible what was put, at most so many products of it, and the prices that have begun."""
        while self._price_changes and self._price_changes[0][0] <= now_ms:
            _, product_id, version = heapq.heappop(self._price_changes)
            product = self._visible(product_id)
            if product is not None and product.version == version:
                self._pending.setdefault(product_id, product)
        if not self._pending:
            return
        some = list(itertools.islice(self._pending.items(), most))
        changed = [(self._row(product_id), product) for product_id, product in some]
        for product_id, _ in some:
            del self._pending[product_id]
        self._forget()
        self.columns.put([self._facts(row, product, now_ms) for row, product in changed])
        for row, product in changed:
            self._index(row, product, now_ms)
        self.text.commit()

    def _row(self, product_id: str) -> int:
        row = self.row_of.get(product_id)
        if row is None:
            order = int.from_bytes(blake2b(product_id.encode(), digest_size=8).digest(), "big")
            row = self.row_of[product_id] = self.columns.new_product(order)
        return row

    def _facts(self, row: int, product: Product | None, now_ms: int) -> ProductFacts:
        if product is None or product.state != PUBLISHED or product.currency != self.currency:
            return ProductFacts(row, 0, {}, ())
        options: dict[str, dict[str, list[str]]] = {}
        for option in product.options:
            options.setdefault(option.sku, {}).setdefault(option.name, []).append(option.value)
        differing = {option.name for option in product.options}
        variants = []
        for variant in product.variants:
            price = price_at(product, variant.sku, now_ms)
            amount = NO_PRICE if price is None else price.amount_minor
            variants.append(VariantFacts(variant.sku, amount, options.get(variant.sku, {})))
        attributes = {name: values for name, values in attributes_of(product).items() if name not in differing}
        return ProductFacts(row, product.published_at_ms, attributes, tuple(variants))

    def _index(self, row: int, product: Product | None, now_ms: int) -> None:
        if row in self._words:
            self.vocabulary.remove(self._words.pop(row))
            self.text.remove(row)
        if product is None:
            self.products.pop(row, None)
            return
        self.products[row] = product
        if (change_ms := next_price_change_ms(product, now_ms)) is not None:
            heapq.heappush(self._price_changes, (change_ms, product.product_id, product.version))
        if product.state != PUBLISHED or product.currency != self.currency:
            return
        title = indexed_words(product.title)
        other = [word for text in _other_texts(product) for word in indexed_words(text)]
        body = [word for text in product.description for word in indexed_words(text)]
        self._words[row] = frozenset((*title, *other))
        self.vocabulary.add(self._words[row])
        self.text.add(row, title, other, body)


def attributes_of(product: Product) -> dict[str, list[str]]:
    """Return the values of a product by facet: its attributes, type, brand, and each level of its category."""
    values: dict[str, list[str]] = {}
    for attribute in product.attributes:
        values.setdefault(attribute.name, []).append(attribute.value)
    for name, value in (("type", product.product_type), ("brand", product.brand)):
        if value:
            values[name] = [value]
    names = [name for name in product.category.split("/") if name]
    if names:
        values["category"] = ["/".join(names[: depth + 1]) for depth in range(len(names))]
    return values


def _other_texts(product: Product) -> list[str]:
    return [
        product.product_type,
        product.brand,
        product.category,
        product.product_id,
        *(attribute.value for attribute in product.attributes),
        *(text for variant in product.variants for text in (variant.sku, variant.title)),
        *(option.value for option in product.options),
    ]
