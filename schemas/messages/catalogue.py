"""The catalogue: commands on catalogue.commands, events on catalogue.events, whole products on catalogue.products.

All are keyed by product_id. Lists of flat records instead of nested ones: what belongs to a variant names its `sku`.
"""

from __future__ import annotations

import msgspec

from schemas.messages.base import Message


class Attribute(msgspec.Struct, frozen=True, gc=False):
    """A property of all variants of a product, such as material: cotton. A name can occur more than once."""

    name: str
    value: str


class Variant(msgspec.Struct, frozen=True, gc=False):
    """What can be bought of a product: one SKU. `title` distinguishes it from the other variants; the only one has none."""

    sku: str
    title: str


class VariantOption(msgspec.Struct, frozen=True, gc=False):
    """How one variant differs from the others, such as size: XL."""

    sku: str
    name: str
    value: str


class Price(msgspec.Struct, frozen=True, gc=False):
    """The price of one unit of a SKU from `from_ms` (ms since the epoch, UTC) until the next price of that SKU begins.

    In minor units of the product's currency.
    """

    sku: str
    amount_minor: int
    from_ms: int


class PutProduct(Message, frozen=True):
    """Creates a product, or replaces all that is known of it except its state and its prices.

    `expected_version` is the version that the author has seen: 0 for a product that must not exist yet, -1 for any.
    `description` is a list of paragraphs, `category` a path with `/` between its names, `slug` the readable part of the
    page's address (empty: derived from the title).
    """

    command_id: str
    product_id: str
    expected_version: int
    title: str
    description: tuple[str, ...]
    product_type: str
    category: str
    brand: str
    slug: str
    currency: str
    attributes: tuple[Attribute, ...]
    variants: tuple[Variant, ...]
    options: tuple[VariantOption, ...]


class SetPrice(Message, frozen=True):
    """Sets what one unit of a SKU costs from a moment on; `from_ms` 0 is the moment at which it is decided."""

    command_id: str
    product_id: str
    sku: str
    amount_minor: int
    currency: str
    from_ms: int


class PublishProduct(Message, frozen=True):
    """Makes a product visible in the shop."""

    command_id: str
    product_id: str


class ArchiveProduct(Message, frozen=True):
    """Takes a product out of the shop; one that was never published is removed altogether."""

    command_id: str
    product_id: str
    reason: str


class ProductPut(Message, frozen=True):
    """A product was created or replaced; `version` is the version that it has now."""

    command_id: str
    product_id: str
    version: int
    title: str
    description: tuple[str, ...]
    product_type: str
    category: str
    brand: str
    slug: str
    currency: str
    attributes: tuple[Attribute, ...]
    variants: tuple[Variant, ...]
    options: tuple[VariantOption, ...]


class PriceSet(Message, frozen=True):
    """One unit of a SKU costs this from `from_ms` (ms since the epoch, UTC) on."""

    command_id: str
    product_id: str
    version: int
    sku: str
    amount_minor: int
    currency: str
    from_ms: int


class ProductPublished(Message, frozen=True):
    """A product is visible in the shop."""

    command_id: str
    product_id: str
    version: int


class ProductArchived(Message, frozen=True):
    """A product is no longer in the shop."""

    command_id: str
    product_id: str
    version: int
    reason: str


class CatalogueCommandRefused(Message, frozen=True):
    """A command changed nothing. `version` is the version that the product has, 0 where there is none."""

    command_id: str
    product_id: str
    command: str
    reason: str
    detail: str
    version: int


class Product(Message, frozen=True):
    """A whole product, on the compacted topic catalogue.products; readers keep the highest `version`.

    `state` is draft, published or archived. `slug` is its address below /p/. `prices` are sorted by SKU and moment and
    hold those to come and those of at least the last 30 days. `published_at_ms` is its first publication, 0 before.
    """

    product_id: str
    version: int
    state: str
    title: str
    description: tuple[str, ...]
    product_type: str
    category: str
    brand: str
    slug: str
    currency: str
    attributes: tuple[Attribute, ...]
    variants: tuple[Variant, ...]
    options: tuple[VariantOption, ...]
    prices: tuple[Price, ...]
    published_at_ms: int
    updated_at_ms: int


class ShopSignal(Message, frozen=True):
    """What a visitor did with a product: `kind` is seen, added, found or abandoned (a cart with it in it). Sampled, and lost without harm."""

    product_id: str
    kind: str
    visitor: str
    detail: str


CATALOGUE_COMMANDS: tuple[type[Message], ...] = (PutProduct, SetPrice, PublishProduct, ArchiveProduct)
CATALOGUE_EVENTS: tuple[type[Message], ...] = (
    ProductPut,
    PriceSet,
    ProductPublished,
    ProductArchived,
    CatalogueCommandRefused,
)
CATALOGUE: tuple[type[Message], ...] = (*CATALOGUE_COMMANDS, *CATALOGUE_EVENTS, Product, ShopSignal)
