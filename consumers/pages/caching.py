"""How long a page of a product may be kept, and what distinguishes two of them (RFC 9111, RFC 5861). Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from consumers.pages.view import is_brief
from schemas.products import next_price_change_ms
from schemas.shop import BRIEF_MAX_AGE_S, CALM_MAX_AGE_S, STALE_IF_ERROR_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.messages import Product
    from schemas.shop import Level, ProductView


def cache_control(product: Product, levels: Mapping[str, Level], at_ms: int) -> str:
    """Return how long a page may be kept: 1 s where a variant may be gone soon, else 30 s, never past a change of price.

    What may be shown while it is looked up anew is bounded the same way; while the origin fails, up to a minute.
    """
    brief = any(is_brief(levels[variant.sku]) for variant in product.variants if variant.sku in levels)
    change_ms = next_price_change_ms(product, at_ms)
    left_s = CALM_MAX_AGE_S if change_ms is None else max(0, (change_ms - at_ms) // 1000)
    if brief or left_s < CALM_MAX_AGE_S:
        return f"public, max-age={min(BRIEF_MAX_AGE_S if brief else CALM_MAX_AGE_S, left_s)}, stale-if-error={STALE_IF_ERROR_S}"
    return (
        f"public, max-age={CALM_MAX_AGE_S}, stale-while-revalidate={CALM_MAX_AGE_S}, stale-if-error={STALE_IF_ERROR_S}"
    )


def etag_of(view: ProductView) -> str:
    """Return what two pages of a product differ in: its version, prices, what can be bought and how many are shown."""
    shown = [
        (variant.sku, variant.price_minor, variant.before_minor, variant.availability, variant.available)
        for variant in view.variants
    ]
    digest = blake2b(repr((view.product_id, view.version, shown)).encode(), digest_size=9).hexdigest()
    return f'W/"{digest}"'


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Return whether the asker has this page already (RFC 9110, 13.1.2: weak comparison)."""
    if not if_none_match:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
