"""Loads the orders that a batch of messages is about, and lists what it changed: one row an order, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.orders.order import Line, Order
from consumers.runtime.alarm import Waits
from consumers.runtime.room import Changes
from consumers.runtime.sql import array_literal, columns, load_queries
from schemas import messages as m
from schemas.ids import is_order_id
from topology.states import OrderState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.orders", arrays_as_text=True)
ROOM: Final = "orders"
MAX_WAITS: Final = 200
"""Orders that one command gives up: each may have thousands of lines."""

_decode_lines: Final = msgspec.json.Decoder(dict[int, Line]).decode
_encode: Final = msgspec.json.Encoder().encode


class OrderBook:
    """The orders of one partition, as far as they are loaded; `changed` collects the open batch.

    `lines` counts what was heard of lines: at least those in memory, of which one order may have thousands. `waits` has
    those orders that time ends.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.waits = Waits()
        self.changed: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Empty the memory; what is needed again gets loaded."""
        self.orders: dict[str, Order] = {}
        self.lines = 0
        self.waits.forget()

    def keep(self, order: Order) -> None:
        """Take a stored order into memory."""
        self.orders[order.order_id] = order
        self.lines += order.line_count
        self.waits.put(order.order_id, order.deadline_ms)

    def order(self, order_id: str) -> Order:
        """Return an order to decide on; one that was never heard of is unknown."""
        found = self.orders.get(order_id)
        return found if found is not None else Order(order_id)


async def load(connection: asyncpg.Connection, loads: Sequence[tuple[OrderBook, Sequence[Message]]]) -> None:
    """Bring in the orders that these messages are about and memory lacks."""
    missing: dict[str, OrderBook] = {}
    for book, messages in loads:
        for message in messages:
            if type(message) is m.EndWaits:
                if message.room == ROOM:
                    await _load_due(connection, book, message)
                continue
            order_id: str = message.order_id  # type: ignore[attr-defined]  # each of the others has one
            if order_id not in book.orders and is_order_id(order_id):
                missing[order_id] = book
    if not missing:
        return
    for row in await connection.fetch(QUERIES["load_orders"], array_literal(list(missing))):
        order = _order(row)
        missing[order.order_id].keep(order)


async def load_earliest_deadline(connection: asyncpg.Connection, book: OrderBook, after_ms: int = -1) -> None:
    """Learn when the next wait of this partition ends (only a hint of when to ask; decisions do not read it)."""
    book.waits.earliest_ms = await connection.fetchval(QUERIES["earliest_deadline"], book.partition, after_ms)


async def _load_due(connection: asyncpg.Connection, book: OrderBook, command: m.EndWaits) -> None:
    limit = max(0, min(command.limit, MAX_WAITS))
    rows = await connection.fetch(QUERIES["load_due"], book.partition, command.as_of_ms, limit)
    for row in rows:
        if str(row["order_id"]) not in book.orders:
            book.keep(_order(row))
    if len(rows) < limit:
        await load_earliest_deadline(connection, book, command.as_of_ms)
    book.waits.answered()


def _order(row: asyncpg.Record) -> Order:
    return Order(
        order_id=str(row["order_id"]),
        state=OrderState(row["state"]),
        reason=row["reason"],
        customer_id=row["customer_id"],
        payment_token=row["payment_token"],
        currency=row["currency"],
        terms=row["terms"],
        line_count=row["line_count"],
        amount_minor=row["amount_minor"],
        lines=_decode_lines(row["lines"]),
        deadline_ms=row["deadline_ms"],
        updated_at_ms=row["updated_at_ms"],
        is_stored=True,
    )


def changes(book: OrderBook) -> Changes:
    """Return the batch's changes as columns for `save`."""
    begun: list[tuple[Any, ...]] = []
    went_on: list[tuple[Any, ...]] = []
    for order_id in book.changed:
        order = book.orders[order_id]
        lines = _encode(order.lines).decode()
        goods = (order.line_count, order.amount_minor, lines, order.deadline_ms, order.updated_at_ms)
        if order.is_stored:
            row = (order_id, order.state.value, order.reason, order.payment_token, order.currency, *goods)
            went_on.append(row)
            continue
        head = (order_id, book.partition, order.state.value, order.reason, order.customer_id, order.payment_token)
        begun.append((*head, order.currency, order.terms, *goods))
        order.is_stored = True
    book.changed = set()
    return Changes((*columns(begun, 13), *columns(went_on, 10)))
