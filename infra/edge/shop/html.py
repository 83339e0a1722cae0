"""From views and answers to HTML. Everything is escaped by the templates' engine; nothing here makes markup of a text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from consumers.pages.offers import linked_data
from consumers.pages.tiles import tile_address
from schemas.money import format_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.search import Hit
    from schemas.shop import ProductView, Related

LABELS: Final = {"in_stock": "In stock", "few": "Only a few left", "sold_out": "Sold out"}
SORTS: Final = (
    ("relevance", "Relevance"),
    ("price", "Price, low to high"),
    ("-price", "Price, high to low"),
    ("newest", "Newest"),
)

_environment: Final = Environment(
    loader=PackageLoader("infra.edge.shop"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(labels=LABELS, sorts=SORTS, product_count="", query_text="", categories=())


def render(template: str, **values: Any) -> bytes:
    """Return a page as UTF-8. Raises jinja2.UndefinedError for a value that the template needs and does not get."""
    return _environment.get_template(template).render(**values).encode()


def marked(title: str, marks: Iterable[tuple[int, int]]) -> Markup:
    """Return a title in which the (start, end) characters that match are marked."""
    parts, at = [], 0
    for start, end in marks:
        parts += [escape(title[at:start]), Markup("<mark>"), escape(title[start:end]), Markup("</mark>")]
        at = end
    return Markup("").join([*parts, escape(title[at:])])


def cards(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return what the template of a list of products shows of hits."""
    return [
        {
            "slug": hit.slug,
            "tile": tile_address(hit.product_type, [value for name, value in hit.attributes if name == "colour"]),
            "marked": marked(hit.title, hit.marks),
            "price": format_minor(hit.price_minor, hit.currency),
            "variants": hit.variants,
            "availability": hit.availability,
            "reason": "",
        }
        for hit in hits
    ]


def related_cards(related: Sequence[Related]) -> list[dict[str, Any]]:
    """Return the same of recommended products."""
    return [
        {
            "slug": each.slug,
            "tile": each.tile,
            "marked": each.title,
            "price": each.price,
            "variants": 1,
            "availability": each.availability,
            "reason": each.reason,
        }
        for each in related
    ]


def json_ld(view: ProductView, base_url: str) -> Markup:
    """Return a product's linked data as the text of a script element: no `<` in it, so no text can end the element."""
    return Markup(json.dumps(linked_data(view, base_url), ensure_ascii=False).replace("<", "\\u003c"))  # noqa: S704  JSON


def product_page(view: ProductView, base_url: str, categories: Sequence[Any], *, archived: bool) -> bytes:
    """Return the page of a product. No number of units is on it: caches keep it for longer than numbers are true."""
    return render(
        "product.html",
        view=view,
        archived=archived,
        numbers=False,
        base_url=base_url,
        linked_data=json_ld(view, base_url),
        categories=categories,
    )
