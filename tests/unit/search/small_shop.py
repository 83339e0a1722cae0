"""Three products, an index over them, and what is found in it."""

from __future__ import annotations

from consumers.search.answering import search
from consumers.search.index import SearchIndex
from consumers.search.rules import SearchRules
from schemas.messages import Product
from schemas.search import SearchAnswer, SearchQuery
from tests.unit.search.shelf import NOW, product


def shop(*products: Product, rules: SearchRules | None = None, levels: dict[str, int] | None = None) -> SearchIndex:
    index = SearchIndex("GBP", rules)
    for one in products:
        index.put(one)
    index.commit(NOW)
    for sku, available in (levels or {}).items():
        index.set_level(sku, available)
    return index


def ids_of_hits(index: SearchIndex, text: str, **query: object) -> list[str]:
    return [hit.product_id for hit in search(index, SearchQuery(text=text, **query)).hits]  # type: ignore[arg-type]


def values(answer: SearchAnswer, name: str) -> dict[str, int]:
    return {value.value: value.count for facet in answer.facets if facet.name == name for value in facet.values}


MUG = product("M", "Red Retrospot Mug")


LIGHT = product("T", "White Hanging Heart T-Light Holder")


CLOTH = product("C", "Paisley Tablecloth")
