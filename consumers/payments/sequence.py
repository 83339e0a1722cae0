"""One operation at a time: what is begun at once, what waits in line, and what is begun next. Pure.

Decision: docs/decisions, 021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.payments.processor import OperationKind
from consumers.payments.state import (
    CANCELLED,
    DONE,
    PENDING,
    SUCCEEDED,
    UNCONFIRMED,
    Booked,
    OperationDropped,
    OperationQueued,
    Outcome,
    Payment,
    QueuedOperation,
    StartOperation,
    operation_id,
)
from schemas import messages as m
from topology.states import PaymentState

if TYPE_CHECKING:
    from schemas.messages import Message

LAPSED_REASON: Final = "authorization_lapsed"
ORDER_OVER: Final = "order_over"
_ENDS: Final = (m.OrderRejected, m.OrderCancelled, m.OrderShipped, m.RetryOrder, m.ResolveOrder)
"""What may have something begun although nothing was queued before."""


def may_start_next(payment: Payment, message: Message) -> bool:
    """Tell whether something may follow from the message beside what its own decision begins; mostly nothing can."""
    return bool(payment.queue) or payment.is_closed or type(message) in _ENDS


def start_next(payment: Payment) -> list[Outcome]:
    """Return what is begun now, if nothing is under way: what is queued, then what an end leaves to be given back."""
    if payment.under_way:
        return []
    if payment.is_unconfirmed:
        return _cancel_unconfirmed(payment)
    outcomes: list[Outcome] = []
    for wanted in payment.queue:
        if (fault := _fault(payment, wanted)) is None:
            return [*outcomes, start(payment, wanted)]
        outcomes.append(OperationDropped(wanted))
        if wanted.kind is OperationKind.CAPTURE:
            outcomes.append(not_captured(payment, wanted.reference, fault))
    return [*outcomes, *_give_back(payment)]


def start_or_queue(payment: Payment, wanted: QueuedOperation) -> list[Outcome]:
    """Begin it, or have it wait in line."""
    if payment.under_way or payment.queue or payment.is_unconfirmed:
        return [OperationQueued(wanted)]
    return _begin(payment, wanted)


def _begin(payment: Payment, wanted: QueuedOperation) -> list[Outcome]:
    operation = start(payment, wanted)
    rest_minor = wanted.amount_minor - operation.amount_minor
    if wanted.kind is OperationKind.REFUND and rest_minor > 0:
        return [operation, OperationQueued(QueuedOperation(wanted.kind, wanted.reference, rest_minor))]
    return [operation]


def start(payment: Payment, wanted: QueuedOperation) -> StartOperation:
    """Return the operation that starts now. What is refunded was captured on one authorisation."""
    kind, amount_minor, authorization_id = wanted.kind, wanted.amount_minor, payment.authorization_id
    is_last = True
    if kind is OperationKind.AUTHORIZE:
        authorization_id = ""
    elif kind is OperationKind.CAPTURE:
        is_last = amount_minor == payment.held_minor
    elif kind is OperationKind.VOID:
        amount_minor = payment.held_minor
    else:
        authorization_id, captured_minor = _captured_on(payment)
        amount_minor = min(amount_minor, captured_minor)
    number = payment.next_number(kind)
    return StartOperation(
        payment.order_id,
        operation_id(payment.order_id, kind, number),
        kind,
        number,
        amount_minor,
        wanted.reference,
        authorization_id,
        is_last,
    )


def book(payment: Payment, kind: OperationKind, amount_minor: int, reference: str = "") -> Booked:
    """Return an attempt that is done without asking the processor."""
    number = payment.next_number(kind)
    attempt_id = operation_id(payment.order_id, kind, number)
    return Booked(attempt_id, kind, number, amount_minor, reference, payment.authorization_id)


def void_unconfirmed(payment: Payment) -> StartOperation:
    """Cancel at the processor what the customer has not confirmed; only then is it known that nothing is held."""
    return start(payment, QueuedOperation(OperationKind.VOID, UNCONFIRMED, 0))


def not_captured(payment: Payment, reference: str, reason: str) -> m.PaymentCaptureFailed:
    """Return the event that a capture will not be, whoever refused it."""
    return m.PaymentCaptureFailed(payment.order_id, payment.authorization_id, reason, reference)


def why_not_captured(payment: Payment, amount_minor: int) -> str | None:
    """Return why the amount cannot be captured of what is held, or None where it can."""
    if payment.is_closed:
        return ORDER_OVER
    if amount_minor <= payment.held_minor:
        return None
    return LAPSED_REASON if payment.missing_minor > 0 else "exceeds_authorized"


def _fault(payment: Payment, wanted: QueuedOperation) -> str | None:
    if wanted.kind is OperationKind.CAPTURE:
        return why_not_captured(payment, wanted.amount_minor)
    if wanted.kind is OperationKind.VOID and not payment.held_minor:
        return "nothing_held"
    return None


def _cancel_unconfirmed(payment: Payment) -> list[Outcome]:
    again = any(wanted.kind is OperationKind.VOID for wanted in payment.queue)
    if again or (payment.is_closed and payment.state is PaymentState.REQUIRES_ACTION):
        return [void_unconfirmed(payment)]
    return []


def _give_back(payment: Payment) -> list[Outcome]:
    """Once no capture will follow, void what is held; once the order is over, refund what was captured too."""
    failed = {attempt.kind for attempt in payment.failed()}
    if payment.is_closed and payment.held_minor and OperationKind.VOID not in failed:
        return [start(payment, QueuedOperation(OperationKind.VOID, "", 0))]
    if payment.order_over and (rest_minor := payment.refundable_minor) > 0:
        return _begin(payment, QueuedOperation(OperationKind.REFUND, CANCELLED, rest_minor))
    return []


def _captured_on(payment: Payment) -> tuple[str, int]:
    """Return an authorisation of which the processor may still refund something, and how much. By hand is beside it."""
    left: dict[str, int] = {}
    for attempt in payment.attempts.values():
        sign = 0
        if attempt.kind is OperationKind.CAPTURE and attempt.result in DONE:
            sign = 1
        elif attempt.kind is OperationKind.REFUND and attempt.result in (SUCCEEDED, PENDING):
            sign = -1
        left[attempt.authorization_id] = left.get(attempt.authorization_id, 0) + sign * attempt.amount_minor
    return next(((name, minor) for name, minor in left.items() if minor > 0), (payment.authorization_id, 0))
