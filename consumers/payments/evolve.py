"""What is decided about an order's money, and how it changes the state: the only writer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from consumers.payments.payment import (
    DONE,
    FAILED,
    PENDING,
    REQUIRES_ACTION,
    SUCCEEDED,
    Attempt,
    Payment,
    Wish,
)
from consumers.payments.processor import OperationKind
from schemas import messages as m
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Sequence


class StartOperation(msgspec.Struct, frozen=True):
    """The processor is to be asked, once the attempt is durable; what it answers is logged."""

    order_id: str
    operation_id: str
    kind: OperationKind
    number: int
    amount_minor: int
    reference: str = ""
    authorization_id: str = ""
    is_last: bool = True


class Booked(msgspec.Struct, frozen=True):
    """An attempt that is done without asking: nothing has to be moved, or time has moved it."""

    operation_id: str
    kind: OperationKind
    number: int
    amount_minor: int
    reference: str = ""
    authorization_id: str = ""


class Answered(msgspec.Struct, frozen=True):
    """What is known of an attempt now; an authorisation's id and end (ms, 0: unsaid) come with it."""

    operation_id: str
    result: str
    authorization_id: str = ""
    expires_at_ms: int = 0


class Queued(msgspec.Struct, frozen=True):
    """Something is to be done once nothing else is under way."""

    wish: Wish


class Dropped(msgspec.Struct, frozen=True):
    """A wish that waited in line will not be fulfilled."""

    wish: Wish


class OrderEnded(msgspec.Struct, frozen=True):
    """The order is over without a sale."""


class AllShipped(msgspec.Struct, frozen=True):
    """No capture will follow."""


class CaptureAtShipping(msgspec.Struct, frozen=True):
    """The money is captured shipment by shipment."""


class LapseNoted(msgspec.Struct, frozen=True):
    """The authorisation ended at `at_ms`, while something else was under way."""

    at_ms: int


Inside: TypeAlias = (
    StartOperation | Booked | Answered | Queued | Dropped | OrderEnded | AllShipped | CaptureAtShipping | LapseNoted
)
"""Outcomes that stay inside the room; every change of the state is among them."""
Outcome: TypeAlias = m.Message | Inside

_UNDER_WAY: Final = {
    OperationKind.AUTHORIZE: PaymentState.AUTHORIZING,
    OperationKind.CAPTURE: PaymentState.CAPTURING,
    OperationKind.VOID: PaymentState.VOIDING,
    OperationKind.REFUND: PaymentState.REFUNDING,
}
_RENEWED: Final = frozenset(
    {
        PaymentState.AUTHORIZED,
        PaymentState.PARTIALLY_CAPTURED,
        PaymentState.REFUND_FAILED,
        PaymentState.VOID_FAILED,
    }
)
"""Where the end of an authorisation has to be seen to."""


def evolve(payment: Payment, message: m.Message, outcomes: Sequence[Outcome], at_ms: int) -> None:
    """Write down what was decided about the message."""
    payment.updated_at_ms = at_ms
    if payment.state is PaymentState.NONE and isinstance(message, m.OrderReserved):
        payment.amount_minor, payment.currency = message.amount_minor, message.currency
        payment.customer_id, payment.payment_token = message.customer_id, message.payment_token
    for outcome in outcomes:
        _apply(payment, outcome, at_ms)
    if payment.under_way:
        payment.state = _UNDER_WAY[payment.attempts[payment.under_way].kind]
        payment.deadline_ms = None
        return
    payment.state = _at_rest(payment)
    if payment.state is not PaymentState.REQUIRES_ACTION:
        lapses = payment.expires_at_ms and payment.state in _RENEWED and payment.held_minor
        payment.deadline_ms = payment.expires_at_ms if lapses else None


def evolved(payment: Payment, message: m.Message, outcomes: Sequence[Outcome], at_ms: int) -> Payment:
    """Return the payment as it will be, and leave this one as it is."""
    after: Payment = msgspec.structs.replace(payment, attempts=dict(payment.attempts))
    evolve(after, message, outcomes, at_ms)
    return after


