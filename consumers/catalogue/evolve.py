"""How a product changes by what was decided: the only writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from consumers.catalogue.decide import digest_of
from consumers.catalogue.state import ARCHIVED, DRAFT, PUBLISHED, REMEMBERED
from schemas import messages as m
from schemas.products import kept_prices, slug_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.catalogue.state import CatalogueState, ProductRecord
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message, Product


def evolve(state: CatalogueState, command: Any, outcomes: Sequence[Message], now: Now) -> bool:
    """Change the product by the outcomes of a command, and remember the command. Return whether anything changed.

    Nothing is kept of a product that nobody ever put.
    """
    record = state.record(command.product_id)
    for outcome in outcomes:
        if type(outcome) is not m.CatalogueCommandRefused and outcome.version != record.version:  # type: ignore[attr-defined]
            record.version += 1
            record.product = _changed(record, outcome, now.at_ms)
            state.restated.add(record.product_id)
    if not outcomes or not record.version or _is_unremembered(outcomes):
        return False
    record.commands[command.command_id] = digest_of(command)
    if len(record.commands) > REMEMBERED:
        del record.commands[next(iter(record.commands))]
    state.records[record.product_id] = record
    state.changed.add(record.product_id)
    return True


def _is_unremembered(outcomes: Sequence[Any]) -> bool:
    """Return whether a command was refused for its id, which belongs to another command or to none."""
    return getattr(outcomes[0], "reason", "") in ("command_id_reused", "invalid_command_id", "too_old")


def _changed(record: ProductRecord, event: Any, at_ms: int) -> Product | None:
    if type(event) is m.ProductPut:
        return _put(record, event, at_ms)
    product = record.product
    if product is None:
        raise ValueError(f"{event} is about a product that does not exist")
    changes: dict[str, Any] = {"version": record.version, "updated_at_ms": at_ms}
    if type(event) is m.PriceSet:
        others = [price for price in product.prices if (price.sku, price.from_ms) != (event.sku, event.from_ms)]
        price = m.Price(event.sku, event.amount_minor, event.from_ms)
        changes["prices"] = kept_prices((*others, price), at_ms)
    elif type(event) is m.ProductPublished:
        changes |= {"state": PUBLISHED, "published_at_ms": product.published_at_ms or at_ms}
    elif not product.published_at_ms:
        return None
    else:
        changes["state"] = ARCHIVED
    return msgspec.structs.replace(product, **changes)


def _put(record: ProductRecord, event: m.ProductPut, at_ms: int) -> Product:
    before = record.product
    skus = {variant.sku for variant in event.variants}
    prices = tuple(price for price in before.prices if price.sku in skus) if before else ()
    return m.Product(
        product_id=event.product_id,
        version=record.version,
        state=before.state if before else DRAFT,
        title=event.title,
        description=event.description,
        product_type=event.product_type,
        category=event.category,
        brand=event.brand,
        slug=slug_of(event.slug, event.product_id),
        currency=event.currency,
        attributes=event.attributes,
        variants=event.variants,
        options=event.options,
        prices=prices,
        published_at_ms=before.published_at_ms if before else 0,
        updated_at_ms=at_ms,
    )
