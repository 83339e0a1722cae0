"""What is asked of a search node, and what it answers: the shapes behind every interface to it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from schemas.shop import Availability

Sort: TypeAlias = Literal["relevance", "price", "-price", "newest"]
SORTS: Final[tuple[Sort, ...]] = ("relevance", "price", "-price", "newest")
MAX_SIZE: Final = 100
MAX_PAGES: Final = 500
MAX_QUERY_CHARACTERS: Final = 200


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks for.

    `filters` maps the name of a facet to the values of which one must hold; between facets all must. Prices are in
    minor units of the shop's currency: from `price_from` on, below `price_to`. `page` counts from 1.
    """

    text: str = ""
    filters: dict[str, tuple[str, ...]] = {}
    in_stock: bool = False
    price_from: int | None = None
    price_to: int | None = None
    sort: Sort = "relevance"
    page: int = 1
    size: int = 24
    explain: bool = False


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One product that was found, as its best matching variant has it.

    `price_minor` is the lowest price of a variant that meets every filter and `sku` that variant; `availability` is the best
    of those. `marks` are the (start, end) characters of the title that match.
    """

    product_id: str
    slug: str
    title: str
    sku: str
    price_minor: int
    currency: str
    availability: Availability
    product_type: str
    attributes: tuple[tuple[str, str], ...]
    variants: int
    marks: tuple[tuple[int, int], ...] = ()
    pinned: bool = False
    score: float = 0.0
    explanation: msgspec.Raw | None = None


class FacetValue(msgspec.Struct, frozen=True):
    """So many products are found if this value is the only one chosen in its facet."""

    value: str
    count: int
    chosen: bool = False


class Facet(msgspec.Struct, frozen=True):
    """The values of one property among what is found, most frequent first; `values_left` were left off."""

    name: str
    values: tuple[FacetValue, ...]
    values_left: int = 0


class PriceRange(msgspec.Struct, frozen=True):
    """So many products are found with a price from `price_from` on, below `price_to` (minor units)."""

    price_from: int
    price_to: int
    count: int


class Interpretation(msgspec.Struct, frozen=True, kw_only=True):
    """How a text was understood: what each word stands for, and what was given up to find anything.

    `corrected` maps a word that nobody uses to those that were looked for instead; `unknown` words were left out;
    `required` of `words` words were enough.
    """

    words: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    corrected: dict[str, tuple[str, ...]] = {}
    unknown: tuple[str, ...] = ()
    required: int = 0


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `position` is up to where the node had read each topic: {topic: {partition: next offset}}."""

    total: int
    pages: int
    hits: tuple[Hit, ...]
    facets: tuple[Facet, ...]
    price_ranges: tuple[PriceRange, ...]
    in_stock: int
    sold_out: int
    interpretation: Interpretation
    suggestions: tuple[str, ...] = ()
    position: dict[str, dict[int, int]] = {}


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """What a text that is being typed may become."""

    queries: tuple[str, ...]
    categories: tuple[str, ...]
    products: tuple[Hit, ...]
