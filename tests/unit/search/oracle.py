"""The same answers by looking at every product: slow, and short enough to be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from consumers.search.analysis import indexed_words, stem
from consumers.search.index import _other_texts, attributes_of
from consumers.search.interpret import Slot, Term
from schemas.messages import Product
from schemas.products import price_at
from schemas.search import SearchAnswer, SearchQuery


class Offer(NamedTuple):
    """One variant as a filter sees it."""

    product_id: str
    sku: str
    price: int
    available: bool
    values: dict[str, set[str]]


class Found(NamedTuple):
    """What a query should find."""

    lowest: dict[str, int]
    facets: dict[str, dict[str, int]]
    in_stock: int
    sold_out: int
    prices: list[tuple[str, int]]


def offers(product: Product, levels: dict[str, int], now_ms: int, currency: str) -> Iterator[Offer]:
    if product.state != "published" or product.currency != currency:
        return
    differing = {option.name for option in product.options}
    common = {name: set(values) for name, values in attributes_of(product).items() if name not in differing}
    for variant in product.variants:
        if (price := price_at(product, variant.sku, now_ms)) is not None:
            own: dict[str, set[str]] = {}
            for option in product.options:
                if option.sku == variant.sku:
                    own.setdefault(option.name, set()).add(option.value)
            sold = levels.get(variant.sku, 0) > 0
            yield Offer(product.product_id, variant.sku, price.amount_minor, sold, common | own)


def fills(product: Product, slot: Slot) -> bool:
    title = list(indexed_words(product.title))
    other = [word for text in _other_texts(product) for word in indexed_words(text)]
    body = [word for text in product.description for word in indexed_words(text)]

    def has(term: Term) -> bool:
        if term.is_prefix:
            return any(word.startswith(term.text) for word in title + other)
        return any(stem(word) == term.text for word in title + other + body)

    return any(all(map(has, alternative.terms)) for alternative in slot.alternatives)


def find(
    products: list[Product], levels: dict[str, int], query: SearchQuery, slots: tuple[Slot, ...], now_ms: int
) -> Found:
    shown = [product for product in products if product.state == "published" and product.currency == "GBP"]
    filled = {product.product_id: sum(fills(product, slot) for slot in slots) for product in shown}
    most = max(filled.values(), default=0)
    texts = [product for product in shown if filled[product.product_id] == most and (most or not query.text.strip())]
    every = [offer for product in texts for offer in offers(product, levels, now_ms, "GBP")]

    def chosen(offer: Offer, *, but: str = "") -> bool:
        return (
            all(offer.values.get(name, set()) & set(wanted) for name, wanted in query.filters.items() if name != but)
            and (but == "\0stock" or not query.in_stock or offer.available)
            and (but == "\0price" or query.price_from is None or offer.price >= query.price_from)
            and (but == "\0price" or query.price_to is None or offer.price < query.price_to)
        )

    matching = [offer for offer in every if chosen(offer)]
    lowest = {
        offer.product_id: min(other.price for other in matching if other.product_id == offer.product_id)
        for offer in matching
    }
    names = {name for offer in every for name in offer.values}
    facets = {}
    for name in names:
        pairs = {
            (offer.product_id, value)
            for offer in every
            if chosen(offer, but=name)
            for value in offer.values.get(name, ())
        }
        facets[name] = dict(Counter(value for _, value in pairs))
    others = [offer for offer in every if chosen(offer, but="\0stock")]
    in_stock = {offer.product_id for offer in others if offer.available}
    prices = sorted({(offer.product_id, offer.price) for offer in every if chosen(offer, but="\0price")})
    everything = {offer.product_id for offer in others}
    return Found(lowest, facets, len(in_stock), len(everything) - len(in_stock), prices)


def assert_found(answer: SearchAnswer, expected: Found) -> None:
    """Assert that an answer, of which all hits are on one page, is what a scan finds: hits, prices, every count."""
    assert {hit.product_id: hit.price_minor for hit in answer.hits} == expected.lowest
    assert answer.total == len(expected.lowest)
    counted = {
        facet.name: {value.value: value.count for value in facet.values if value.count} for facet in answer.facets
    }
    counted = {name: values for name, values in counted.items() if values}
    assert counted == {name: values for name, values in expected.facets.items() if values}
    assert (answer.in_stock, answer.sold_out) == (expected.in_stock, expected.sold_out)
    for some in answer.price_ranges:
        inside = {product_id for product_id, price in expected.prices if some.price_from <= price < some.price_to}
        assert some.count == len(inside)
    covered = {
        pair
        for pair in expected.prices
        if any(price_range.price_from <= pair[1] < price_range.price_to for price_range in answer.price_ranges)
    }
    assert covered == set(expected.prices)
