"""What the catalogue decides on each command. Pure; each command takes effect once, and a refusal is an event."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from consumers.catalogue.state import ARCHIVED, PUBLISHED, REMEMBERED
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.ids import NIL_UUID, TIME_DIGITS, command_uuid
from schemas.limits import MAX_TIME_MS, MAX_UNIT_PRICE_MINOR
from schemas.products import MAX_PRICES, find_faults, kept_prices, price_at, slug_of, slugify

if TYPE_CHECKING:
    from consumers.catalogue.state import ProductRecord
    from consumers.runtime.deciding.now import Now

ANY_VERSION: Final = -1
_DETAIL_CHARACTERS: Final = 900


def put_product(record: ProductRecord, command: m.PutProduct, now: Now) -> list[Any]:
    """Create a product, or replace what is known of it where its author has seen the latest version."""
    del now
    if faults := find_faults(command):
        return [refused(record, command, "invalid_product", "; ".join(faults))]
    if command.expected_version not in (ANY_VERSION, record.version if record.product else 0):
        return [refused(record, command, "version_conflict", f"{command.expected_version} was expected")]
    product = record.product
    if product is not None and product.prices and product.currency != command.currency:
        return [refused(record, command, "currency_mismatch", f"its prices are in {product.currency}")]
    slug = slugify(command.slug or command.title)
    same = product is not None and all(
        getattr(product, field) == getattr(command, field) for field in _CONTENT if field != "slug"
    )
    changes = not same or product is None or product.slug != slug_of(slug, command.product_id)
    return [
        m.ProductPut(
            command_id=command.command_id,
            product_id=command.product_id,
            version=record.version + changes,
            **{field: getattr(command, field) for field in _CONTENT if field != "slug"},
            slug=slug,
        )
    ]


_CONTENT: Final = (
    "title",
    "description",
    "product_type",
    "category",
    "brand",
    "slug",
    "currency",
    "attributes",
    "variants",
    "options",
)


def set_price(record: ProductRecord, command: m.SetPrice, now: Now) -> list[Any]:
    """Set what a SKU costs from a moment on: no price begins in the past."""
    product = record.product
    if product is None:
        return [refused(record, command, "unknown_product")]
    if (fault := _fault_of_price(product, command)) is not None:
        return [refused(record, command, *fault)]
    from_ms = max(command.from_ms, now.at_ms)
    price = m.Price(command.sku, command.amount_minor, from_ms)
    if len(kept_prices((*product.prices, price), now.at_ms)) > MAX_PRICES:
        return [refused(record, command, "too_many_prices", f"it keeps at most {MAX_PRICES}")]
    present = price_at(product, command.sku, from_ms)
    later = any(other.sku == command.sku and other.from_ms >= from_ms for other in product.prices)
    changes = later or present is None or present.amount_minor != command.amount_minor
    return [
        m.PriceSet(
            command_id=command.command_id,
            product_id=command.product_id,
            version=record.version + changes,
            sku=command.sku,
            amount_minor=command.amount_minor,
            currency=command.currency,
            from_ms=from_ms,
        )
    ]


def _fault_of_price(product: m.Product, command: m.SetPrice) -> tuple[str, str] | None:
    if command.sku not in {variant.sku for variant in product.variants}:
        return "unknown_sku", f"it has no variant {command.sku!r}"
    if command.currency != product.currency:
        return "currency_mismatch", f"the product is sold in {product.currency}"
    if not 0 <= command.amount_minor <= MAX_UNIT_PRICE_MINOR:
        return "invalid_price", f"{command.amount_minor} minor units"
    if command.from_ms > MAX_TIME_MS:
        return "invalid_time", f"{command.from_ms} ms"
    return None


def publish_product(record: ProductRecord, command: m.PublishProduct, now: Now) -> list[Any]:
    """Make a product visible, once each of its variants has a price, now or later."""
    del now
    product = record.product
    if product is None:
        return [refused(record, command, "unknown_product")]
    priced = {price.sku for price in product.prices}
    if missing := [variant.sku for variant in product.variants if variant.sku not in priced]:
        return [refused(record, command, "not_priced", f"without a price: {', '.join(missing)}")]
    changes = product.state != PUBLISHED
    return [m.ProductPublished(command.command_id, command.product_id, record.version + changes)]


def archive_product(record: ProductRecord, command: m.ArchiveProduct, now: Now) -> list[Any]:
    """Take a product out of the shop."""
    del now
    if record.product is None:
        return [refused(record, command, "unknown_product")]
    changes = record.product.state != ARCHIVED
    return [m.ProductArchived(command.command_id, command.product_id, record.version + changes, command.reason)]


def digest_of(command: m.Message) -> str:
    """Return by what two commands of one id are distinguished."""
    return blake2b(encode(command), digest_size=8).hexdigest()


def recognised(record: ProductRecord, command: Any) -> list[Any] | None:
    """Return the outcome of a command that was decided before, or may have been; None for a new one."""
    if (known := record.commands.get(command.command_id)) is not None:
        same = known == digest_of(command)
        return [] if same else [refused(record, command, "command_id_reused", "another command had this id")]
    uuid = command_uuid(command.command_id)
    if uuid == NIL_UUID:
        return [refused(record, command, "invalid_command_id", "end it with a UUIDv7, such as put/0190b6c4-...")]
    if len(record.commands) >= REMEMBERED:
        oldest = min(map(command_uuid, record.commands))
        if uuid[:TIME_DIGITS] < oldest[:TIME_DIGITS]:
            return [refused(record, command, "too_old", f"{REMEMBERED} commands about the product are later")]
    return None


def refused(record: ProductRecord, command: Any, reason: str, detail: str = "") -> m.CatalogueCommandRefused:
    """Return the event of a command that changes nothing; `detail` is for people."""
    version = record.version if record.product else 0
    text = detail.encode()[:_DETAIL_CHARACTERS].decode(errors="ignore")
    return m.CatalogueCommandRefused(
        command.command_id, command.product_id, type(command).__name__, reason, text, version
    )
