"""The state that orders decides on: one order with its lines."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
from typing_extensions import override

from consumers.runtime.order_keyed import OrderRecord
from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE, TERMS
from topology.states import CLOSED_ORDER_STATES, OrderState


class LineState(StrEnum):
    """Where a line stands as far as its order knows; `releasing` and `returning` wait for inventory's answer."""

    RESERVED = "reserved"
    REJECTED = "rejected"
    RELEASING = "releasing"
    RELEASED = "released"
    EXPIRED = "expired"
    COMMITTED = "committed"
    COMMIT_FAILED = "commit_failed"
    RETURNING = "returning"
    RETURNED = "returned"


class Line(msgspec.Struct, omit_defaults=True):
    """One line as its first event described it. Money is in minor units of the order's currency.

    The order goes on without one that is `left_out`: it was not to be had, or came when the others were all there, or
    when the order was over and with another header.
    """

    sku: str
    quantity: int
    unit_price_minor: int
    state: LineState
    left_out: bool = False
    discount_minor: int = 0
    tax_minor: int = 0
    shipping_minor: int = 0

    @property
    def amount_minor(self) -> int:
        """What the line costs; shipping is the order's."""
        return self.quantity * self.unit_price_minor - self.discount_minor + self.tax_minor


class Order(OrderRecord):
    """One order. It is `unknown` until its first event; `amount_minor` is 0 until every line is answered.

    `line_count` is the number of its lines, and once they are all answered that of the lines that it goes on with.
    `deadline_ms` is when an order that still gathers its lines is given up, unless another event comes before.
    """

    state: OrderState = OrderState.UNKNOWN
    reason: str = ""
    customer_id: str = ""
    payment_token: str = ""
    currency: str = ""
    terms: str = ""
    line_count: int = 0
    amount_minor: int = 0
    lines: dict[int, Line] = msgspec.field(default_factory=dict)

    @property
    @override
    def is_settled(self) -> bool:
        return self.state is OrderState.UNKNOWN or self.state in CLOSED_ORDER_STATES

    @property
    @override
    def parts(self) -> int:
        return len(self.lines)

    def line_of(self, message: LineFact) -> Line | None:
        """Return the line that the message is about; a line of that number for another SKU is not it."""
        line = self.lines.get(message.line)
        return line if line is not None and line.sku == message.sku else None

    def own_line_of(self, message: LineFact) -> Line | None:
        """Return the line that the message is about, if the order goes on with it."""
        line = self.line_of(message)
        return line if line is not None and not line.left_out else None

    def own_lines(self) -> list[tuple[int, Line]]:
        """Return the lines that the order goes on with, by number."""
        return [(number, line) for number, line in sorted(self.lines.items()) if not line.left_out]

    def lines_in(self, state: LineState) -> list[tuple[int, Line]]:
        """Return the numbered lines in this state, by number: a reloaded order must decide the same as one in memory."""
        return [(number, line) for number, line in sorted(self.lines.items()) if line.state is state]

    def header_differences(self, fact: m.LineReserved | m.LineRejected | m.LineRepeated) -> list[str]:
        """Return in words what all lines of an order share and this one has otherwise; a rejected one has no money."""
        fields = ["customer_id", "terms"]
        if not isinstance(fact, m.LineRepeated) or not ships_available(self.terms):
            fields.append("line_count")
        if self.currency and not isinstance(fact, m.LineRejected):
            fields += ["currency", "payment_token", "shipping_minor"]
        return [
            f"{name} differs" if name == "payment_token" else f"{name} {placed!r} was placed, {sent!r} sent now"
            for name in fields
            if (placed := getattr(self, name)) != (sent := getattr(fact, name))
        ]

    @property
    def shipping_minor(self) -> int:
        """What the order is charged for shipping, as its own lines have it: all the same."""
        priced = (line for _, line in self.own_lines() if line.state is not LineState.REJECTED)
        return next((line.shipping_minor for line in priced), 0)

    @property
    def captures_at_shipping(self) -> bool:
        """Tell whether fulfilment has the order as soon as it is placed, before any money is captured."""
        return self.terms in _CAPTURING_AT_SHIPPING


def ships_available(terms: str) -> bool:
    """Tell whether an order under these terms goes on with the lines that could be reserved."""
    return terms in _SHIPPING_AVAILABLE


# Terms that make no sense are rejected by inventory, and are neither of these.
_SHIPPING_AVAILABLE: Final = frozenset(terms for terms in TERMS if SHIP_AVAILABLE in terms.split())
_CAPTURING_AT_SHIPPING: Final = frozenset(terms for terms in TERMS if CAPTURE_AT_SHIPPING in terms.split())

LineFact = (
    m.LineReserved
    | m.LineRejected
    | m.LineRepeated
    | m.LineReleased
    | m.LineExpired
    | m.LineCommitted
    | m.LineCommitFailed
    | m.LineReturned
)
