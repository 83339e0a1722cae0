"""What an order answers to each message, by the name that `topology/order_answers.py` gives: here how it advances. Pure.

How it ends, and what it answers afterwards, is in `end.py`. `evolve` writes the message down after the decision, so a
decision looks at the order as it was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.orders import end
from consumers.orders.order import LineState, Order, ships_available
from consumers.text import require_order_id
from schemas import messages as m
from schemas.ids import is_in_window, is_order_id
from schemas.limits import SETTLING_MS
from topology.order_answers import ORDER_ANSWERS
from topology.states import CLOSED_ORDER_STATES, OUTSIDE_WINDOW, OrderState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consumers.orders.order import Line
    from schemas.messages import Message

NOT_TO_BE_HAD: Final = frozenset({"insufficient_stock", "purchase_limit", "sale_suspended", "sku_retired"})
"""Why a line is rejected though nothing is wrong with it: under ship_available the order goes on with the others."""


def decide(order: Order, message: Message) -> list[Message]:
    """Return what follows from the message. Raises RefusedError where the saga knows no such turn."""
    return ANSWERS[ORDER_ANSWERS[order.state][type(message)]](order, message)


# --- long after -----------------------------------------------------------------------------------------------------------


def is_forgotten(order: Order, message: Message, at_ms: int) -> bool:
    """Tell whether the message is about an order that is closed, or not known, so long after its time.

    Orders that are closed are dropped some time after the window (infra/ops/retention). So what is said later about one
    must be answered as for one that was never heard of.
    """
    if order.state is not OrderState.UNKNOWN and order.state not in CLOSED_ORDER_STATES:
        return False
    order_id: str = message.order_id  # type: ignore[attr-defined]  # every message to an order has one
    return is_order_id(order_id) and not is_in_window(order_id, at_ms, margin_ms=SETTLING_MS)


def answer_for_forgotten(message: Message) -> list[Message]:
    """Return what follows from a message of which `is_forgotten` is true: at most that it is refused.

    Raises RefusedError for a fact from which something would follow.
    """
    if isinstance(message, m.CancelOrder):
        return [end.refused(message, OUTSIDE_WINDOW)]
    if isinstance(message, m.LineReserved | m.LineCommitted | m.PaymentCaptured | m.FulfilmentCancelled):
        raise RefusedError(
            OUTSIDE_WINDOW, f"{type(message).__name__} of {message.order_id}, of which nothing is kept any more"
        )
    return []


# --- gathering ------------------------------------------------------------------------------------------------------------


def gather_line(order: Order, fact: m.LineReserved) -> list[Message]:
    """Take in a reserved line; with the last one the order is reserved and its payment may begin."""
    require_order_id(fact.order_id)
    known = order.lines.get(fact.line)
    if known is not None and known.sku != fact.sku:
        return [end.release(fact, "conflicting_line")]
    if known is not None and known.state is not LineState.REJECTED:
        return []
    if order.lines and _contradicts(order, fact, (fact.currency, fact.payment_token)):
        return [*end.reject(order, fact, "inconsistent_header"), end.release(fact, "inconsistent_header")]
    if len(order.lines) + (known is None) < fact.line_count:
        return []
    held = [line for _, line in order.lines_in(LineState.RESERVED)]
    amount_minor = _price(held) + fact.quantity * fact.unit_price_minor
    header = (fact.currency, fact.customer_id, fact.payment_token)
    return [m.OrderReserved(fact.order_id, len(held) + 1, amount_minor, *header)]


def gather_rejection(order: Order, fact: m.LineRejected) -> list[Message]:
    """Take in that a line is not to be had: usually the order is not to be had then, and gives the others back.

    Under ship_available it goes on with the others, if there are any when all lines are answered.
    """
    require_order_id(fact.order_id)
    if not ships_available(fact.terms) or fact.reason not in NOT_TO_BE_HAD:
        return end.reject(order, fact, fact.reason)
    if order.lines and _contradicts(order, fact, (order.currency, order.payment_token)):
        return end.reject(order, fact, "inconsistent_header")
    if fact.line in order.lines or len(order.lines) + 1 < fact.line_count:
        return []
    held = [line for _, line in order.lines_in(LineState.RESERVED)]
    if not held:
        return end.reject(order, fact, fact.reason)
    header = (order.currency, order.customer_id, order.payment_token)
    return [m.OrderReserved(fact.order_id, len(held), _price(held), *header)]


def _contradicts(order: Order, fact: m.LineReserved | m.LineRejected, paid_with: tuple[str, str]) -> bool:
    """Tell whether a line's header is not that of the lines before it; a rejected one does not say how it is paid."""
    if (order.line_count, order.customer_id, order.terms) != (fact.line_count, fact.customer_id, fact.terms):
        return True
    return bool(order.currency) and (order.currency, order.payment_token) != paid_with


