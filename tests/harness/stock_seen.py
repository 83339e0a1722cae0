"""What a test sees of a shop's stock: events, levels, movements, counts."""

from __future__ import annotations

from typing import Any, cast

from producers.clients.orders import OrderRequest
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.shop import Shop
from topology.topics import ORDER_EVENTS, STOCK_LEVELS


async def events_of(shop: Shop, request: OrderRequest) -> list[Any]:
    records = await shop.records(ORDER_EVENTS)
    return [decode(record.value) for record in records if record.key == request.order_id.encode()]


async def level(shop: Shop, sku: str = "MUG") -> tuple[int, int, int, int]:
    query = "SELECT on_hand, reserved, allocated, quarantined FROM stock WHERE sku = $1"
    row = await shop.database.fetchrow(query, sku)
    assert row is not None
    return tuple(row)


async def movements(shop: Shop, sku: str = "MUG") -> list[tuple[str, int, int, str]]:
    query = "SELECT kind, quantity, quarantined, note FROM movements WHERE sku = $1 ORDER BY at_ms, command_id"
    return [tuple(row) for row in await shop.database.fetch(query, sku)]


async def counts(shop: Shop) -> dict[str, int]:
    rows = await shop.database.fetch("SELECT customer_id, units FROM purchases")
    return {row["customer_id"]: row["units"] for row in rows}


async def latest_levels(shop: Shop) -> dict[bytes | None, m.StockLevel | None]:
    """Return the latest record of each key on stock.levels; None for a tombstone."""
    return {
        record.key: cast("m.StockLevel", decode(record.value)) if record.value is not None else None
        for record in await shop.records(STOCK_LEVELS)
    }
