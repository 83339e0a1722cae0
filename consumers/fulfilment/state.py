"""The state that fulfilment decides on: one order's goods on their way out and back, as lines, parcels and returns.

Lines, parcels and returns never change: `evolve.py` puts others in their place. A line stands in at most one parcel, and in
at most one return that is not refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from consumers.runtime.order_keyed import OrderRecord
from topology.states import FulfilmentState, ReturnState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.messages import OrderedLine


class LineState(StrEnum):
    """Where a line stands; `requested` waits for its money, `leaving`, `withdrawing` and `returning` for inventory."""

    OPEN = "open"
    REQUESTED = "requested"
    LEAVING = "leaving"
    SHIPPED = "shipped"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"
    RETURNING = "returning"
    RETURNED = "returned"


UNDER_WAY: Final = frozenset({LineState.REQUESTED, LineState.LEAVING})
"""In a parcel that has not left."""
IN_WAREHOUSE: Final = UNDER_WAY | {LineState.OPEN, LineState.WITHDRAWING}
OUT: Final = frozenset({LineState.SHIPPED, LineState.RETURNING})
BACK: Final = frozenset({LineState.RETURNING, LineState.RETURNED})


class ShipmentState(StrEnum):
    """Where a parcel stands. `failed` is one whose money could not be captured, `withdrawn` one of which no line is left."""

    REQUESTED = "requested"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    LOST = "lost"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


LEFT: Final = frozenset({ShipmentState.SHIPPED, ShipmentState.DELIVERED, ShipmentState.LOST})


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; `unit_price_minor` is in minor units of the order's currency. `shipment_id` is empty outside a parcel."""

    sku: str
    quantity: int
    unit_price_minor: int
    state: LineState = LineState.OPEN
    shipment_id: str = ""
    is_captured: bool = False
    is_refunded: bool = False
    discount_minor: int = 0
    tax_minor: int = 0

    @property
    def amount_minor(self) -> int:
        """What the line costs."""
        return self.quantity * self.unit_price_minor - self.discount_minor + self.tax_minor


def line_of_order(ordered: OrderedLine, *, is_captured: bool = False) -> Line:
    """Return a line as a fulfilment begins with it."""
    return Line(
        ordered.sku,
        ordered.quantity,
        ordered.unit_price_minor,
        is_captured=is_captured,
        discount_minor=ordered.discount_minor,
        tax_minor=ordered.tax_minor,
    )


class Shipment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One parcel. `asked` are the lines as ShipOrder named them, `lines` those that it has.

    `until_ms` is when a shipped one counts as delivered, and until when lines of a delivered one can be sent back.
    `is_presumed`: nobody confirmed that it arrived.
    """

    asked: tuple[int, ...]
    lines: tuple[int, ...]
    carrier: str
    tracking: str
    state: ShipmentState = ShipmentState.REQUESTED
    until_ms: int = 0
    is_presumed: bool = False


class Return(msgspec.Struct, frozen=True, omit_defaults=True):
    """One return. `asked` and `lines` as in Shipment; `received` are those that are here, with their disposition.

    `until_ms` is when a requested one counts as approved, and when the goods of an approved one must be here.
    """

    asked: tuple[int, ...]
    lines: tuple[int, ...]
    reason: str
    state: ReturnState = ReturnState.REQUESTED
    until_ms: int = 0
    received: dict[int, str] = {}

    @property
    def missing(self) -> tuple[int, ...]:
        """The lines that are not here."""
        return tuple(number for number in self.lines if number not in self.received)

    @property
    def is_under_way(self) -> bool:
        """Whether lines of it may still come."""
        return self.state in (ReturnState.REQUESTED, ReturnState.APPROVED)


PAYMENT_DISPUTED: Final = "payment_disputed"
PAYMENT_GONE: Final = "payment_gone"


class Fulfilment(OrderRecord):
    """One order's goods. `waits_for` says what has to happen next, `deadline_ms` what ends the waiting; None: nothing does.

    `is_returned`: OrderReturned was published. `blocked` is why no parcel may leave although its money was in: it is disputed,
    or gone. `gone_minor` went back at the processor without us, or is lost: not for goods.
    """

    state: FulfilmentState = FulfilmentState.NONE
    captures_at_shipping: bool = False
    is_lapsed: bool = False
    is_returned: bool = False
    ship_by_ms: int = 0
    lines: dict[int, Line] = msgspec.field(default_factory=dict)
    shipments: dict[str, Shipment] = msgspec.field(default_factory=dict)
    returns: dict[str, Return] = msgspec.field(default_factory=dict)
    waits_for: str = ""
    blocked: str = ""
    gone_minor: int = 0

    @property
    @override
    def is_settled(self) -> bool:
        return not self.waits_for

    @property
    @override
    def parts(self) -> int:
        return len(self.lines)

    def copy(self) -> Fulfilment:
        """Return a fulfilment that can evolve while this one stays as it is."""
        return replace(self, lines=dict(self.lines), shipments=dict(self.shipments), returns=dict(self.returns))

    def numbers(self, *states: LineState) -> list[int]:
        """Return the lines in these states, by number: what was loaded must decide the same as what stayed in memory."""
        return sorted(number for number, line in self.lines.items() if line.state in states)

    def line_of(self, number: int, sku: str) -> Line | None:
        """Return this line; one of that number for another SKU is not it."""
        line = self.lines.get(number)
        return line if line is not None and line.sku == sku else None

    def is_back(self, shipment: Shipment) -> bool:
        """Tell whether nothing of a parcel that left is still out."""
        return not any(self.lines[number].state is LineState.SHIPPED for number in shipment.lines)

    def return_of(self, number: int) -> tuple[str, Return] | None:
        """Return the return under way that has this line."""
        return next(
            ((name, each) for name, each in self.returns.items() if each.is_under_way and number in each.missing),
            None,
        )


SHIPMENT: Final = "shipment"
CAPTURE: Final = "capture"
INVENTORY: Final = "inventory"
DELIVERY: Final = "delivery"
RETURN_ANSWER: Final = "return_answer"
RETURN_ARRIVAL: Final = "return_arrival"


def next_wait(fulfilment: Fulfilment) -> tuple[str, int | None]:
    """Return what a fulfilment waits for first and until when; ("", None) where it waits for nothing.

    What is not in the merchant's or the customer's hands has no end of its own: inventory and payments answer.
    """
    if fulfilment.state in (FulfilmentState.NONE, FulfilmentState.CANCELLED):
        return "", None
    ends = list(_ends(fulfilment))
    states = {line.state for line in fulfilment.lines.values()}
    if LineState.OPEN in states and not states & UNDER_WAY:
        ends.append((fulfilment.ship_by_ms, SHIPMENT))
    if ends:
        end_ms, word = min(ends)
        return word, end_ms
    if LineState.REQUESTED in states:
        return CAPTURE, None
    return (INVENTORY, None) if states & {LineState.LEAVING, LineState.WITHDRAWING, LineState.RETURNING} else ("", None)


def _ends(fulfilment: Fulfilment) -> Iterable[tuple[int, str]]:
    for shipment in fulfilment.shipments.values():
        if shipment.state is ShipmentState.SHIPPED and not fulfilment.is_back(shipment):
            yield shipment.until_ms, DELIVERY
    for each in fulfilment.returns.values():
        if each.is_under_way:
            yield each.until_ms, RETURN_ANSWER if each.state is ReturnState.REQUESTED else RETURN_ARRIVAL
