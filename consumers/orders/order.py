"""The state that orders decides on, and how each fact and each outcome changes it: one order with its lines."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from schemas import messages as m
from topology.states import OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.messages import Message


class LineState(StrEnum):
    """Where a line stands as far as its order has heard; `releasing` and `returning` wait for inventory's word."""

    RESERVED = "reserved"
    REJECTED = "rejected"
    RELEASING = "releasing"
    RELEASED = "released"
    EXPIRED = "expired"
    COMMITTED = "committed"
    COMMIT_FAILED = "commit_failed"
    RETURNING = "returning"
    RETURNED = "returned"


class Line(msgspec.Struct):
    """One line as first heard of. `unit_price_minor` is in minor units of the order's currency."""

    sku: str
    quantity: int
    unit_price_minor: int
    state: LineState


class Order(msgspec.Struct):
    """One order. It is `unknown` until its first line is heard of; `amount_minor` is 0 until every line is reserved."""

    state: OrderState = OrderState.UNKNOWN
    reason: str = ""
    customer_id: str = ""
    payment_token: str = ""
    currency: str = ""
    line_count: int = 0
    amount_minor: int = 0
    authorized: bool = False
    lines: dict[int, Line] = {}
    updated_at_ms: int = 0
    is_stored: bool = False

    def line_of(self, message: LineFact) -> Line | None:
        """Return the line that the message is about; a line of that number for another SKU is not it."""
        line = self.lines.get(message.line)
        return line if line is not None and line.sku == message.sku else None

    def lines_in(self, state: LineState) -> list[tuple[int, Line]]:
        """Return the numbered lines in this state, by number: a reloaded order must say the same as one in memory."""
        return [(number, line) for number, line in sorted(self.lines.items()) if line.state is state]


LineFact = (
    m.LineReserved
    | m.LineRejected
    | m.LineReleased
    | m.LineExpired
    | m.LineCommitted
    | m.LineCommitFailed
    | m.LineReturned
)

_TURNS: Final[Mapping[type[Message], tuple[LineState, frozenset[LineState]]]] = {
    m.LineReleased: (LineState.RELEASED, frozenset({LineState.RESERVED, LineState.RELEASING})),
    m.LineExpired: (LineState.EXPIRED, frozenset({LineState.RESERVED, LineState.RELEASING})),
    m.LineCommitted: (
        LineState.COMMITTED,
        frozenset({LineState.RESERVED, LineState.RELEASING, LineState.EXPIRED, LineState.COMMIT_FAILED}),
    ),
    m.LineCommitFailed: (LineState.COMMIT_FAILED, frozenset({LineState.RELEASED, LineState.EXPIRED})),
    m.LineReturned: (LineState.RETURNED, frozenset({LineState.COMMITTED, LineState.RETURNING})),
}
"""The state that a fact turns a line to, and from which states: an echo of an older fact must not turn it back."""


def evolve(order: Order, fact: Message, outcomes: Iterable[Message], at_ms: int) -> None:
    """Write down the fact, then what was decided about it."""
    order.updated_at_ms = at_ms
    if isinstance(fact, m.LineReserved | m.LineRejected):
        _hear_first_of(order, fact)
    elif (turn := _TURNS.get(type(fact))) is not None:
        line = order.line_of(fact)  # type: ignore[arg-type]  # the keys of _TURNS are LineFacts
        if line is not None and line.state in turn[1]:
            line.state = turn[0]
    for outcome in outcomes:
        _apply(order, outcome)


def _hear_first_of(order: Order, fact: m.LineReserved | m.LineRejected) -> None:
    if order.state is OrderState.UNKNOWN:
        order.state = OrderState.PENDING
        order.customer_id, order.line_count = fact.customer_id, fact.line_count
    if isinstance(fact, m.LineReserved):
        if not order.currency:
            order.currency, order.payment_token = fact.currency, fact.payment_token
        known = order.lines.get(fact.line)
        if known is None or (known.sku == fact.sku and known.state is LineState.REJECTED):
            order.lines[fact.line] = Line(fact.sku, fact.quantity, fact.unit_price_minor, LineState.RESERVED)
    elif fact.line not in order.lines:
        order.lines[fact.line] = Line(fact.sku, fact.quantity, 0, LineState.REJECTED)


def _apply(order: Order, outcome: Message) -> None:
    match outcome:
        case m.OrderReserved():
            order.state, order.amount_minor = OrderState.RESERVED, outcome.amount_minor
        case m.OrderPlaced():
            order.state, order.authorized = OrderState.PLACED, True
        case m.OrderPaid():
            order.state = OrderState.PAID
        case m.OrderRejected():
            order.state, order.reason = OrderState.REJECTED, outcome.reason
        case m.OrderCancelled():
            order.state, order.reason = OrderState.CANCELLED, outcome.reason
        case m.CommitLine():
            order.authorized = True
        case m.ReleaseLine():
            _turn(order, outcome, LineState.RELEASING)
        case m.ReturnLine():
            _turn(order, outcome, LineState.RETURNING)


def _turn(order: Order, command: m.ReleaseLine | m.ReturnLine, state: LineState) -> None:
    line = order.lines.get(command.line)
    if line is not None and line.sku == command.sku:
        line.state = state
