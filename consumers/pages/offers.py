"""What search engines read: schema.org Product and Offer, made from the very view that people see. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.money import minor_units

if TYPE_CHECKING:
    from schemas.shop import ProductView, VariantView

_AVAILABILITY: Final = {
    "in_stock": "https://schema.org/InStock",
    "few": "https://schema.org/LimitedAvailability",
    "sold_out": "https://schema.org/SoldOut",
}


def linked_data(view: ProductView, base_url: str) -> dict[str, Any]:
    """Return the product as JSON-LD: one Offer, or a ProductGroup whose variants have one each."""
    about: dict[str, Any] = {
        "@context": "https://schema.org",
        "name": view.title,
        "url": f"{base_url}{view.url}",
        "image": f"{base_url}{view.tile}",
    }
    if view.description:
        about["description"] = " ".join(view.description)
    if view.brand:
        about["brand"] = {"@type": "Brand", "name": view.brand}
    if len(view.variants) == 1:
        (only,) = view.variants
        return about | {"@type": "Product", "sku": only.sku, "offers": _offer(view, only, base_url)}
    return about | {
        "@type": "ProductGroup",
        "productGroupID": view.product_id,
        "variesBy": sorted({name for variant in view.variants for name in variant.options}),
        "hasVariant": [_variant(view, variant, base_url) for variant in view.variants],
    }


def _variant(view: ProductView, variant: VariantView, base_url: str) -> dict[str, Any]:
    name = " ".join((view.title, variant.title or " ".join(variant.options.values()))).strip()
    properties = [{"@type": "PropertyValue", "name": name, "value": value} for name, value in variant.options.items()]
    return {
        "@type": "Product",
        "sku": variant.sku,
        "name": name,
        "additionalProperty": properties,
        "offers": _offer(view, variant, base_url),
    }


def _offer(view: ProductView, variant: VariantView, base_url: str) -> dict[str, Any]:
    return {
        "@type": "Offer",
        "url": f"{base_url}{view.url}",
        "price": decimal_price(variant.price_minor, view.currency),
        "priceCurrency": view.currency,
        "availability": _AVAILABILITY[variant.availability],
        "itemCondition": "https://schema.org/NewCondition",
    }


def decimal_price(amount_minor: int, currency: str) -> str:
    """Return an amount as schema.org wants it: digits with a point, without a currency: 12.34, or 500 in JPY."""
    digits = minor_units(currency)
    major, minor = divmod(amount_minor, 10**digits)
    return f"{major}.{minor:0{digits}}" if digits else str(major)
