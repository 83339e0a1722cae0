"""The state that orders decides on, and how each fact and each outcome changes it: one order with its lines."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas import messages as m
from schemas.limits import GATHER_MS
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE, TERMS
from topology.states import OVER_ORDER_STATES, OrderState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


class Line(msgspec.Struct, omit_defaults=True):
    """One line as first heard of. `unit_price_minor` is in minor units of the order's currency.

    The order goes on without one that is `left_out`: it was not to be had, or came when the others were all there.
    """

    sku: str
    quantity: int
    unit_price_minor: int
    state: LineState
    left_out: bool = False


class Order(msgspec.Struct):
    """One order. It is `unknown` until something is heard of it; `amount_minor` is 0 until every line is answered.

    `line_count` is the number of its lines, and once they are all answered that of the lines that it goes on with.
    `deadline_ms` is when an order that still gathers its lines is given up, unless more is heard of it before.
    """

    order_id: str
    state: OrderState = OrderState.UNKNOWN
    reason: str = ""
    customer_id: str = ""
    payment_token: str = ""
    currency: str = ""
    terms: str = ""
    line_count: int = 0
    amount_minor: int = 0
    lines: dict[int, Line] = {}
    deadline_ms: int | None = None
    updated_at_ms: int = 0
    is_stored: bool = False

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
        """Return the numbered lines in this state, by number: a reloaded order must say the same as one in memory."""
        return [(number, line) for number, line in sorted(self.lines.items()) if line.state is state]

    @property
    def captures_at_shipping(self) -> bool:
        """Tell whether fulfilment has the order as soon as it is placed, before any money is captured."""
        return self.terms in _CAPTURING_AT_SHIPPING


def ships_available(terms: str) -> bool:
    """Tell whether an order under these terms goes on with the lines that could be reserved."""
    return terms in _SHIPPING_AVAILABLE


# Terms that make no sense are rejected by inventory, and are none of ours.
_SHIPPING_AVAILABLE: Final = frozenset(terms for terms in TERMS if SHIP_AVAILABLE in terms.split())
_CAPTURING_AT_SHIPPING: Final = frozenset(terms for terms in TERMS if CAPTURE_AT_SHIPPING in terms.split())

LineFact = (
    m.LineReserved
    | m.LineRejected
    | m.LineReleased
    | m.LineExpired
    | m.LineCommitted
    | m.LineCommitFailed
    | m.LineReturned
)

_GATHERING: Final = frozenset({OrderState.UNKNOWN, OrderState.PENDING})

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

_MOVES: Final[Mapping[type[Message], tuple[OrderState, frozenset[OrderState]]]] = {
    m.OrderShipped: (OrderState.SHIPPED, frozenset({OrderState.PLACED, OrderState.PAID})),
    m.OrderDelivered: (OrderState.DELIVERED, frozenset({OrderState.SHIPPED})),
    m.OrderReturned: (OrderState.RETURNED, frozenset({OrderState.SHIPPED, OrderState.DELIVERED})),
}
"""The state that fulfilment's word moves an order to, and from which states."""


def evolve(order: Order, fact: Message, outcomes: Iterable[Message], at_ms: int, *, gather_ms: int = GATHER_MS) -> None:
    """Write down the fact, then what was decided about it. `at_ms` is its append time (ms since the epoch, UTC).

    An order that gathers its lines waits for the next word about it for `gather_ms`.
    """
    order.updated_at_ms = at_ms
    hear = _HEAR.get(type(fact))
    if hear is not None:
        hear(order, fact)
    for outcome in outcomes:
        apply = _APPLY.get(type(outcome))
        if apply is not None:
            apply(order, outcome)
    order.deadline_ms = at_ms + gather_ms if order.state is OrderState.PENDING else None


# --- what is heard --------------------------------------------------------------------------------------------------------


def _begin(order: Order, fact: m.LineReserved | m.LineRejected) -> None:
    order.state = OrderState.PENDING
    order.customer_id, order.terms, order.line_count = fact.customer_id, fact.terms, fact.line_count


def _hear_reserved(order: Order, fact: m.LineReserved) -> None:
    if order.state is OrderState.UNKNOWN:
        _begin(order, fact)
    if not order.currency:
        order.currency, order.payment_token = fact.currency, fact.payment_token
    known = order.lines.get(fact.line)
    if known is None:
        left_out = order.state not in _GATHERING and order.state not in OVER_ORDER_STATES
        order.lines[fact.line] = Line(
            fact.sku, fact.quantity, fact.unit_price_minor, LineState.RESERVED, left_out=left_out
        )
    elif known.sku == fact.sku and known.state is LineState.REJECTED:
        known.quantity, known.unit_price_minor, known.state = fact.quantity, fact.unit_price_minor, LineState.RESERVED


def _hear_rejected(order: Order, fact: m.LineRejected) -> None:
    if order.state is OrderState.UNKNOWN:
        _begin(order, fact)
    if fact.line not in order.lines and (order.state in _GATHERING or order.state in OVER_ORDER_STATES):
        order.lines[fact.line] = Line(fact.sku, fact.quantity, 0, LineState.REJECTED)


def _turn_line(order: Order, fact: LineFact) -> None:
    line = order.line_of(fact)
    to, of = _TURNS[type(fact)]
    if line is not None and line.state in of:
        line.state = to


def _move(order: Order, fact: Message) -> None:
    to, of = _MOVES[type(fact)]
    if order.state in of:
        order.state = to


# --- what was decided -----------------------------------------------------------------------------------------------------


def _reserve(order: Order, outcome: m.OrderReserved) -> None:
    order.state, order.amount_minor, order.line_count = OrderState.RESERVED, outcome.amount_minor, outcome.line_count
    if order.terms:
        for line in order.lines.values():
            line.left_out = line.state is LineState.REJECTED


def _commit(order: Order, _: m.CommitLine) -> None:
    order.state = OrderState.COMMITTING


def _place(order: Order, _: m.OrderPlaced) -> None:
    order.state = OrderState.PLACED


def _pay(order: Order, _: m.OrderPaid) -> None:
    order.state = OrderState.PAID


def _reject(order: Order, outcome: m.OrderRejected) -> None:
    order.state, order.reason = OrderState.REJECTED, outcome.reason


def _cancel(order: Order, outcome: m.OrderCancelled) -> None:
    order.state, order.reason = OrderState.CANCELLED, outcome.reason


def _give_back(order: Order, command: m.ReleaseLine | m.ReturnLine) -> None:
    line = order.lines.get(command.line)
    if line is not None and line.sku == command.sku:
        line.state = LineState.RELEASING if type(command) is m.ReleaseLine else LineState.RETURNING


_HEAR: Final[Mapping[type[Message], Callable[[Order, Any], None]]] = {
    m.LineReserved: _hear_reserved,
    m.LineRejected: _hear_rejected,
    **dict.fromkeys(_TURNS, _turn_line),
    **dict.fromkeys(_MOVES, _move),
}
_APPLY: Final[Mapping[type[Message], Callable[[Order, Any], None]]] = {
    m.OrderReserved: _reserve,
    m.CommitLine: _commit,
    m.OrderPlaced: _place,
    m.OrderPaid: _pay,
    m.OrderRejected: _reject,
    m.OrderCancelled: _cancel,
    m.ReleaseLine: _give_back,
    m.ReturnLine: _give_back,
}
