"""What an order decides on each message in each state, and where that may lead: the only table (see deciding/transitions.py)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from consumers.orders.decide import (
    commit_lines,
    compare_repeated,
    gather_commit,
    gather_line,
    gather_rejection,
    pay,
    refuse_unmatched,
    ship,
)
from consumers.orders.state import LineState
from consumers.orders.termination import (
    ask_fulfilment,
    cancel,
    cancel_for_capture,
    cancel_for_fulfilment,
    cancel_for_return,
    cancel_placed,
    ignore_repeat,
    refuse_command,
    reject_for_commit,
    reject_for_early_commit,
    reject_for_payment,
    reject_for_release,
    reject_for_return,
    reject_incomplete,
    reject_overdue,
    release_conflicting,
    release_late,
    return_conflicting,
    return_late,
)
from consumers.runtime.deciding.outcomes import (
    ignore_duplicate,
    ignore_timer,
    leave_to_payments,
    record_fact,
    refuse,
)
from consumers.runtime.deciding.transitions import Row, Transitions, to, transitions
from schemas import messages as m
from topology.states import OrderState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.orders.state import Order
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

ROOM: Final = "orders"

_NO_GOODS: Final[Row] = {
    m.FulfilmentCancelled: refuse,
    m.OrderShipped: refuse,
    m.OrderDelivered: refuse,
    m.OrderReturned: refuse,
}
"""Fulfilment has nothing of an order that is not placed."""
_NO_MONEY: Final[Row] = {
    m.PaymentAuthorized: refuse,
    m.PaymentDeclined: refuse,
    m.PaymentCaptured: refuse,
    m.PaymentCaptureFailed: refuse,
}
_LATE_LINES: Final[Row] = {
    m.LineReserved: release_late,
    m.LineRejected: ignore_duplicate,
    m.LineRepeated: compare_repeated,
    m.LineReleased: record_fact,
    m.LineExpired: record_fact,
    m.LineCommitted: return_late,
    m.LineCommitFailed: record_fact,
    m.LineReturned: record_fact,
}
"""Of an order that ended without a sale: whatever comes in for it is given back."""
_SOLD_LINES: Final[Row] = {
    m.LineReserved: release_conflicting,
    m.LineRejected: ignore_duplicate,
    m.LineRepeated: compare_repeated,
    m.LineReleased: record_fact,
    m.LineExpired: record_fact,
    m.LineCommitted: return_conflicting,
    m.LineCommitFailed: ignore_duplicate,
    m.LineReturned: record_fact,
}
"""Of an order whose every line is committed, and whose goods are fulfilment's business."""
_SOLD_MONEY: Final[Row] = {
    m.PaymentAuthorized: leave_to_payments,
    m.PaymentDeclined: refuse,
    m.PaymentCaptured: ignore_duplicate,
    m.PaymentCaptureFailed: ignore_duplicate,
}


S: Final = OrderState

