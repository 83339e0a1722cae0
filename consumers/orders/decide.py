"""What an order answers to each fact: one function for each answer named in `topology/states.py`. Pure.

`evolve` writes the fact down after the decision, so a decision looks at the order as it was before the fact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.orders.order import LineFact, LineState, Order
from schemas import messages as m
from schemas.ids import is_in_window, is_order_id
from schemas.limits import SETTLING_MS
from topology.order_answers import ORDER_ANSWERS
from topology.states import FINAL_ORDER_STATES, OUTSIDE_WINDOW, OrderState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.messages import Message


def decide(order: Order, fact: Message) -> list[Message]:
    """Return what follows from the fact. Raises RefusedError where the saga knows no such turn."""
    return ANSWERS[ORDER_ANSWERS[order.state][type(fact)]](order, fact)


def is_forgotten(order: Order, fact: Message, at_ms: int) -> bool:
    """Tell whether the fact is about an order that is over, or not known, so long after its time that nothing follows.

    Orders that are over are dropped some time after the window (infra/maintenance). So what is said later about one must
    be answered as for one that was never heard of. Raises RefusedError for a fact from which something would follow.
    """
    order_id: str = fact.order_id  # type: ignore[attr-defined]  # every fact about an order has one
    at_work = order.state is not OrderState.UNKNOWN and order.state not in FINAL_ORDER_STATES
    if at_work or not is_order_id(order_id) or is_in_window(order_id, at_ms, margin_ms=SETTLING_MS):
        return False
    if isinstance(fact, m.LineReserved | m.LineCommitted | m.PaymentCaptured):
        raise RefusedError(OUTSIDE_WINDOW, f"{type(fact).__name__} of {order_id}, of which nothing is kept any more")
    return True


# --- gathering ----------------------------------------------------------------------------------------------------------


def gather_line(order: Order, fact: m.LineReserved) -> list[Message]:
    """Take in a reserved line; with the last one the order is reserved and its payment may begin."""
    if not is_order_id(fact.order_id):
        raise RefusedError("invalid_order_id", f"{fact.order_id!r} is no UUIDv7 in canonical form")
    if (known := order.lines.get(fact.line)) is not None:
        return [] if known.sku == fact.sku else [_release(fact, "conflicting_line")]
    if order.lines and _header(order) != (fact.line_count, fact.customer_id, fact.currency, fact.payment_token):
        return [*_reject(order, fact, "inconsistent_header"), _release(fact, "inconsistent_header")]
    held = order.lines_in(LineState.RESERVED)
    if len(held) + 1 < fact.line_count:
        return []
    amount_minor = sum(line.quantity * line.unit_price_minor for _, line in held)
    return [
        m.OrderReserved(
            fact.order_id,
            fact.line_count,
            amount_minor + fact.quantity * fact.unit_price_minor,
            fact.currency,
            fact.customer_id,
            fact.payment_token,
        )
    ]


def commit_lines(order: Order, fact: m.PaymentAuthorized) -> list[Message]:
    """Ask inventory to commit every line now that the money is held."""
    if order.authorized:
        return []
    commits = [
        m.CommitLine(fact.order_id, number, line.sku)
        for number, line in sorted(order.lines.items())
        if line.state is not LineState.COMMITTED
    ]
    return [*commits] if commits else [_placed(order, fact.order_id)]


def gather_commit(order: Order, fact: m.LineCommitted) -> list[Message]:
    """Take in a committed line; with the last one of an authorised order it is placed."""
    line = order.line_of(fact)
    if line is None:
        return [_return(fact, "conflicting_line")]
    if line.state is LineState.COMMITTED or not order.authorized:
        return []
    committed = len(order.lines_in(LineState.COMMITTED)) + 1
    return [_placed(order, fact.order_id)] if committed == order.line_count else []


def pay(order: Order, fact: m.PaymentCaptured) -> list[Message]:
    """The money is in: the order is paid."""
    return [m.OrderPaid(fact.order_id, order.amount_minor, order.currency)]


# --- ending without a sale ------------------------------------------------------------------------------------------------


def reject_for_line(order: Order, fact: m.LineRejected) -> list[Message]:
    """One line is not to be had, so the order is not: give the others back."""
    if not is_order_id(fact.order_id):
        raise RefusedError("invalid_order_id", f"{fact.order_id!r} is no UUIDv7 in canonical form")
    return _reject(order, fact, fact.reason)


def reject_for_release(order: Order, fact: m.LineReleased) -> list[Message]:
    """Somebody gave a line back while others were still being gathered."""
    if order.line_of(fact) is None:
        return []
    return _reject(order, fact, "line_released")


def reject_incomplete(order: Order, fact: m.LineExpired) -> list[Message]:
    """A hold ended before every line had arrived: the order was never published whole."""
    if order.line_of(fact) is None:
        return []
    return _reject(order, fact, "incomplete")


def reject_for_payment(order: Order, fact: m.PaymentDeclined) -> list[Message]:
    """No money: give everything back."""
    return _reject(order, fact, "payment_declined")


def reject_for_commit(order: Order, fact: m.LineCommitted | m.LineCommitFailed) -> list[Message]:
    """A line could not be committed (its hold ended and the stock is gone), or was before anyone had paid."""
    if isinstance(fact, m.LineCommitFailed):
        return _reject(order, fact, fact.reason) if order.line_of(fact) is not None else []
    return [*_reject(order, fact, "committed_unasked"), _return(fact, "committed_unasked")]


def reject_for_return(order: Order, fact: m.LineReturned) -> list[Message]:
    """Somebody took a committed line away before the order was placed."""
    if order.line_of(fact) is None:
        return []
    return _reject(order, fact, "line_returned")


def cancel_for_capture(order: Order, fact: m.PaymentCaptureFailed) -> list[Message]:
    """The authorised money could not be taken: the placed order ends, its goods go back."""
    return [m.OrderCancelled(fact.order_id, "capture_failed"), *_undo(order, fact, "capture_failed")]


# --- after the end ----------------------------------------------------------------------------------------------------------


def release_late(order: Order, fact: m.LineReserved) -> list[Message]:
    """The order is over, yet a line was reserved for it: give it back. Its echo finds the line given back already."""
    line = order.line_of(fact)
    if line is None or line.state is LineState.REJECTED:
        return [_release(fact, "order_over")]
    return []


def release_conflicting(order: Order, fact: m.LineReserved) -> list[Message]:
    """Every line is known already: this is an echo, unless it names another SKU; then its hold goes back."""
    return [] if order.line_of(fact) is not None else [_release(fact, "conflicting_line")]


def return_late(order: Order, fact: m.LineCommitted) -> list[Message]:
    """The order is over, yet a line was committed for it: give it back, once."""
    line = order.line_of(fact)
    if line is None or line.state not in (LineState.RETURNING, LineState.RETURNED):
        return [_return(fact, "order_over")]
    return []


def return_conflicting(order: Order, fact: m.LineCommitted) -> list[Message]:
    """Every line is committed already: this is an echo, unless it names another SKU; then its units go back."""
    return [] if order.line_of(fact) is not None else [_return(fact, "conflicting_line")]


def note_only(order: Order, fact: Message) -> list[Message]:
    """Nothing follows; `evolve` writes the fact down where it is about a line."""
    del order, fact
    return []


def refuse(order: Order, fact: Message) -> list[Message]:
    """Refuse what cannot follow from the saga. Raises RefusedError, always."""
    raise RefusedError("unexpected", f"{type(fact).__name__} cannot happen to an order that is {order.state.value}")


# --- parts of answers ---------------------------------------------------------------------------------------------------------


def _reject(order: Order, fact: LineFact | m.PaymentDeclined, reason: str) -> list[Message]:
    return [m.OrderRejected(fact.order_id, reason), *_undo(order, fact, reason)]


def _undo(order: Order, fact: Message, reason: str) -> list[Message]:
    """Give back all that the order has, except the line whose end the fact itself reports.

    Lines whose CommitLine is unanswered are not touched: the answer comes, and finds the order over.
    """
    order_id: str = fact.order_id  # type: ignore[attr-defined]  # every fact about an order has one
    ended = order.line_of(fact) if isinstance(fact, _ENDS_A_HOLD) else None
    back: list[Message] = [
        m.ReturnLine(order_id, number, line.sku, reason)
        for number, line in order.lines_in(LineState.COMMITTED)
        if line is not ended
    ]
    if not order.authorized:
        back += [
            m.ReleaseLine(order_id, number, line.sku, reason)
            for number, line in order.lines_in(LineState.RESERVED)
            if line is not ended
        ]
    return back


_ENDS_A_HOLD: Final = (m.LineReleased, m.LineExpired, m.LineCommitted, m.LineReturned)
"""Not LineRejected and LineCommitFailed: where their line is held, they answer a faulty duplicate, or are echoes of a
command that came before the hold."""


def _header(order: Order) -> tuple[int, str, str, str]:
    return order.line_count, order.customer_id, order.currency, order.payment_token


def _placed(order: Order, order_id: str) -> m.OrderPlaced:
    return m.OrderPlaced(order_id, order.amount_minor, order.currency)


def _release(fact: m.LineReserved, reason: str) -> m.ReleaseLine:
    return m.ReleaseLine(fact.order_id, fact.line, fact.sku, reason)


def _return(fact: m.LineCommitted, reason: str) -> m.ReturnLine:
    return m.ReturnLine(fact.order_id, fact.line, fact.sku, reason)


ANSWERS: Final[Mapping[str, Callable[..., list[Message]]]] = {
    "gather_line": gather_line,
    "commit_lines": commit_lines,
    "gather_commit": gather_commit,
    "pay": pay,
    "reject_for_line": reject_for_line,
    "reject_for_release": reject_for_release,
    "reject_incomplete": reject_incomplete,
    "reject_for_payment": reject_for_payment,
    "reject_for_commit": reject_for_commit,
    "reject_for_return": reject_for_return,
    "cancel_for_capture": cancel_for_capture,
    "release_late": release_late,
    "release_conflicting": release_conflicting,
    "return_late": return_late,
    "return_conflicting": return_conflicting,
    "leave_to_payments": note_only,
    "note_line": note_only,
    "ignore_duplicate": note_only,
    "refuse": refuse,
}
