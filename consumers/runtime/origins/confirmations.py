"""Which row confirms an event that moves money: that of the room which decides such events. Pure.

A room's row changes in the statement that commits its decision, and the event is published after it. What a row confirms
once it confirms for as long as it is there, however late the event is read; `tests/model` plays that.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from consumers.runtime.origins import lines, money
from consumers.runtime.origins.row import Row
from schemas import messages as m
from schemas.ids import OF_A_LINE
from topology.states import SOLD_ORDER_STATES, FulfilmentState, OrderState

_PLACED: Final = frozenset({OrderState.PLACED, OrderState.CANCELLED, *SOLD_ORDER_STATES})
_PAID: Final = frozenset({OrderState.CANCELLED, *SOLD_ORDER_STATES})
_GATHERING: Final = frozenset({OrderState.UNKNOWN, OrderState.PENDING})
_ALL_SHIPPED: Final = frozenset({FulfilmentState.SHIPPED, FulfilmentState.DELIVERED})


def _always(_: Any) -> bool:
    return True


class Confirmation(NamedTuple):
    """The room that decides such an event, and whether its row about the order confirms it.

    Where not `is_asked`, only rooms act on the event that confirm it in their commit. `may_lack_row`: such an event can be
    true although the room keeps nothing.
    """

    room: str
    confirms: Callable[[Any, Row], bool]
    is_asked: Callable[[Any], bool] = _always
    may_lack_row: bool = False


class _Line(msgspec.Struct):
    """What orders and fulfilment keep of a line, as far as an event about money can be compared with it."""

    sku: str
    quantity: int
    unit_price_minor: int
    is_refunded: bool = False
    discount_minor: int = 0
    tax_minor: int = 0

    @property
    def amount_minor(self) -> int:
        return self.quantity * self.unit_price_minor - self.discount_minor + self.tax_minor


_lines_in: Final = msgspec.json.Decoder(dict[int, _Line]).decode
_parcels_in: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _reserved(event: m.OrderReserved, row: Row) -> bool:
    return row["state"] not in _GATHERING and _is_worth(event, row) and _is_paid_by(event, row)


def _is_worth(event: m.OrderReserved | m.OrderPlaced | m.OrderPaid, row: Row) -> bool:
    return bool((event.amount_minor, event.currency) == (row["amount_minor"], row["currency"]))


def _is_paid_by(event: m.OrderReserved, row: Row) -> bool:
    return bool((event.customer_id, event.payment_token) == (row["customer_id"], row["payment_token"]))


def _placed(event: m.OrderPlaced, row: Row) -> bool:
    is_placed = row["state"] in _PLACED and _is_worth(event, row) and event.terms == row["terms"]
    return is_placed and _has_lines(event.lines, row)


def _paid(event: m.OrderPaid, row: Row) -> bool:
    return row["state"] in _PAID and _is_worth(event, row) and _has_lines(event.lines, row)


def _has_lines(ordered: Sequence[m.OrderedLine], row: Row) -> bool:
    """Tell whether the order has each of these lines, of that SKU, at that price and with those charges."""
    if not ordered:
        return True
    known = _lines_in(row["lines"])
    return all(
        (line := known.get(ordered_line.line)) is not None
        and (line.sku, line.quantity, line.unit_price_minor)
        == (ordered_line.sku, ordered_line.quantity, ordered_line.unit_price_minor)
        and (line.discount_minor, line.tax_minor) == (ordered_line.discount_minor, ordered_line.tax_minor)
        for ordered_line in ordered
    )


def _for_a_parcel(event: m.PaymentCaptured) -> bool:
    return bool(event.reference)


def _rejected(_: m.OrderRejected, row: Row) -> bool:
    return bool(row["state"] == OrderState.REJECTED)


def _cancelled(_: m.OrderCancelled, row: Row) -> bool:
    return bool(row["state"] == OrderState.CANCELLED)


def _parcel_requested(event: m.ShipmentRequested, row: Row) -> bool:
    lines = _lines_in(row["lines"])
    is_priced = event.amount_minor == sum(lines[number].amount_minor for number in event.lines if number in lines)
    return is_priced and event.shipment_id in _parcels_in(row["shipments"])


def _all_shipped(_: m.OrderShipped, row: Row) -> bool:
    return row["state"] in _ALL_SHIPPED


def _refund_requested(event: m.RefundRequested, row: Row) -> bool:
    number = event.refund_id.removeprefix(OF_A_LINE)
    line = _lines_in(row["lines"]).get(int(number)) if number.isdecimal() else None
    return line is not None and line.is_refunded and event.amount_minor <= line.amount_minor


def _nothing_will_ship(_: m.FulfilmentCancelled, row: Row) -> bool:
    return bool(row["state"] == FulfilmentState.CANCELLED)


CONFIRMATIONS: Final[Mapping[type[m.Message], Confirmation]] = MappingProxyType(
    {
        m.LineReserved: Confirmation("inventory", lines.reserved),
        m.LineCommitted: Confirmation("inventory", lines.committed),
        m.LineCommitFailed: Confirmation("inventory", lines.commit_failed, may_lack_row=True),
        m.LineShipped: Confirmation("inventory", lines.shipped),
        m.LineReturned: Confirmation("inventory", lines.returned),
        m.LineCommandRefused: Confirmation("inventory", lines.refused, may_lack_row=True),
        m.OrderReserved: Confirmation("orders", _reserved),
        m.OrderPlaced: Confirmation("orders", _placed),
        m.OrderPaid: Confirmation("orders", _paid),
        m.OrderRejected: Confirmation("orders", _rejected),
        m.OrderCancelled: Confirmation("orders", _cancelled),
        m.ShipmentRequested: Confirmation("fulfilment", _parcel_requested),
        m.OrderShipped: Confirmation("fulfilment", _all_shipped),
        m.RefundRequested: Confirmation("fulfilment", _refund_requested),
        m.FulfilmentCancelled: Confirmation("fulfilment", _nothing_will_ship),
        m.PaymentAuthorized: Confirmation("payments", money.authorized),
        m.PaymentDeclined: Confirmation("payments", money.declined),
        m.PaymentCaptured: Confirmation("payments", money.captured, is_asked=_for_a_parcel),
        m.PaymentCaptureFailed: Confirmation("payments", money.capture_failed),
        m.PaymentLapsed: Confirmation("payments", money.lapsed),
        m.PaymentChangedExternally: Confirmation("payments", money.changed_externally),
    }
)
"""Every event of another room from which a capture, a void or a refund follows, at once or through others, or goods that leave."""


def find_fault(event: m.Message, row: Row) -> str | None:
    """Return in words how the row of the event's room contradicts it, None where it confirms it. No row has no state."""
    confirmation = CONFIRMATIONS[type(event)]
    room, subject = confirmation.room, "line" if confirmation.room == "inventory" else "order"
    if row["state"] is None and not confirmation.may_lack_row:
        return f"{room} keeps nothing of that {subject}"
    if confirmation.confirms(event, row):
        return None
    return f"that {subject} is {row['state'] or 'unknown'} in {room}, which decided no such event"
