"""Loads the products that a batch of commands is about, and lists what it changed: one row a product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from consumers.catalogue.state import ProductRecord
from consumers.runtime.postgres.sql import array_literal, columns, load_queries
from consumers.runtime.room import Changes, Tombstone
from schemas.codec.wire import decode, encode
from schemas.messages import Product
from topology.topics import CATALOGUE_PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from consumers.catalogue.state import CatalogueState
    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.catalogue", arrays_as_text=True)
_encode_commands: Final = msgspec.json.Encoder().encode
_decode_commands: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


async def load(connection: asyncpg.Connection, loads: Sequence[tuple[CatalogueState, Sequence[Message]]]) -> None:
    """Bring in the products that these commands are about and memory lacks."""
    missing: dict[str, CatalogueState] = {}
    for state, messages in loads:
        for message in messages:
            product_id = cast("Any", message).product_id
            if product_id not in state.records:
                missing[product_id] = state
    if not missing:
        return
    for row in await connection.fetch(QUERIES["load"], array_literal(list(missing))):
        product = None if row["product"] is None else cast("Product", decode(row["product"]))
        record = ProductRecord(row["product_id"], product, row["version"], dict(_decode_commands(row["commands"])))
        missing[record.product_id].records[record.product_id] = record


def changes(state: CatalogueState) -> Changes:
    """Return the batch's changes as columns for `save`, and the products to publish as they are now."""
    changed, restated = state.take_changed()
    rows = [
        (
            record.product_id,
            state.partition,
            record.version,
            None if record.product is None else f"\\x{encode(record.product).hex()}",
            _encode_commands(list(record.commands.items())).decode(),
        )
        for record in changed
    ]
    records = [record.product or Tombstone(CATALOGUE_PRODUCTS.name, record.product_id.encode()) for record in restated]
    return Changes(tuple(columns(rows, 5)), records=records)
