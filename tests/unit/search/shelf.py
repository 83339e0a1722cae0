"""Products to search in, made short."""

from __future__ import annotations

from schemas.messages import Attribute, Price, Product, Variant, VariantOption
from schemas.products import slug_of

NOW = 1_790_000_000_000


def product(
    product_id: str,
    title: str,
    *,
    price: int | None = 100,
    variants: dict[str, dict[str, str]] | None = None,
    prices: dict[str, int] | None = None,
    attributes: dict[str, list[str]] | None = None,
    version: int = 1,
    state: str = "published",
    product_type: str = "",
    brand: str = "",
    category: str = "",
    currency: str = "GBP",
    description: tuple[str, ...] = (),
    published_at_ms: int = NOW,
) -> Product:
    """Return a product; without `variants` it has one, whose SKU is the product's id."""
    options = variants or {product_id: {}}
    amounts = prices if prices is not None else {} if price is None else dict.fromkeys(options, price)
    return Product(
        product_id=product_id,
        version=version,
        state=state,
        title=title,
        description=description,
        product_type=product_type,
        category=category,
        brand=brand,
        slug=slug_of(title, product_id),
        currency=currency,
        attributes=tuple(Attribute(name, value) for name, values in (attributes or {}).items() for value in values),
        variants=tuple(Variant(sku, "") for sku in options),
        options=tuple(VariantOption(sku, *pair) for sku, pairs in options.items() for pair in pairs.items()),
        prices=tuple(Price(sku, amount, NOW - 1000) for sku, amount in sorted(amounts.items())),
        published_at_ms=published_at_ms,
        updated_at_ms=NOW,
    )
