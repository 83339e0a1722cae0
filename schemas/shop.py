"""What the shop shows: the shapes of its pages as JSON, and the levels behind them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Availability: TypeAlias = Literal["in_stock", "few", "sold_out"]
FEW: Final = 10
"""Units up to which a page says that there are only a few."""
MAX_AGE_MS: Final = 1_200
"""A number of units is shown only while it is known to have been right so long ago or later."""
CALM_MAX_AGE_S: Final = 30
BRIEF_MAX_AGE_S: Final = 1
STALE_IF_ERROR_S: Final = 60


class Level(msgspec.Struct, frozen=True, array_like=True):
    """How many units of a SKU could be bought at a position of stock.levels; `fall` is by how many it fell in 30 s."""

    available: int
    partition: int = -1
    offset: int = -1
    fall: int = 0


UNKNOWN_LEVEL: Final = Level(0)
"""A SKU of which no level was ever published has no stock."""


def availability_of(available: int) -> Availability:
    """Return what a number of units means to a buyer."""
    if available <= 0:
        return "sold_out"
    return "few" if available <= FEW else "in_stock"


class Crumb(msgspec.Struct, frozen=True):
    """One level of a category: its own name, and the address of its page below /categories/."""

    name: str
    slug: str


class VariantView(msgspec.Struct, frozen=True, kw_only=True):
    """A variant as people see it. Prices are minor units and the same as text; `available` is None where it is not sure.

    `before_minor` is the lowest price of the 30 days before a reduction.
    """

    sku: str
    title: str
    options: dict[str, str]
    price_minor: int
    price: str
    before_minor: int | None
    before: str
    availability: Availability
    available: int | None


class ProductView(msgspec.Struct, frozen=True, kw_only=True):
    """A product as people see it. `position` says up to where of stock.levels it is true: {SKU: partition/offset}."""

    product_id: str
    version: int
    slug: str
    url: str
    title: str
    description: tuple[str, ...]
    product_type: str
    crumbs: tuple[Crumb, ...]
    brand: str
    attributes: dict[str, tuple[str, ...]]
    currency: str
    variants: tuple[VariantView, ...]
    price_from_minor: int
    price_from: str
    price_differs: bool
    availability: Availability
    tile: str
    position: dict[str, str]


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """A product that goes with another one, or with a visitor, and why it is shown."""

    product_id: str
    slug: str
    title: str
    price: str
    availability: Availability
    tile: str
    reason: str
