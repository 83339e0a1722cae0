"""Reads orders from their rows, and lists what a batch changed: one row an order, a batch at a time.

Decision: docs/decisions, 030.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.orders.state import Line, Order
from consumers.runtime.postgres.sql import columns, load_queries
from consumers.runtime.room import Changes
from topology.states import OrderState

if TYPE_CHECKING:
    import asyncpg

    from consumers.runtime.order_keyed import OrderKeyedState

QUERIES: Final = load_queries("consumers.orders", arrays_as_text=True)

decode_lines: Final = msgspec.json.Decoder(dict[int, Line]).decode
encode: Final = msgspec.json.Encoder().encode


def read_order(row: asyncpg.Record) -> Order:
    """Return the order that a row holds."""
    return Order(
        order_id=str(row["order_id"]),
        deadline_ms=row["deadline_ms"],
        updated_at_ms=row["updated_at_ms"],
        is_stored=True,
        state=OrderState(row["state"]),
        reason=row["reason"],
        customer_id=row["customer_id"],
        payment_token=row["payment_token"],
        currency=row["currency"],
        terms=row["terms"],
        line_count=row["line_count"],
        amount_minor=row["amount_minor"],
        lines=decode_lines(row["lines"]),
    )


def changes(state: OrderKeyedState[Order]) -> Changes:
    """Return the batch's changes as columns for `save`."""
    inserted: list[tuple[Any, ...]] = []
    updated: list[tuple[Any, ...]] = []
    for order in state.take_changed():
        lines = encode(order.lines).decode()
        goods = (order.line_count, order.amount_minor, lines, order.deadline_ms, order.updated_at_ms)
        if order.is_stored:
            row = (order.order_id, order.state.value, order.reason, order.payment_token, order.currency, *goods)
            updated.append(row)
            continue
        head = (order.order_id, state.partition, order.state.value, order.reason, order.customer_id)
        inserted.append((*head, order.payment_token, order.currency, order.terms, *goods))
        order.is_stored = True
    return Changes((*columns(inserted, 13), *columns(updated, 10)))
