"""Orders by the name that another system gave them: an invoice number or any other reference of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import asyncpg

_IMPORTED: Final = """
SELECT min(source) AS source, order_id FROM (
    SELECT source, order_id FROM imports WHERE external_id = $1
    UNION ALL SELECT customer_id, order_id FROM search.orders WHERE reference = $1 AND reference <> ''
) AS named GROUP BY order_id ORDER BY order_id DESC
"""


class Named(msgspec.Struct, frozen=True):
    """An order that has a reference, and in which system it has it."""

    source: str
    order_id: str


async def orders_named(connection: asyncpg.Connection, reference: str) -> list[Named]:
    """Return the orders that have this reference, the latest first."""
    return [Named(row["source"], str(row["order_id"])) for row in await connection.fetch(_IMPORTED, reference)]
