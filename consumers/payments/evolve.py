"""How each outcome changes an order's money: the only writer. Pure.

Decision: docs/decisions, 022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.payments.internal_events import (
    AllShipped,
    AttemptResolved,
    Booked,
    CaptureAtShipping,
    ExpiryNoted,
    ExternalBooked,
    OperationDropped,
    OperationQueued,
    OrderEnded,
    Outcome,
    ResolveQueued,
    StartOperation,
)
from consumers.payments.processor import OperationKind
from consumers.payments.state import (
    DONE,
    FAILED,
    NOTHING_EXTERNAL,
    PENDING,
    REQUIRES_ACTION,
    SUCCEEDED,
    Attempt,
    Payment,
    QueuedOperation,
)
from schemas import messages as m
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.deciding.now import Now

_UNDER_WAY: Final = {
    OperationKind.AUTHORIZE: PaymentState.AUTHORIZING,
    OperationKind.CAPTURE: PaymentState.CAPTURING,
    OperationKind.VOID: PaymentState.VOIDING,
    OperationKind.REFUND: PaymentState.REFUNDING,
    OperationKind.INSPECT: PaymentState.INSPECTING,
}
_RENEWED: Final = frozenset(
    {
        PaymentState.AUTHORIZED,
        PaymentState.PARTIALLY_CAPTURED,
        PaymentState.REFUND_FAILED,
        PaymentState.VOID_FAILED,
        PaymentState.DISPUTED,
    }
)
"""Where the end of an authorisation has to be seen to."""


def evolve(payment: Payment, message: m.Message, outcomes: Sequence[Outcome], now: Now) -> bool:
    """Apply what was decided about the message; what only informs others changes nothing. Return whether anything changed."""
    if all(isinstance(outcome, m.Message) for outcome in outcomes):
        return False
    payment.updated_at_ms = now.at_ms
    if payment.state is PaymentState.NONE and isinstance(message, m.OrderReserved):
        payment.amount_minor, payment.currency = message.amount_minor, message.currency
        payment.customer_id, payment.payment_token = message.customer_id, message.payment_token
    for outcome in outcomes:
        _apply(payment, outcome, now.at_ms)
    if payment.under_way:
        payment.state = _UNDER_WAY[payment.attempts[payment.under_way].kind]
        payment.deadline_ms = None
        return True
    payment.state = _at_rest(payment)
    if payment.state is not PaymentState.REQUIRES_ACTION:
        lapses = payment.expires_at_ms and payment.state in _RENEWED and payment.held_minor
        payment.deadline_ms = payment.expires_at_ms if lapses else None
    return True


def applied(payment: Payment, outcomes: Sequence[Outcome]) -> Payment:
    """Return the payment as these outcomes of the same message leave it, for what is decided after them."""
    after = payment.copy()
    for outcome in outcomes:
        _apply(after, outcome, payment.updated_at_ms)
    return after


def _apply(payment: Payment, outcome: Outcome, at_ms: int) -> None:
    match outcome:
        case StartOperation():
            _start(payment, outcome, at_ms)
        case AttemptResolved():
            _answer(payment, outcome)
        case Booked():
            attempt = _attempt(outcome, outcome.result, at_ms)
            payment.attempts[attempt.operation_id] = attempt
            _book(payment, attempt)
        case ExternalBooked():
            _book_external(payment, outcome)
        case OperationQueued():
            payment.queue = (*payment.queue, outcome.operation)
        case OperationDropped():
            payment.queue = tuple(queued for queued in payment.queue if queued != outcome.operation)
        case _:
            _apply_fact(payment, outcome)


def _apply_fact(payment: Payment, outcome: Outcome) -> None:
    match outcome:
        case m.PaymentRequiresAction():
            payment.deadline_ms = outcome.until_ms
        case OrderEnded():
            payment.order_over = True
        case AllShipped():
            payment.all_shipped = True
        case CaptureAtShipping():
            payment.at_shipping = True
        case ExpiryNoted():
            payment.expires_at_ms = outcome.at_ms
        case ResolveQueued():
            payment.resolving = outcome.note


def _attempt(asked: StartOperation | Booked, result: str, at_ms: int) -> Attempt:
    return Attempt(
        asked.operation_id,
        asked.kind,
        asked.number,
        asked.amount_minor,
        asked.reference,
        asked.authorization_id,
        result,
        at_ms,
    )


def _start(payment: Payment, operation: StartOperation, at_ms: int) -> None:
    attempt = _attempt(operation, PENDING, at_ms)
    payment.attempts[attempt.operation_id] = attempt
    payment.under_way = attempt.operation_id
    if payment.queue:
        payment.queue = tuple(_without(payment.queue, attempt))


def _without(queue: Sequence[QueuedOperation], attempt: Attempt) -> list[QueuedOperation]:
    """Return the queue without what is begun; of a refund that takes several operations the rest stays."""
    left: list[QueuedOperation] = []
    for queued in queue:
        if queued.kind is not attempt.kind or queued.reference != attempt.reference:
            left.append(queued)
        elif queued.kind is OperationKind.REFUND and queued.amount_minor > attempt.amount_minor:
            left.append(QueuedOperation(queued.kind, queued.reference, queued.amount_minor - attempt.amount_minor))
    return left


def _answer(payment: Payment, answer: AttemptResolved) -> None:
    asked = payment.attempts[answer.operation_id]
    _book(payment, asked, sign=-1)
    amount_minor, authorization_id = asked.amount_minor, asked.authorization_id
    if asked.kind is OperationKind.AUTHORIZE:
        authorization_id = answer.authorization_id or authorization_id
        if answer.result in (SUCCEEDED, REQUIRES_ACTION):
            payment.authorization_id, payment.expires_at_ms = authorization_id, answer.expires_at_ms
    elif answer.amount_minor is not None:
        amount_minor = answer.amount_minor
    elif asked.kind is OperationKind.VOID and answer.result in DONE:
        amount_minor = payment.held_minor
    attempt = Attempt(
        asked.operation_id,
        asked.kind,
        asked.number,
        amount_minor,
        asked.reference,
        authorization_id,
        answer.result,
        asked.started_at_ms,
    )
    payment.attempts[answer.operation_id] = attempt
    if payment.under_way == answer.operation_id:
        payment.under_way = ""
    _book(payment, attempt)


def _book(payment: Payment, attempt: Attempt, *, sign: int = 1) -> None:
    """Add to the ledger of money what an attempt has moved, or take it out where something else is known now."""
    if attempt.result not in DONE:
        return
    moved_minor = sign * attempt.amount_minor
    if attempt.kind is OperationKind.AUTHORIZE:
        payment.authorized_minor += moved_minor
    elif attempt.kind is OperationKind.CAPTURE:
        payment.captured_minor += moved_minor
    elif attempt.kind is OperationKind.VOID:
        payment.voided_minor += moved_minor
    elif attempt.kind is OperationKind.REFUND:
        payment.refunded_minor += moved_minor


def _book_external(payment: Payment, booked: ExternalBooked) -> None:
    before, after = payment.external.get(booked.authorization_id, NOTHING_EXTERNAL), booked.money
    payment.external = {**payment.external, booked.authorization_id: after}
    payment.captured_minor += after.captured_minor - before.captured_minor
    payment.voided_minor += after.voided_minor - before.voided_minor
    payment.refunded_minor += after.refunded_minor - before.refunded_minor


def _at_rest(payment: Payment) -> PaymentState:
    """Return where the money stands while nothing is under way: its figures, and what of it went wrong, decide that."""
    failed = {attempt.kind for attempt in payment.failed()}
    if OperationKind.VOID in failed:
        return PaymentState.VOID_FAILED
    if payment.is_unconfirmed:
        return PaymentState.REQUIRES_ACTION
    if OperationKind.REFUND in failed:
        return PaymentState.REFUND_FAILED
    if payment.disputed_minor:
        return PaymentState.DISPUTED
    if not payment.amount_minor:
        return _at_rest_for_free(payment)
    return _holding(payment) if payment.held_minor else _holding_nothing(payment)


def _holding_nothing(payment: Payment) -> PaymentState:
    if not payment.authorized_minor:
        return PaymentState.DECLINED
    if payment.missing_minor > 0 and not payment.is_closed:
        return PaymentState.LAPSED
    if not payment.captured_minor:
        return PaymentState.VOIDED
    if payment.left_minor == payment.captured_minor:
        return PaymentState.CAPTURED
    return PaymentState.PARTIALLY_REFUNDED if payment.left_minor > 0 else PaymentState.REFUNDED


def _holding(payment: Payment) -> PaymentState:
    if payment.captured_minor:
        return PaymentState.PARTIALLY_CAPTURED
    captured = payment.latest(OperationKind.CAPTURE)
    refused = captured is not None and captured.result == FAILED and not payment.at_shipping
    return PaymentState.CAPTURE_FAILED if refused else PaymentState.AUTHORIZED


def _at_rest_for_free(payment: Payment) -> PaymentState:
    """Return where an order that costs nothing stands: its money moves without asking anybody."""
    if payment.latest(OperationKind.CAPTURE) is not None:
        return PaymentState.CAPTURED
    return PaymentState.VOIDED if payment.is_closed else PaymentState.AUTHORIZED
