"""From a query to its answer, over one index. Pure: the index is read, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from consumers.search.analysis import stems_with_places, words
from consumers.search.facets import Selection
from schemas.search import MAX_PAGES, MAX_SIZE, Hit, SearchAnswer, SearchQuery, Suggestions
from schemas.shop import availability_of

if TYPE_CHECKING:
    from consumers.search.columns import Rows
    from consumers.search.facets import Offer
    from consumers.search.index import SearchIndex
    from consumers.search.interpret import Asked, Term
    from consumers.search.matching import Matches

SUGGESTED_QUERIES: Final = 6
SUGGESTED_PRODUCTS: Final = 5
SUGGESTED_CATEGORIES: Final = 3


def search(index: SearchIndex, query: SearchQuery) -> SearchAnswer:
    """Return the page of products that a query asks for, its facets, and how its text was understood."""
    asked = index.interpreter.interpret(query.text)
    pinned = _pinned_rows(index, query)
    found = index.find(asked.known, pinned) if asked.slots else None
    matches = found.matches if found else None
    selection = Selection(index.columns, query, found.scope if found else index.everything())
    size = min(max(query.size, 1), MAX_SIZE)
    page = min(max(query.page, 1), MAX_PAGES)
    ordered = _ordered(index, query, selection, matches, pinned=pinned, limit=page * size)
    total = len(selection.products)
    in_stock, sold_out = selection.availability()
    required = matches.required if matches else 0
    marker = Marker(asked.terms())
    places = ordered[(page - 1) * size :]
    hits = [
        _hit(index, row, offer, marker, pinned=row in pinned)
        for row, offer in zip(selection.rows_of(places), selection.offers(places), strict=True)
    ]
    if query.explain and matches is not None:
        scores = dict(zip(matches.rows.tolist(), matches.scores.tolist(), strict=True))
        hits = [_explained(index, hit, asked, required, scores) for hit in hits]
    return SearchAnswer(
        total=total,
        pages=min(MAX_PAGES, -(-total // size)),
        hits=tuple(hits),
        facets=selection.facets(),
        price_ranges=selection.price_ranges(),
        in_stock=in_stock,
        sold_out=sold_out,
        interpretation=asked.interpretation(required),
        suggestions=() if total else _instead(index, query),
    )


def _pinned_rows(index: SearchIndex, query: SearchQuery) -> list[int]:
    products = index.pins.get(tuple(words(query.text)), ()) if query.sort == "relevance" else ()
    return [index.row_of[product_id] for product_id in products if product_id in index.row_of]


def _ordered(
    index: SearchIndex,
    query: SearchQuery,
    selection: Selection,
    matches: Matches | None,
    *,
    pinned: list[int],
    limit: int,
) -> list[int]:
    """Return the first `limit` places of what is selected, in the order that is asked for; equals by their own order."""
    products = selection.products
    if not len(products):
        return []
    columns = index.columns
    if query.sort == "price":
        worth = -selection.lowest_prices().astype(np.float64)
    elif query.sort == "-price":
        worth = selection.lowest_prices().astype(np.float64)
    elif query.sort == "newest" or matches is None:
        worth = columns.published.values[products].astype(np.float64)
    else:
        scores = np.zeros(columns.products, np.float64)
        scores[matches.rows] = matches.scores
        scores[pinned[::-1]] = 1e9 + np.arange(len(pinned))
        worth = scores[products]
    return _best(selection.places, worth, columns.order.values[products], limit)


def _best(places: Rows, worth: Rows, order: Rows, limit: int) -> list[int]:
    if len(places) > limit:
        least = -np.partition(-worth, limit - 1)[limit - 1]
        above = np.flatnonzero(worth > least)
        equal = np.flatnonzero(worth == least)
        needed = limit - len(above)
        if len(equal) > needed:
            equal = equal[np.argpartition(order[equal], needed - 1)[:needed]]
        chosen = np.concatenate([above, equal])
        places, worth, order = places[chosen], worth[chosen], order[chosen]
    best: list[int] = places[np.lexsort((order, -worth))].tolist()
    return best


def _hit(index: SearchIndex, row: int, offer: Offer, marker: Marker, *, pinned: bool) -> Hit:
    product = index.products[row]
    return Hit(
        product_id=product.product_id,
        slug=product.slug,
        title=product.title,
        sku=index.columns.skus[offer.variant],
        price_minor=offer.price_minor,
        currency=product.currency,
        availability=availability_of(offer.most_available),
        product_type=product.product_type,
        attributes=tuple([(attribute.name, attribute.value) for attribute in product.attributes]),
        variants=offer.variants,
        marks=marker.marks(product.title),
        pinned=pinned,
    )


class Marker:
    """Finds the words of titles that a query means."""

    def __init__(self, terms: list[Term]) -> None:
        self._stems = frozenset(term.text for term in terms if not term.is_prefix)
        self._prefixes = tuple(term.text for term in terms if term.is_prefix)

    def marks(self, title: str) -> tuple[tuple[int, int], ...]:
        """Return the (start, end) characters of the words that are meant."""
        if not self._stems and not self._prefixes:
            return ()
        return tuple(
            [
                (start, end)
                for word, stemmed, start, end in stems_with_places(title)
                if stemmed in self._stems or word.startswith(self._prefixes)
            ]
        )


def _explained(index: SearchIndex, hit: Hit, asked: Asked, required: int, scores: dict[int, float]) -> Hit:
    row = index.row_of[hit.product_id]
    if row not in scores:
        return hit
    explanation = msgspec.Raw(index.text.explain(asked.known, required, row).encode())
    return msgspec.structs.replace(hit, score=round(scores[row], 4), explanation=explanation)


def _instead(index: SearchIndex, query: SearchQuery) -> tuple[str, ...]:
    """Return texts to look for where nothing was found: the same without filters, or without its last words."""
    asked = index.interpreter.interpret(query.text)
    known = [" ".join(slot.words) for slot in asked.known]
    shorter = [" ".join(known[:length]) for length in range(len(known), 0, -1)]
    if known and not asked.corrected and len(known) == len(asked.slots):
        shorter = shorter[1:] + [word for word in known if len(known) > 1]
    return tuple(dict.fromkeys(shorter))[:SUGGESTED_QUERIES]


def suggest(index: SearchIndex, text: str) -> Suggestions:
    """Return what a text that is being typed may become: whole queries, categories, and the best products."""
    asked = words(text)
    if not asked:
        return Suggestions(queries=(), categories=(), products=())
    answer = search(index, SearchQuery(text=text, size=SUGGESTED_PRODUCTS))
    begun = asked[-1]
    ends = index.vocabulary.completions(begun, SUGGESTED_QUERIES) if not text[-1:].isspace() else []
    category = next((facet for facet in answer.facets if facet.name == "category"), None)
    return Suggestions(
        queries=tuple(" ".join([*asked[:-1], end]) for end in ends),
        categories=tuple(value.value for value in category.values[:SUGGESTED_CATEGORIES]) if category else (),
        products=answer.hits,
    )


def counts_of(index: SearchIndex, name: str) -> dict[str, int]:
    """Return how many products there are for each value of a facet, without any filter."""
    selection = Selection(index.columns, SearchQuery(), index.everything())
    return selection.counts_of(name)


def kind_of(index: SearchIndex, product_id: str) -> dict[str, tuple[str, ...]]:
    """Return the filter that finds products of the same type, or of the same category where it has no type."""
    product = index.products.get(index.row_of.get(product_id, -1))
    if product is None:
        return {}
    kind = {"type": product.product_type, "category": product.category.strip("/")}
    return next(({name: (value,)} for name, value in kind.items() if value), {})
