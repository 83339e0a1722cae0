"""What is known of SKUs in the tables: levels, who holds units, and the latest movements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from consumers.inventory.parking import Parking, read_stored

if TYPE_CHECKING:
    import asyncpg

_LEVELS: Final = """
SELECT sku, on_hand, reserved, allocated, quarantined,
    on_hand - reserved - allocated - quarantined AS available, purchase_limit, is_suspended, is_retired, parking
FROM stock WHERE $1::text[] IS NULL OR sku = ANY($1) ORDER BY sku
"""
# By the SKU's partition: what is held there (state 0) has an index, and no index has the SKUs of all holds that ever were.
_HOLDERS: Final = """
SELECT h.order_id, h.line, h.quantity, h.expires_at_ms FROM holds h
WHERE h.partition = (SELECT partition FROM stock WHERE sku = $1) AND h.state = 0 AND h.sku = $1
ORDER BY h.expires_at_ms LIMIT $2
"""
_MOVEMENTS: Final = """
SELECT at_ms, kind, quantity, quarantined, command_id, order_id, note FROM movements
WHERE sku = $1 ORDER BY at_ms DESC LIMIT $2
"""


class Level(msgspec.Struct):
    """One SKU's level, in units, and how it may be sold. A `purchase_limit` of 0 is none.

    `parking` is what waits for it where it is parked, or is to be behind its next dead letter.
    """

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    quarantined: int
    available: int
    purchase_limit: int
    is_suspended: bool
    is_retired: bool
    parking: Parking | None = None


class Holder(msgspec.Struct, frozen=True):
    """An order that holds units and is not paid yet; the hold ends at `expires_at_ms` (ms since the epoch, UTC)."""

    order_id: str
    line: int
    quantity: int
    expires_at_ms: int


class Movement(msgspec.Struct, frozen=True):
    """One row of a SKU's ledger, in units; `order_id` is empty where no order made it. `at_ms`: ms since the epoch, UTC."""

    at_ms: int
    kind: str
    quantity: int
    quarantined: int
    command_id: str
    order_id: str
    note: str


async def levels_of(skus: list[str] | None, connection: asyncpg.Connection) -> list[Level]:
    """Return the levels of these SKUs, or of all."""
    rows = await connection.fetch(_LEVELS, skus)
    return [Level(**{**row, "parking": read_stored(row["parking"])}) for row in rows]


async def holders_of(sku: str, connection: asyncpg.Connection, most: int) -> list[Holder]:
    """Return who holds units of a SKU now, the hold that ends first at the head."""
    rows = await connection.fetch(_HOLDERS, sku, most)
    return [Holder(str(row["order_id"]), row["line"], row["quantity"], row["expires_at_ms"]) for row in rows]


async def movements_of(sku: str, connection: asyncpg.Connection, most: int) -> list[Movement]:
    """Return the latest movements of a SKU, the last one first."""
    rows = await connection.fetch(_MOVEMENTS, sku, most)
    return [Movement(**{**row, "order_id": str(row["order_id"] or "")}) for row in rows]
