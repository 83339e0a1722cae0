"""Reads orders from their rows, and lists what a batch changed: one row an order, a batch at a time.

Decision: docs/decisions, 030.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.orders.state import Line, Order
from consumers.runtime.postgres.sql import columns, load_queries
from consumers.runtime.room import Changes
from schemas import messages as m
from topology.states import OrderState

if TYPE_CHECKING:
    import asyncpg

    from consumers.runtime.order_keyed import OrderKeyedState

QUERIES: Final = load_queries("consumers.orders", arrays_as_text=True)

decode_lines: Final = msgspec.json.Decoder(dict[int, Line]).decode
encode: Final = msgspec.json.Encoder().encode
CONFIRMED_IN_COMMIT: Final = (
    m.LineReserved,
    m.LineCommitted,
    m.PaymentAuthorized,
    m.PaymentDeclined,
    m.PaymentCaptured,
)
"""The events that so many orders have that `save` compares them with the rows of their rooms, instead of a query before each batch."""


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
    held = [_line(event) for event in state.unconfirmed if isinstance(event, m.LineReserved | m.LineCommitted)]
    paid = [_attempt(event) for event in state.unconfirmed if not isinstance(event, m.LineReserved | m.LineCommitted)]
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
    return Changes((*columns(inserted, 13), *columns(updated, 10), *columns(held, 5), *columns(paid, 5)))


def _line(event: m.LineReserved | m.LineCommitted) -> tuple[Any, ...]:
    """Return what the hold of a line has to have."""
    return (event.order_id, event.line, event.sku, event.quantity, int(type(event) is m.LineCommitted))


def _attempt(event: m.PaymentAuthorized | m.PaymentDeclined | m.PaymentCaptured) -> tuple[Any, ...]:
    """Return what an attempt of the payment has to have; of one that came to nothing only that it did."""
    if isinstance(event, m.PaymentDeclined):
        return (event.order_id, "declined", 0, "", "")
    money = (event.amount_minor, event.authorization_id)
    if isinstance(event, m.PaymentAuthorized):
        return (event.order_id, "authorize", *money, "")
    return (event.order_id, "capture", *money, event.reference)
