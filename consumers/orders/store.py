"""Loads the orders that a batch of messages is about, and lists what it changed: one row an order, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.orders.order import Line, Order
from consumers.runtime.room import Changes
from consumers.runtime.sql import array_literal, columns, load_queries
from schemas.ids import is_order_id
from topology.states import OrderState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.orders", arrays_as_text=True)
_decode_lines: Final = msgspec.json.Decoder(dict[int, Line]).decode
_encode: Final = msgspec.json.Encoder().encode


class OrderBook:
    """The orders of one partition, as far as they are loaded; `changed` collects the open batch.

    `lines` counts what was heard of lines: at least those in memory, of which one order may have thousands.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.orders: dict[str, Order] = {}
        self.changed: set[str] = set()
        self.lines = 0

    def order(self, order_id: str) -> Order:
        """Return an order to decide on; one that was never heard of is unknown."""
        found = self.orders.get(order_id)
        return found if found is not None else Order()


async def load(connection: asyncpg.Connection, loads: Sequence[tuple[OrderBook, Sequence[Message]]]) -> None:
    """Bring in the orders that these messages are about and memory lacks."""
    missing: dict[str, OrderBook] = {}
    for book, messages in loads:
        for message in messages:
            order_id: str = message.order_id  # type: ignore[attr-defined]  # every message to an order has one
            if order_id not in book.orders and is_order_id(order_id):
                missing[order_id] = book
    if not missing:
        return
    for row in await connection.fetch(QUERIES["load_orders"], array_literal(list(missing))):
        order_id = str(row["order_id"])
        missing[order_id].lines += row["line_count"]
        missing[order_id].orders[order_id] = Order(
            state=OrderState(row["state"]),
            reason=row["reason"],
            customer_id=row["customer_id"],
            payment_token=row["payment_token"],
            currency=row["currency"],
            terms=row["terms"],
            line_count=row["line_count"],
            amount_minor=row["amount_minor"],
            lines=_decode_lines(row["lines"]),
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
        goods = (order.line_count, order.amount_minor, lines, order.updated_at_ms)
        if order.is_stored:
            row = (order_id, order.state.value, order.reason, order.payment_token, order.currency, *goods)
            went_on.append(row)
            continue
        head = (order_id, book.partition, order.state.value, order.reason, order.customer_id, order.payment_token)
        begun.append((*head, order.currency, order.terms, *goods))
        order.is_stored = True
    book.changed = set()
    return Changes((*columns(begun, 12), *columns(went_on, 9)))
