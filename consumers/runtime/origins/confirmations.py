"""Which row confirms an event that moves money: that of the room which decides such events. Pure.

A room's row changes in the statement that commits its decision, and the event is published after it. What a row confirms
once it confirms for as long as it is there, however late the event is read; `tests/model` plays that.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from schemas import messages as m
from schemas.ids import OF_A_LINE
from topology.states import SOLD_ORDER_STATES, FulfilmentState, OrderState


class Row(Protocol):
    """A row as asyncpg returns it, or a dictionary."""

    def __getitem__(self, column: str, /) -> Any:
        """Return the value of a column."""


_PLACED: Final = frozenset({OrderState.PLACED, OrderState.CANCELLED, *SOLD_ORDER_STATES})
_GATHERING: Final = frozenset({OrderState.UNKNOWN, OrderState.PENDING})
_ALL_SHIPPED: Final = frozenset({FulfilmentState.SHIPPED, FulfilmentState.DELIVERED})


class Confirmation(NamedTuple):
    """The room that decides such an event, and whether its row about the order says that it did."""

    room: str
    confirms: Callable[[Any, Row], bool]


class _Line(msgspec.Struct):
    """What a fulfilment keeps of a line, as far as an event about money can be compared with it."""

    quantity: int
    unit_price_minor: int
    is_refunded: bool = False

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_price_minor


_lines_of: Final = msgspec.json.Decoder(dict[int, _Line]).decode
_parcels_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _reserved(event: m.OrderReserved, row: Row) -> bool:
    return row["state"] not in _GATHERING and _is_worth(event, row) and _is_paid_by(event, row)


def _is_worth(event: m.OrderReserved | m.OrderPlaced, row: Row) -> bool:
    return bool((event.amount_minor, event.currency) == (row["amount_minor"], row["currency"]))


def _is_paid_by(event: m.OrderReserved, row: Row) -> bool:
    return bool((event.customer_id, event.payment_token) == (row["customer_id"], row["payment_token"]))


def _placed(event: m.OrderPlaced, row: Row) -> bool:
    return row["state"] in _PLACED and _is_worth(event, row) and event.terms == row["terms"]


def _rejected(_: m.OrderRejected, row: Row) -> bool:
    return bool(row["state"] == OrderState.REJECTED)


def _cancelled(_: m.OrderCancelled, row: Row) -> bool:
    return bool(row["state"] == OrderState.CANCELLED)


def _parcel_requested(event: m.ShipmentRequested, row: Row) -> bool:
    lines = _lines_of(row["lines"])
    is_priced = event.amount_minor == sum(lines[number].amount_minor for number in event.lines if number in lines)
    return is_priced and event.shipment_id in _parcels_of(row["shipments"])


def _all_shipped(_: m.OrderShipped, row: Row) -> bool:
    return row["state"] in _ALL_SHIPPED


def _refund_requested(event: m.RefundRequested, row: Row) -> bool:
    number = event.refund_id.removeprefix(OF_A_LINE)
    line = _lines_of(row["lines"]).get(int(number)) if number.isdecimal() else None
    return line is not None and line.is_refunded and event.amount_minor <= line.amount_minor


def _nothing_will_ship(_: m.FulfilmentCancelled, row: Row) -> bool:
    return bool(row["state"] == FulfilmentState.CANCELLED)


CONFIRMATIONS: Final[Mapping[type[m.Message], Confirmation]] = MappingProxyType(
    {
        m.OrderReserved: Confirmation("orders", _reserved),
        m.OrderPlaced: Confirmation("orders", _placed),
        m.OrderRejected: Confirmation("orders", _rejected),
        m.OrderCancelled: Confirmation("orders", _cancelled),
        m.ShipmentRequested: Confirmation("fulfilment", _parcel_requested),
        m.OrderShipped: Confirmation("fulfilment", _all_shipped),
        m.RefundRequested: Confirmation("fulfilment", _refund_requested),
        m.FulfilmentCancelled: Confirmation("fulfilment", _nothing_will_ship),
    }
)
"""Every event of another room from which a capture, a void or a refund follows in payments, and what ends a paid order."""


def find_fault(event: m.Message, row: Row) -> str | None:
    """Return in words how the row of the event's room contradicts it, None where it confirms it. No row has no state."""
    room, confirms = CONFIRMATIONS[type(event)]
    if row["state"] is None:
        return f"{room} keeps nothing of that order"
    return None if confirms(event, row) else f"that order is {row['state']} in {room}, which decided no such event"
