"""What is published about products: whole drafts, prices, and whether a product is in the shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from producers.errors import InvalidProductError
from producers.publisher import BY_KEY, Outgoing
from schemas.codec import wire
from schemas.ids import new_order_id
from schemas.limits import MAX_UNIT_PRICE_MINOR
from schemas.messages import ArchiveProduct, Attribute, PublishProduct, PutProduct, SetPrice, Variant, VariantOption
from schemas.products import find_faults
from topology.topics import CATALOGUE_COMMANDS, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Publisher

CatalogueCommand: TypeAlias = PutProduct | SetPrice | PublishProduct | ArchiveProduct
ANY_VERSION: Final = -1


class ProductDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A product as somebody describes it: `prices` are minor units by SKU, from now on."""

    product_id: str
    title: str
    currency: str
    variants: tuple[Variant, ...]
    prices: dict[str, int] = {}
    description: tuple[str, ...] = ()
    product_type: str = ""
    category: str = ""
    brand: str = ""
    slug: str = ""
    attributes: tuple[Attribute, ...] = ()
    options: tuple[VariantOption, ...] = ()


def new_command_id(verb: str) -> str:
    """Return the id of a new command: the catalogue takes only ids that end with a UUIDv7."""
    return f"{verb}/{new_order_id()}"


def put_product(draft: ProductDraft, expected_version: int = ANY_VERSION) -> PutProduct:
    """Return the command that puts a product. Raises InvalidProductError naming everything that is wrong with it."""
    command = PutProduct(
        command_id=new_command_id("put"),
        product_id=draft.product_id,
        expected_version=expected_version,
        title=draft.title,
        description=draft.description,
        product_type=draft.product_type,
        category=draft.category,
        brand=draft.brand,
        slug=draft.slug,
        currency=draft.currency,
        attributes=draft.attributes,
        variants=draft.variants,
        options=draft.options,
    )
    check_catalogue_command(command)
    return command


def set_price(product_id: str, sku: str, amount_minor: int, currency: str, from_ms: int = 0) -> SetPrice:
    """Return the command that sets a price from a moment on (ms since the epoch, UTC; 0: now). Raises InvalidProductError."""
    command = SetPrice(new_command_id("price"), product_id, sku, amount_minor, currency, from_ms)
    check_catalogue_command(command)
    return command


def publish_product(product_id: str) -> PublishProduct:
    """Return the command that makes a product visible."""
    return PublishProduct(new_command_id("publish"), product_id)


def archive_product(product_id: str, reason: str) -> ArchiveProduct:
    """Return the command that takes a product out of the shop."""
    return ArchiveProduct(new_command_id("archive"), product_id, reason)


def commands_for(draft: ProductDraft, *, publish: bool = True) -> list[CatalogueCommand]:
    """Return the commands after which the catalogue has a draft as it stands. Raises InvalidProductError."""
    prices = [set_price(draft.product_id, sku, amount, draft.currency) for sku, amount in draft.prices.items()]
    return [put_product(draft), *prices, *([publish_product(draft.product_id)] if publish else [])]


def check_catalogue_command(command: CatalogueCommand) -> None:
    """Raise InvalidProductError for a command that the catalogue must refuse, naming everything that is wrong with it."""
    if isinstance(command, PutProduct) and (faults := find_faults(command)):
        raise InvalidProductError(f"product {command.product_id[:64]!r}: {'; '.join(faults)}")
    if isinstance(command, SetPrice) and not 0 <= command.amount_minor <= MAX_UNIT_PRICE_MINOR:
        raise InvalidProductError(
            f"the price of {command.sku} is {command.amount_minor}; give 0 to {MAX_UNIT_PRICE_MINOR:,} minor units"
        )


class CatalogueClient:
    """Publishes commands about products through a publisher that its owner opens and closes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def send(self, commands: Sequence[CatalogueCommand]) -> None:
        """Publish the commands and return when Kafka has acknowledged them; those about one product are decided in order.

        Raises PublishError.
        """
        await self._publisher.publish(
            [Outgoing(CATALOGUE_COMMANDS.name, BY_KEY, key_of(command), wire.encode(command)) for command in commands]
        )