def _apply(payment: Payment, outcome: Outcome, at_ms: int) -> None:
    match outcome:
        case StartOperation():
            _start(payment, outcome, at_ms)
        case Answered():
            _answer(payment, outcome)
        case Booked():
            attempt = _attempt(outcome, SUCCEEDED, at_ms)
            payment.attempts[attempt.operation_id] = attempt
            _book(payment, attempt)
        case Queued():
            payment.due = (*payment.due, outcome.wish)
        case Dropped():
            payment.due = tuple(wish for wish in payment.due if wish != outcome.wish)
        case _:
            _note(payment, outcome)


def _note(payment: Payment, outcome: Outcome) -> None:
    match outcome:
        case m.PaymentRequiresAction():
            payment.deadline_ms = outcome.until_ms
        case OrderEnded():
            payment.order_over = True
        case AllShipped():
            payment.all_shipped = True
        case CaptureAtShipping():
            payment.at_shipping = True
        case LapseNoted():
            payment.expires_at_ms = outcome.at_ms


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
    if payment.due:
        payment.due = tuple(_without(payment.due, attempt))


def _without(due: Sequence[Wish], attempt: Attempt) -> list[Wish]:
    """Return what is due but for what is begun; of a refund that takes several operations the rest stays."""
    left: list[Wish] = []
    for wish in due:
        if wish.kind is not attempt.kind or wish.reference != attempt.reference:
            left.append(wish)
        elif wish.kind is OperationKind.REFUND and wish.amount_minor > attempt.amount_minor:
            left.append(Wish(wish.kind, wish.reference, wish.amount_minor - attempt.amount_minor))
    return left


def _answer(payment: Payment, answer: Answered) -> None:
    asked = payment.attempts[answer.operation_id]
    amount_minor, authorization_id = asked.amount_minor, asked.authorization_id
    if asked.kind is OperationKind.AUTHORIZE:
        authorization_id = answer.authorization_id or authorization_id
        if answer.result in (SUCCEEDED, REQUIRES_ACTION):
            payment.authorization_id, payment.expires_at_ms = authorization_id, answer.expires_at_ms
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
    if answer.result in DONE:
        _book(payment, attempt)


def _book(payment: Payment, attempt: Attempt) -> None:
    """Add to the ledger of money what an attempt has moved."""
    if attempt.kind is OperationKind.AUTHORIZE:
        payment.authorized_minor += attempt.amount_minor
    elif attempt.kind is OperationKind.CAPTURE:
        payment.captured_minor += attempt.amount_minor
    elif attempt.kind is OperationKind.VOID:
        payment.voided_minor += attempt.amount_minor
    else:
        payment.refunded_minor += attempt.amount_minor


def _at_rest(payment: Payment) -> PaymentState:
    """Return where the money stands while nothing is under way: its figures, and what of it went wrong, say that."""
    failed = {it.kind for it in payment.failed()}
    if OperationKind.VOID in failed:
        return PaymentState.VOID_FAILED
    if payment.is_unconfirmed:
        return PaymentState.REQUIRES_ACTION
    if OperationKind.REFUND in failed:
        return PaymentState.REFUND_FAILED
    if not payment.amount_minor:
        return _at_rest_for_free(payment)
    return _holding(payment) if payment.held_minor else _holding_nothing(payment)


def _holding_nothing(payment: Payment) -> PaymentState:
    if not payment.authorized_minor:
        return PaymentState.DECLINED
    authorization = payment.latest(OperationKind.AUTHORIZE)
    if authorization is not None and authorization.number > 1 and payment.missing_minor > 0 and not payment.is_closed:
        return PaymentState.LAPSED
    if not payment.captured_minor:
        return PaymentState.VOIDED
    if not payment.refunded_minor:
        return PaymentState.CAPTURED
    is_all = payment.refunded_minor == payment.captured_minor
    return PaymentState.REFUNDED if is_all else PaymentState.PARTIALLY_REFUNDED


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