TRANSITIONS: Final[Transitions[OrderState]] = transitions(
    ROOM,
    OrderState,
    {
        S.UNKNOWN: {
            m.LineReserved: to(gather_line, S.PENDING, S.RESERVED),
            m.LineRejected: to(gather_rejection, S.PENDING, S.REJECTED),
            m.LineRepeated: compare_repeated,
            m.LineReleased: refuse,
            m.LineExpired: refuse,
            m.LineCommitted: refuse,
            m.LineCommitFailed: refuse,
            m.LineReturned: refuse,
            **_NO_MONEY,
            m.CancelOrder: to(cancel, S.CANCELLED),
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            **_NO_GOODS,
        },
        S.PENDING: {
            # Lines are missing; this was the last one; it contradicts the others.
            m.LineReserved: to(gather_line, S.PENDING, S.RESERVED, S.REJECTED),
            # Under ship_available, lines are missing, or this was the last one; else it ends the order.
            m.LineRejected: to(gather_rejection, S.PENDING, S.RESERVED, S.REJECTED),
            m.LineRepeated: compare_repeated,
            m.LineReleased: to(reject_for_release, S.REJECTED),
            m.LineExpired: to(reject_incomplete, S.REJECTED),
            m.LineCommitted: to(reject_for_early_commit, S.REJECTED),
            m.LineCommitFailed: record_fact,
            m.LineReturned: record_fact,
            **_NO_MONEY,
            m.CancelOrder: to(cancel, S.CANCELLED),
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: to(reject_overdue, S.REJECTED),
            **_NO_GOODS,
        },
        S.RESERVED: {
            m.LineReserved: release_conflicting,
            m.LineRejected: ignore_duplicate,
            m.LineRepeated: compare_repeated,
            m.LineReleased: record_fact,
            m.LineExpired: record_fact,
            m.LineCommitted: return_conflicting,
            m.LineCommitFailed: record_fact,
            m.LineReturned: to(reject_for_return, S.REJECTED),
            # Commits are missing; none is.
            m.PaymentAuthorized: to(commit_lines, S.COMMITTING, S.PLACED),
            m.PaymentDeclined: to(reject_for_payment, S.REJECTED),
            m.PaymentCaptured: refuse,
            m.PaymentCaptureFailed: refuse,
            m.CancelOrder: to(cancel, S.CANCELLED),
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            **_NO_GOODS,
        },
        S.COMMITTING: {
            m.LineReserved: release_conflicting,
            m.LineRejected: ignore_duplicate,
            m.LineRepeated: compare_repeated,
            m.LineReleased: record_fact,
            m.LineExpired: record_fact,
            # Commits are missing; this was the last one.
            m.LineCommitted: to(gather_commit, S.COMMITTING, S.PLACED),
            m.LineCommitFailed: to(reject_for_commit, S.REJECTED),
            m.LineReturned: to(reject_for_return, S.REJECTED),
            m.PaymentAuthorized: ignore_duplicate,
            m.PaymentDeclined: refuse,
            m.PaymentCaptured: refuse,
            m.PaymentCaptureFailed: refuse,
            m.CancelOrder: to(cancel, S.CANCELLED),
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            **_NO_GOODS,
        },
        S.PLACED: {
            **_SOLD_LINES,
            m.LineReturned: to(cancel_for_return, S.CANCELLED),
            m.PaymentAuthorized: leave_to_payments,
            m.PaymentDeclined: refuse,
            m.PaymentCaptured: to(pay, S.PAID),
            m.PaymentCaptureFailed: to(cancel_for_capture, S.CANCELLED),
            m.CancelOrder: to(cancel_placed, S.CANCELLED),
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            m.FulfilmentCancelled: to(cancel_for_fulfilment, S.CANCELLED),
            m.OrderShipped: to(ship, S.SHIPPED),
            m.OrderDelivered: refuse,
            m.OrderReturned: refuse,
        },
        S.PAID: {
            **_SOLD_LINES,
            **_SOLD_MONEY,
            m.CancelOrder: ask_fulfilment,
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            m.FulfilmentCancelled: to(cancel_for_fulfilment, S.CANCELLED),
            m.OrderShipped: to(ship, S.SHIPPED),
            m.OrderDelivered: refuse,
            m.OrderReturned: refuse,
        },
        S.SHIPPED: {
            **_SOLD_LINES,
            **_SOLD_MONEY,
            m.CancelOrder: refuse_command,
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            m.FulfilmentCancelled: refuse,
            m.OrderShipped: ignore_duplicate,
            m.OrderDelivered: to(record_fact, S.DELIVERED),
            m.OrderReturned: to(record_fact, S.RETURNED),
        },
        S.DELIVERED: {
            **_SOLD_LINES,
            **_SOLD_MONEY,
            m.CancelOrder: refuse_command,
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            m.FulfilmentCancelled: refuse,
            m.OrderShipped: ignore_duplicate,
            m.OrderDelivered: ignore_duplicate,
            m.OrderReturned: to(record_fact, S.RETURNED),
        },
        S.RETURNED: {
            **_SOLD_LINES,
            **_SOLD_MONEY,
            m.CancelOrder: refuse_command,
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            m.FulfilmentCancelled: refuse,
            m.OrderShipped: ignore_duplicate,
            m.OrderDelivered: ignore_duplicate,
            m.OrderReturned: ignore_duplicate,
        },
        S.REJECTED: {
            **_LATE_LINES,
            m.PaymentAuthorized: leave_to_payments,
            m.PaymentDeclined: leave_to_payments,
            m.PaymentCaptured: refuse,
            m.PaymentCaptureFailed: leave_to_payments,
            m.CancelOrder: refuse_command,
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            **_NO_GOODS,
        },
        S.CANCELLED: {
            **_LATE_LINES,
            m.PaymentAuthorized: leave_to_payments,
            m.PaymentDeclined: leave_to_payments,
            m.PaymentCaptured: leave_to_payments,
            m.PaymentCaptureFailed: leave_to_payments,
            m.CancelOrder: ignore_repeat,
            m.OrderCommandUnmatched: refuse_unmatched,
            m.EndWaits: ignore_timer,
            **_NO_GOODS,
            m.FulfilmentCancelled: ignore_duplicate,
        },
    },
)

_HELD_LINE: Final[Mapping[type[Message], LineState]] = {
    m.LineReleased: LineState.RELEASED,
    m.LineExpired: LineState.EXPIRED,
    m.LineCommitted: LineState.COMMITTED,
}
LINE_TRANSITIONS: Final[Mapping[LineState, Mapping[type[Message], LineState]]] = MappingProxyType(
    {
        LineState.RESERVED: _HELD_LINE,
        LineState.RELEASING: _HELD_LINE,
        LineState.REJECTED: {},
        LineState.RELEASED: {m.LineCommitFailed: LineState.COMMIT_FAILED},
        LineState.EXPIRED: {m.LineCommitted: LineState.COMMITTED, m.LineCommitFailed: LineState.COMMIT_FAILED},
        LineState.COMMIT_FAILED: {m.LineCommitted: LineState.COMMITTED},
        LineState.COMMITTED: {m.LineReturned: LineState.RETURNED},
        LineState.RETURNING: {m.LineReturned: LineState.RETURNED},
        LineState.RETURNED: {},
    }
)
"""What a fact makes of a line, by the line's state; whatever is not named is an echo of an older fact and changes nothing."""


def decide(order: Order, message: Message, now: Now) -> list[Any]:
    """Return what follows from the message. Raises RefusedError where the saga knows no such transition."""
    return TRANSITIONS[order.state][type(message)].decide(order, message, now)
