"""From a product and its levels to what people see, as data. Pure: the HTML page, the JSON and the offer are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.pages.tiles import tile_address
from schemas.money import format_minor
from schemas.products import price_at, slugify
from schemas.shop import FEW, MAX_AGE_MS, UNKNOWN_LEVEL, Crumb, ProductView, VariantView, availability_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.messages import Product
    from schemas.shop import Availability, Level


def is_brief(level: Level) -> bool:
    """Return whether a level may be gone before a page in a cache is: few units, or as many as half a minute sells twice."""
    return 0 < level.available <= max(FEW, 2 * level.fall)


def best(availabilities: list[Availability]) -> Availability:
    """Return what can be said of a product by its variants."""
    return next((each for each in ("in_stock", "few") if each in availabilities), "sold_out")


def view_of(product: Product, levels: Mapping[str, Level], *, at_ms: int, age_ms: int | None) -> ProductView:
    """Return what people see of a product at a moment (ms since the epoch, UTC).

    `age_ms` is how long ago the levels were known to be right (None: unknown): only up to 1.2 s are units shown.
    """
    variants = tuple(
        _variant(product, variant.sku, variant.title, levels.get(variant.sku, UNKNOWN_LEVEL), at_ms, age_ms)
        for variant in product.variants
        if price_at(product, variant.sku, at_ms) is not None
    )
    prices = sorted({variant.price_minor for variant in variants})
    attributes: dict[str, tuple[str, ...]] = {}
    for attribute in product.attributes:
        attributes[attribute.name] = (*attributes.get(attribute.name, ()), attribute.value)
    known = {variant.sku: levels[variant.sku] for variant in product.variants if variant.sku in levels}
    return ProductView(
        product_id=product.product_id,
        version=product.version,
        slug=product.slug,
        url=f"/p/{product.slug}",
        title=product.title,
        description=product.description,
        product_type=product.product_type,
        crumbs=crumbs_of(product.category),
        brand=product.brand,
        attributes=attributes,
        currency=product.currency,
        variants=variants,
        price_from_minor=prices[0] if prices else 0,
        price_from=format_minor(prices[0], product.currency) if prices else "",
        price_differs=len(prices) > 1,
        availability=best([variant.availability for variant in variants]),
        tile=tile_address(product.product_type, attributes.get("colour", ())),
        position={sku: f"{level.partition}/{level.offset}" for sku, level in known.items()},
    )


def _variant(product: Product, sku: str, title: str, level: Level, at_ms: int, age_ms: int | None) -> VariantView:  # noqa: PLR0917
    price = price_at(product, sku, at_ms)
    if price is None:
        raise ValueError(f"{sku} has no price at {at_ms}")
    is_fresh = age_ms is not None and age_ms <= MAX_AGE_MS
    return VariantView(
        sku=sku,
        title=title,
        options={option.name: option.value for option in product.options if option.sku == sku},
        price_minor=price.amount_minor,
        price=format_minor(price.amount_minor, product.currency),
        before_minor=price.before_minor,
        before="" if price.before_minor is None else format_minor(price.before_minor, product.currency),
        availability=availability_of(level.available),
        available=max(0, level.available) if is_fresh else None,
    )


def crumbs_of(category: str) -> tuple[Crumb, ...]:
    """Return the levels of a category's path with the addresses of their pages."""
    names = [name for name in category.split("/") if name]
    return tuple(Crumb(name, slugify(" ".join(names[: depth + 1]))) for depth, name in enumerate(names))
