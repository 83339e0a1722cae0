"""The address of a search is its whole state: from a query string to a query, and back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from schemas.search import MAX_PAGES, SORTS, SearchQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

FACET: Final = "f."
MAX_FILTERS: Final = 50


def read_query(pairs: Sequence[tuple[str, str]], *, size: int = 24) -> SearchQuery:
    """Return the query that an address names; what cannot be meant is left out, as links live longer than shops."""
    single = dict(pairs)
    filters: dict[str, tuple[str, ...]] = {}
    for name, value in pairs[:MAX_FILTERS]:
        if name.startswith(FACET) and value:
            facet = name.removeprefix(FACET)
            filters[facet] = tuple(dict.fromkeys((*filters.get(facet, ()), value)))
    low, _, high = single.get("price", "").partition("-")
    sort = single.get("sort", "")
    return SearchQuery(
        text=single.get("q", ""),
        filters=filters,
        in_stock=single.get("in_stock") == "1",
        price_from=_number(low),
        price_to=_number(high),
        sort=next((known for known in SORTS if known == sort), "relevance"),
        page=min(max(_number(single.get("page", "")) or 1, 1), MAX_PAGES),
        size=size,
        explain=single.get("explain") == "1",
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None  # noqa: PLR2004  any price fits


def address_of(path: str, query: SearchQuery, **changes: object) -> str:
    """Return the address of a query, with `page` and other changes; what is as usual is left out."""
    fields = {name: getattr(query, name) for name in query.__struct_fields__} | changes
    pairs: list[tuple[str, object]] = [("q", fields["text"])] if fields["text"] else []
    pairs += [(f"{FACET}{name}", value) for name, values in fields["filters"].items() for value in values]
    if fields["in_stock"]:
        pairs.append(("in_stock", 1))
    if fields["price_from"] is not None or fields["price_to"] is not None:
        pairs.append(("price", price_text(fields["price_from"], fields["price_to"])))
    if fields["sort"] != "relevance":
        pairs.append(("sort", fields["sort"]))
    if fields["page"] != 1:
        pairs.append(("page", fields["page"]))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def price_text(low: int | None, high: int | None) -> str:
    """Return a price range as an address has it: 500-1000, in minor units."""
    return f"{'' if low is None else low}-{'' if high is None else high}"
