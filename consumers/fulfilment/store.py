"""Reads fulfilments from their rows, and lists what a batch changed: one row an order, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.fulfilment.state import Fulfilment, Line, Return, Shipment, line_of_order
from consumers.runtime.postgres.sql import columns, load_queries
from consumers.runtime.room import Changes
from schemas import messages as m
from topology.states import FulfilmentState

if TYPE_CHECKING:
    import asyncpg

    from consumers.runtime.order_keyed import OrderKeyedState

QUERIES: Final = load_queries("consumers.fulfilment", arrays_as_text=True)

decode_lines: Final = msgspec.json.Decoder(dict[int, Line]).decode
decode_shipments: Final = msgspec.json.Decoder(dict[str, Shipment]).decode
decode_returns: Final = msgspec.json.Decoder(dict[str, Return]).decode
_encode: Final = msgspec.json.Encoder().encode
CONFIRMED_IN_COMMIT: Final = (m.OrderPlaced, m.OrderPaid)
"""The events that every order has: `save` compares them with the row of orders, instead of a query before each batch."""


def read_fulfilment(row: asyncpg.Record) -> Fulfilment:
    """Return the fulfilment that a row holds."""
    return Fulfilment(
        order_id=str(row["order_id"]),
        deadline_ms=row["deadline_ms"],
        updated_at_ms=row["updated_at_ms"],
        is_stored=True,
        state=FulfilmentState(row["state"]),
        captures_at_shipping=row["captures_at_shipping"],
        is_lapsed=row["is_lapsed"],
        is_returned=row["is_returned"],
        ship_by_ms=row["ship_by_ms"],
        lines=decode_lines(row["lines"]),
        shipments=decode_shipments(row["shipments"]),
        returns=decode_returns(row["returns"]),
        waits_for=row["waits_for"],
        blocked=row["blocked"],
        gone_minor=row["gone_minor"],
    )


def changes(state: OrderKeyedState[Fulfilment]) -> Changes:
    """Return the batch's changes as columns for `save`."""
    inserted: list[tuple[Any, ...]] = []
    updated: list[tuple[Any, ...]] = []
    begun = [_ordered(event) for event in state.unconfirmed]
    for fulfilment in state.take_changed():
        order_id, where = fulfilment.order_id, fulfilment.state.value
        terms = (fulfilment.captures_at_shipping, fulfilment.is_lapsed, fulfilment.is_returned, fulfilment.ship_by_ms)
        goods = (json_of(fulfilment.lines), json_of(fulfilment.shipments), json_of(fulfilment.returns))
        money = (fulfilment.blocked, fulfilment.gone_minor)
        tail = (*terms, *goods, *money, fulfilment.waits_for, fulfilment.deadline_ms, fulfilment.updated_at_ms)
        if fulfilment.is_stored:
            updated.append((order_id, where, *tail))
            continue
        inserted.append((order_id, state.partition, where, *tail))
        fulfilment.is_stored = True
    return Changes((*columns(inserted, 15), *columns(updated, 14), *columns(begun, 6)))


def _ordered(event: m.OrderPlaced | m.OrderPaid) -> tuple[Any, ...]:
    """Return what the row of orders has to have, its lines among it."""
    lines = {line.line: line_of_order(line) for line in event.lines}
    head = (event.order_id, event.amount_minor, event.currency, json_of(lines))
    return (*head, event.terms, 1) if isinstance(event, m.OrderPlaced) else (*head, "", 0)


def json_of(parts: dict[Any, Any]) -> str:
    """Return lines, parcels or returns as their column holds them."""
    return _encode(parts).decode() if parts else "{}"
