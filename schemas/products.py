"""What follows from a product alone: its address, and what it costs at a moment. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.errors import UnknownCurrencyError
from schemas.limits import MAX_ITEMS, MAX_TEXT, MAX_TEXT_BYTES
from schemas.money import minor_units
from schemas.texts import find_identifier_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.messages import Price, Product, PutProduct

DAY_MS: Final = 24 * 60 * 60 * 1000
LOWEST_PRICE_MS: Final = 30 * DAY_MS
"""A reduced price is shown beside the lowest of so long before the reduction (Directive 98/6/EC, article 6a)."""
MAX_SLUG: Final = 80
MAX_LISTS: Final = {
    field: MAX_ITEMS[f"PutProduct.{field}"] for field in ("description", "attributes", "variants", "options")
}
MAX_PRICES: Final = MAX_ITEMS["Product.prices"]
"""Prices of one product, past and future: all of them are in one record."""

_is_product_id: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch
_NOT_IN_A_SLUG: Final = re.compile(r"[^a-z0-9]+")


class PriceNow(NamedTuple):
    """What one unit costs, in minor units, since `from_ms`.

    `before_minor` is the lowest price of the 30 days before a reduction, None where the price is no reduction.
    """

    amount_minor: int
    from_ms: int
    before_minor: int | None


def is_product_id(text: str) -> bool:
    """Return whether a text can be a product's id: it is part of an address, so only characters that need no escape."""
    return _is_product_id(text) is not None


def is_currency(text: str) -> bool:
    """Return whether a text is an ISO 4217 code of a currency with a minor unit."""
    try:
        minor_units(text)
    except UnknownCurrencyError:
        return False
    return True


def slugify(text: str) -> str:
    """Return the readable part of an address: ASCII lower case, digits and single hyphens, at most 80 characters."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_A_SLUG.sub("-", folded)[:MAX_SLUG].strip("-")


def slug_of(text: str, product_id: str) -> str:
    """Return the address of a product below /p/: what people read, `_`, and the id that no other product has.

    The id alone finds the product, so no two addresses collide and an old one is redirected for ever.
    """
    return f"{slugify(text)}_{product_id}"


def product_id_in(slug: str) -> str | None:
    """Return the id of the product that a present or former address names; None where it can be none."""
    _, separator, product_id = slug.partition("_")
    return product_id if separator and is_product_id(product_id) else None


def price_at(product: Product, sku: str, at_ms: int) -> PriceNow | None:
    """Return what a SKU costs at a moment (ms since the epoch, UTC); None where it has no price yet."""
    prices = [price for price in product.prices if price.sku == sku and price.from_ms <= at_ms]
    if not prices:
        return None
    now = prices[-1]
    if len(prices) == 1 or prices[-2].amount_minor <= now.amount_minor:
        return PriceNow(now.amount_minor, now.from_ms, None)
    return PriceNow(now.amount_minor, now.from_ms, lowest_between(prices, now.from_ms - LOWEST_PRICE_MS, now.from_ms))


def lowest_between(prices: Iterable[Price], from_ms: int, until_ms: int) -> int:
    """Return the lowest price in force at any moment of [from_ms, until_ms) among one SKU's prices, in order of time.

    Raises ValueError where none was.
    """
    ordered = list(prices)
    ends = [price.from_ms for price in ordered[1:]] + [until_ms]
    return min(
        price.amount_minor
        for price, end_ms in zip(ordered, ends, strict=True)
        if end_ms > from_ms and price.from_ms < until_ms
    )


def next_price_change_ms(product: Product, at_ms: int) -> int | None:
    """Return when the next of the product's prices begins, after `at_ms`; None where none is to come."""
    return min((price.from_ms for price in product.prices if price.from_ms > at_ms), default=None)


def kept_prices(prices: Iterable[Price], at_ms: int) -> tuple[Price, ...]:
    """Return the prices that are still needed at `at_ms`, sorted by SKU and moment.

    Needed are those to come, the present ones, and those that were in force in the 30 days before now or before the
    present price began: the first to account for them, the second to name the lowest before a reduction.
    """
    by_sku: dict[str, list[Price]] = {}
    for price in sorted(prices, key=lambda price: (price.sku, price.from_ms)):
        by_sku.setdefault(price.sku, []).append(price)
    return tuple(price for own in by_sku.values() for price in _kept(own, at_ms))


def _kept(prices: list[Price], at_ms: int) -> list[Price]:
    present = max((index for index, price in enumerate(prices) if price.from_ms <= at_ms), default=0)
    horizon_ms = min(at_ms, prices[present].from_ms) - LOWEST_PRICE_MS
    first = next((index for index in range(present) if prices[index + 1].from_ms > horizon_ms), present)
    return prices[first:]


def find_faults(put: PutProduct) -> list[str]:
    """Return everything that is wrong with what shall be known of a product, each for people; nothing where it is sound.

    Publishers refuse it before they publish, the catalogue when it decides.
    """
    skus = [variant.sku for variant in put.variants]
    known = set(skus)
    faults = []
    if not is_product_id(put.product_id):
        faults.append(
            f"product_id is {put.product_id[:64]!r}; give 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first"
        )
    if not is_currency(put.currency):
        faults.append(f"currency is {put.currency[:16]!r}; give three capital letters of ISO 4217, such as GBP")
    for field, most in MAX_LISTS.items():
        if len(items := getattr(put, field)) > most:
            faults.append(f"{field} has {len(items)} items; give at most {most}")
    if not skus:
        faults.append("there is no variant; give at least one, with its SKU")
    faults += [f"the SKU {sku!r} occurs twice" for sku in sorted(known) if skus.count(sku) > 1]
    faults += [f"an option names the SKU {sku!r}, which no variant has" for sku in _strangers(put, known)]
    faults += [f"the SKU {sku[:40]!r} {fault}" for sku in skus if (fault := find_identifier_fault(sku)) is not None]
    texts = [("title", put.title, 1)]
    texts += [(name, getattr(put, name), 0) for name in ("product_type", "category", "brand", "slug")]
    texts += [(f"a paragraph of {len(put.description)}", text, 1) for text in put.description]
    texts += [("a variant's title", variant.title, 0) for variant in put.variants]
    pairs = [(pair.name, pair.value) for pair in put.attributes] + [(pair.name, pair.value) for pair in put.options]
    for name, value in pairs:
        texts += [("the name of an attribute", name, 1), (f"the value of {name[:40]!r}", value, 1)]
    return faults + [fault for name, text, least in texts if (fault := _fault_of_text(name, text, least))]


def _strangers(put: PutProduct, known: set[str]) -> list[str]:
    return sorted({option.sku for option in put.options} - known)


def _fault_of_text(name: str, text: str, least: int) -> str | None:
    most = MAX_TEXT_BYTES if name.startswith("a paragraph") else MAX_TEXT
    if len(text) < least:
        return f"{name} is empty"
    if len(text.encode(errors="replace")) > most * (1 if most == MAX_TEXT_BYTES else 4) or len(text) > most:
        return f"{name} is {len(text)} characters long; give at most {most}"
    if not text.isprintable():
        return f"{name} is {text[:40]!r}; it holds a character that cannot be printed"
    if text != text.strip():
        return f"{name} is {text[:40]!r}; leave out the white space around it"
    if text != unicodedata.normalize("NFC", text):
        return f"{name} is {text[:40]!r}, which is not composed (Unicode NFC)"
    return None
