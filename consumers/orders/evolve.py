"""How each message and each outcome changes an order: the only writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.orders.state import Line, LineFact, LineState, Order
from consumers.orders.transitions import LINE_TRANSITIONS, TRANSITIONS
from schemas import messages as m
from topology.states import OVER_ORDER_STATES, OrderState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

_ONLY_ANSWERED: Final = frozenset({m.LineRepeated, m.OrderCommandUnmatched})
_GATHERING: Final = frozenset({OrderState.UNKNOWN, OrderState.PENDING})


def evolve(order: Order, message: Message, outcomes: Iterable[Message], now: Now) -> bool:
    """Record the message, then what was decided about it. Return whether anything changed.

    An order that gathers its lines waits for the next event about it, as long as the deadlines say. What only answers
    somebody leaves no trace, so that a command about an order that nobody placed makes none.
    """
    if type(message) in _ONLY_ANSWERED:
        return False
    order.updated_at_ms = now.at_ms
    if (record := _BY_MESSAGE.get(type(message))) is not None:
        record(order, message)
    for outcome in outcomes:
        if (apply := _BY_OUTCOME.get(type(outcome))) is not None:
            apply(order, outcome)
    order.deadline_ms = now.at_ms + now.deadlines.gather_ms if order.state is OrderState.PENDING else None
    return True


# --- by the message itself ------------------------------------------------------------------------------------------------


def _begin(order: Order, fact: m.LineReserved | m.LineRejected) -> None:
    order.state = OrderState.PENDING
    order.customer_id, order.terms, order.line_count = fact.customer_id, fact.terms, fact.line_count


def _record_reserved(order: Order, fact: m.LineReserved) -> None:
    if order.state is OrderState.UNKNOWN:
        _begin(order, fact)
    if not order.currency:
        order.currency, order.payment_token = fact.currency, fact.payment_token
    known = order.lines.get(fact.line)
    if known is None:
        is_over = order.state in OVER_ORDER_STATES
        left_out = bool(order.header_differences(fact)) if is_over else order.state not in _GATHERING
        order.lines[fact.line] = _reserved_line(fact, left_out=left_out)
    elif known.sku == fact.sku and known.state is LineState.REJECTED:
        order.lines[fact.line] = _reserved_line(fact, left_out=known.left_out)


def _reserved_line(fact: m.LineReserved, *, left_out: bool) -> Line:
    charges = (fact.discount_minor, fact.tax_minor, fact.shipping_minor)
    return Line(fact.sku, fact.quantity, fact.unit_price_minor, LineState.RESERVED, left_out, *charges)


def _record_rejected(order: Order, fact: m.LineRejected) -> None:
    if order.state is OrderState.UNKNOWN:
        _begin(order, fact)
    if fact.line not in order.lines and (order.state in _GATHERING or order.state in OVER_ORDER_STATES):
        order.lines[fact.line] = Line(fact.sku, fact.quantity, 0, LineState.REJECTED)


def _set_line_state(order: Order, fact: LineFact) -> None:
    if (line := order.line_of(fact)) is not None:
        line.state = LINE_TRANSITIONS[line.state].get(type(fact), line.state)


def _set_state(order: Order, fact: Message) -> None:
    """Follow a fact of fulfilment, which moves the order itself: no outcome says so once more."""
    for state in TRANSITIONS[order.state][type(fact)].leads_to:
        order.state = OrderState(state)


# --- by what was decided --------------------------------------------------------------------------------------------------


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


_BY_MESSAGE: Final[Mapping[type[Message], Callable[[Order, Any], None]]] = {
    m.LineReserved: _record_reserved,
    m.LineRejected: _record_rejected,
    **dict.fromkeys((message for row in LINE_TRANSITIONS.values() for message in row), _set_line_state),
    **dict.fromkeys((m.OrderShipped, m.OrderDelivered, m.OrderReturned), _set_state),
}
_BY_OUTCOME: Final[Mapping[type[Message], Callable[[Order, Any], None]]] = {
    m.OrderReserved: _reserve,
    m.CommitLine: _commit,
    m.OrderPlaced: _place,
    m.OrderPaid: _pay,
    m.OrderRejected: _reject,
    m.OrderCancelled: _cancel,
    m.ReleaseLine: _give_back,
    m.ReturnLine: _give_back,
}
