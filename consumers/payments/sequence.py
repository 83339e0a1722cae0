"""One operation at a time: what is begun at once, what waits in line, and what is begun next. Pure.

Decision: docs/decisions, 021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.payments.evolve import applied
from consumers.payments.internal_events import Booked, OperationDropped, OperationQueued, Outcome, StartOperation
from consumers.payments.processor import OperationKind
from consumers.payments.state import (
    COVERED,
    DONE,
    PENDING,
    SUCCEEDED,
    UNCONFIRMED,
    Payment,
    QueuedOperation,
    operation_id,
)
from schemas import messages as m
from schemas.ids import CANCELLED, UNCOVERED
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.messages import Message

LAPSED_REASON: Final = "authorization_lapsed"
ORDER_OVER: Final = "order_over"
GIVEN_BEFORE: Final = "given_before"
DISPUTED: Final = "disputed"
_MAY_START: Final = (
    m.OrderRejected,
    m.OrderCancelled,
    m.OrderShipped,
    m.RetryOrder,
    m.ResolveOrder,
    m.RecordPaymentInspection,
)
"""What may have something begun although nothing was queued before."""


def may_start_next(payment: Payment, message: Message, outcomes: Sequence[Outcome]) -> bool:
    """Tell whether something may follow from the message beside what its own decision begins; mostly nothing can."""
    if payment.queue or payment.external or payment.is_closed or type(message) in _MAY_START:
        return True
    return any(type(outcome) is OperationQueued for outcome in outcomes)


def start_next(payment: Payment) -> list[Outcome]:
    """Return what is begun now, if nothing is under way: what is queued, then what an end leaves to be given back."""
    if payment.under_way:
        return []
    if payment.is_unconfirmed:
        return _cancel_unconfirmed(payment)
    outcomes: list[Outcome] = []
    while (wanted := _first_in_line(payment)) is not None:
        turn = _take_turn(payment, wanted)
        outcomes += turn
        if any(isinstance(outcome, StartOperation) for outcome in turn):
            return outcomes
        payment = applied(payment, turn)
    return [*outcomes, *_give_back(payment)]


def _first_in_line(payment: Payment) -> QueuedOperation | None:
    """Return what is next. Refunds wait while money is disputed: no processor refunds that, and who keeps it is not known."""
    waits = payment.disputed_minor > 0
    return next(
        (operation for operation in payment.queue if not (waits and operation.kind is OperationKind.REFUND)), None
    )


def _take_turn(payment: Payment, wanted: QueuedOperation) -> list[Outcome]:
    """Return what becomes of an operation whose turn it is: it starts, or it is dropped because there is nothing to move."""
    if wanted.kind is OperationKind.CAPTURE:
        if payment.uncovered_minor >= wanted.amount_minor > 0:
            return [OperationDropped(wanted), *cover(payment, wanted)]
        if (fault := why_not_captured(payment, wanted.amount_minor)) is not None:
            return [OperationDropped(wanted), not_captured(payment, wanted.reference, fault)]
    elif wanted.kind is OperationKind.REFUND:
        left_minor = payment.refundable_minor + wanted.amount_minor
        if left_minor < wanted.amount_minor:
            return [OperationDropped(wanted), *refund_what_is_left(payment, wanted, left_minor)]
    elif wanted.kind is OperationKind.VOID:
        if not payment.held_minor:
            return [OperationDropped(wanted)]
    elif not payment.knows(wanted.reference):
        return [OperationDropped(wanted)]
    return [start(payment, wanted)]


def cover(payment: Payment, wanted: QueuedOperation) -> list[Outcome]:
    """Take for a capture what somebody captured at the processor already."""
    return [
        book(payment, OperationKind.CAPTURE, wanted.amount_minor, wanted.reference, result=COVERED),
        m.PaymentCaptured(
            payment.order_id, payment.authorization_id, wanted.amount_minor, payment.currency, wanted.reference
        ),
    ]


def refund_what_is_left(payment: Payment, wanted: QueuedOperation, left_minor: int) -> list[Outcome]:
    """Give back what is left of what a refund was to give, and publish that it is less, or nothing."""
    left_minor = max(0, left_minor)
    rest = OperationQueued(QueuedOperation(wanted.kind, wanted.reference, left_minor))
    return [*([rest] if left_minor else []), reduced_refund(payment, wanted, left_minor)]


def reduced_refund(payment: Payment, wanted: QueuedOperation, left_minor: int, reason: str = "") -> m.RefundReduced:
    """Return the event that only so much of a refund goes back, since no more is left to give."""
    why = reason or (DISPUTED if payment.lost_minor or payment.disputed_minor else GIVEN_BEFORE)
    return m.RefundReduced(payment.order_id, wanted.reference, wanted.amount_minor, left_minor, why)


def inspection(authorization_id: str) -> QueuedOperation:
    """Return the operation that reads at the processor where an authorisation's money is."""
    return QueuedOperation(OperationKind.INSPECT, authorization_id, 0)


def start_or_queue(payment: Payment, wanted: QueuedOperation) -> list[Outcome]:
    """Begin it, or have it wait in line."""
    if payment.under_way or payment.queue or payment.is_unconfirmed:
        return [OperationQueued(wanted)]
    if wanted.kind is OperationKind.REFUND and payment.disputed_minor:
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
    elif kind is OperationKind.INSPECT:
        authorization_id = wanted.reference
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


def book(
    payment: Payment, kind: OperationKind, amount_minor: int, reference: str = "", *, result: str = SUCCEEDED
) -> Booked:
    """Return an attempt that is done without asking the processor."""
    number = payment.next_number(kind)
    attempt_id = operation_id(payment.order_id, kind, number)
    return Booked(attempt_id, kind, number, amount_minor, reference, payment.authorization_id, result)


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


def _cancel_unconfirmed(payment: Payment) -> list[Outcome]:
    again = any(wanted.kind is OperationKind.VOID for wanted in payment.queue)
    if again or (payment.is_closed and payment.state is PaymentState.REQUIRES_ACTION):
        return [void_unconfirmed(payment)]
    return []


def _give_back(payment: Payment) -> list[Outcome]:
    """Once no capture will follow, void what is held; once the order is over, refund what was captured too.

    What somebody captured at the processor, and that pays for nothing, goes back as well.
    """
    failed = {attempt.kind for attempt in payment.failed()}
    if payment.is_closed and payment.held_minor and OperationKind.VOID not in failed:
        return [start(payment, QueuedOperation(OperationKind.VOID, "", 0))]
    if payment.disputed_minor:
        return []
    if payment.order_over and (rest_minor := payment.refundable_minor) > 0:
        return _begin(payment, QueuedOperation(OperationKind.REFUND, CANCELLED, rest_minor))
    if (excess_minor := min(payment.excess_minor, payment.refundable_minor)) > 0:
        return _begin(payment, QueuedOperation(OperationKind.REFUND, UNCOVERED, excess_minor))
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
    for name, money in payment.external.items():
        moved = money.captured_minor - money.refunded_minor - money.disputed_minor - money.lost_minor
        left[name] = left.get(name, 0) + moved
    return next(((name, minor) for name, minor in left.items() if minor > 0), (payment.authorization_id, 0))