def _price(lines: Iterable[Line]) -> int:
    return sum(line.quantity * line.unit_price_minor for line in lines)


# --- committing -----------------------------------------------------------------------------------------------------------


def commit_lines(order: Order, fact: m.PaymentAuthorized) -> list[Message]:
    """Ask inventory to commit every line now that the money is held."""
    commits = [
        m.CommitLine(fact.order_id, number, line.sku)
        for number, line in order.own_lines()
        if line.state is not LineState.COMMITTED
    ]
    return [*commits] if commits else [_placed(order, fact.order_id)]


def gather_commit(order: Order, fact: m.LineCommitted) -> list[Message]:
    """Take in a committed line; with the last one the order is placed."""
    line = order.own_line_of(fact)
    if line is None:
        return end.return_conflicting(order, fact)
    if line.state is LineState.COMMITTED:
        return []
    committed = sum(each.state is LineState.COMMITTED for each in order.lines.values()) + 1
    return [_placed(order, fact.order_id)] if committed == order.line_count else []


def _placed(order: Order, order_id: str) -> m.OrderPlaced:
    lines = _ordered_lines(order) if order.captures_at_shipping else ()
    return m.OrderPlaced(order_id, order.amount_minor, order.currency, order.terms, lines)


def _ordered_lines(order: Order) -> tuple[m.OrderedLine, ...]:
    return tuple(
        m.OrderedLine(number, line.sku, line.quantity, line.unit_price_minor) for number, line in order.own_lines()
    )


# --- selling --------------------------------------------------------------------------------------------------------------


def pay(order: Order, fact: m.PaymentCaptured) -> list[Message]:
    """The money is in: the order is paid. Where it is captured for a shipment, that is fulfilment's business."""
    if fact.reference:
        return []
    return [m.OrderPaid(fact.order_id, order.amount_minor, order.currency, _ordered_lines(order))]


def ship(order: Order, fact: m.OrderShipped) -> list[Message]:
    """Nothing is left in the house of an order that fulfilment has."""
    if order.state is OrderState.PLACED and not order.captures_at_shipping:
        return end.refuse(order, fact)
    return []


ANSWERS: Final[Mapping[str, Callable[..., list[Message]]]] = {
    "gather_line": gather_line,
    "gather_rejection": gather_rejection,
    "commit_lines": commit_lines,
    "gather_commit": gather_commit,
    "pay": pay,
    "ship": ship,
    "deliver": end.note_only,
    "take_back": end.note_only,
    "reject_for_release": end.reject_for_release,
    "reject_incomplete": end.reject_incomplete,
    "reject_overdue": end.reject_overdue,
    "reject_for_early_commit": end.reject_for_early_commit,
    "reject_for_payment": end.reject_for_payment,
    "reject_for_commit": end.reject_for_commit,
    "reject_for_return": end.reject_for_return,
    "cancel": end.cancel,
    "cancel_placed": end.cancel_placed,
    "cancel_for_return": end.cancel_for_return,
    "cancel_for_capture": end.cancel_for_capture,
    "cancel_for_fulfilment": end.cancel_for_fulfilment,
    "ask_fulfilment": end.ask_fulfilment,
    "release_late": end.release_late,
    "release_conflicting": end.release_conflicting,
    "return_late": end.return_late,
    "return_conflicting": end.return_conflicting,
    "leave_to_payments": end.note_only,
    "note_line": end.note_only,
    "wait_on": end.note_only,
    "ignore_duplicate": end.note_only,
    "ignore_repeat": end.ignore_repeat,
    "refuse_command": end.refuse_command,
    "refuse": end.refuse,
}
