"""What PostgreSQL holds about a demo: how far it is, and how it ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from aiokafka import TopicPartition

from topology.states import FINAL_ORDER_STATES, PaymentState
from topology.topics import log_read_by

if TYPE_CHECKING:
    import asyncpg

MONEY_MOVES: Final = tuple(
    {
        PaymentState.AUTHORIZING,
        PaymentState.AUTHORIZED,
        PaymentState.CAPTURING,
        PaymentState.CAPTURE_FAILED,
        PaymentState.VOIDING,
    }
)
"""Payment states that something must still follow."""

_ORDERS: Final = "SELECT state, count(*) FROM orders GROUP BY state"
_LOOSE_ENDS: Final = """
SELECT
    (SELECT count(*) FROM payment_attempts WHERE result = 'pending') AS "payment calls without an answer",
    (SELECT count(*) FROM payments WHERE state = ANY($1::text[])) AS "payments under way",
    (SELECT count(*) FROM holds WHERE state = 0) AS "holds neither committed nor released",
    (SELECT count(*) FROM holds h JOIN orders o USING (order_id)
        WHERE h.state = 1 AND o.state = ANY('{rejected,cancelled}')) AS "allocated lines of orders without a sale",
    (SELECT count(*) FROM outbox) AS "batches not yet published"
"""
_ENDS: Final = "SELECT order_id::text, state, reason FROM orders"
_STOCK: Final = """
SELECT s.sku, s.on_hand, s.reserved, s.allocated, coalesce(m.received, 0)::bigint AS received
FROM stock s
LEFT JOIN (SELECT sku, sum(quantity) AS received FROM movements WHERE kind = 'receipt' GROUP BY sku) m USING (sku)
"""


class Position(msgspec.Struct, frozen=True):
    """How far a race is: orders by state, and what keeps it from being over, by its name (none is zero)."""

    states: dict[str, int]
    loose_ends: dict[str, int]

    @property
    def final(self) -> int:
        """How many orders have reached a final state."""
        return sum(self.states.get(state, 0) for state in FINAL_ORDER_STATES)


class Level(msgspec.Struct, frozen=True):
    """One SKU in the end, in units. `received` is from the ledger of movements, the rest from the stock row."""

    on_hand: int
    reserved: int
    allocated: int
    received: int

    @property
    def available(self) -> int:
        """Units that could still be reserved."""
        return self.on_hand - self.reserved - self.allocated


class Books(msgspec.Struct, frozen=True):
    """How a race ended: each order's (state, reason), each SKU's level."""

    orders: dict[str, tuple[str, str]]
    stock: dict[str, Level]

    def states(self) -> dict[str, int]:
        """Return how many orders ended in which state, the most frequent first."""
        return dict(Counter(state for state, _ in self.orders.values()).most_common())

    def reasons(self) -> dict[str, int]:
        """Return why orders ended without a sale, the most frequent reason first."""
        return dict(Counter(reason for _, reason in self.orders.values() if reason).most_common())


async def received_units(connection: asyncpg.Connection) -> int:
    """Return how many units inventory has taken in so far."""
    return int(await connection.fetchval("SELECT coalesce(sum(on_hand), 0) FROM stock"))


async def read_position(connection: asyncpg.Connection, orders: int) -> Position:
    """Return how far the race is; loose ends are only looked for once all `orders` are final."""
    states = {row["state"]: row["count"] for row in await connection.fetch(_ORDERS)}
    position = Position(states, {})
    if position.final < orders:
        return position
    (row,) = await connection.fetch(_LOOSE_ENDS, MONEY_MOVES)
    return Position(states, {name: count for name, count in row.items() if count})


async def read_offsets(connection: asyncpg.Connection) -> dict[TopicPartition, int]:
    """Return how far the slowest room is in each partition that it has claimed, without the namespace."""
    offsets: dict[TopicPartition, int] = {}
    for room, partition, offset in await connection.fetch("SELECT room, partition, next_offsets[1] FROM claims"):
        tp = TopicPartition(log_read_by(room).name, partition)
        offsets[tp] = min(offset, offsets.get(tp, offset))
    return offsets


async def read_books(connection: asyncpg.Connection) -> Books:
    """Return how the race ended."""
    ends = {row["order_id"]: (row["state"], row["reason"]) for row in await connection.fetch(_ENDS)}
    levels = {
        row["sku"]: Level(row["on_hand"], row["reserved"], row["allocated"], row["received"])
        for row in await connection.fetch(_STOCK)
    }
    return Books(ends, levels)
