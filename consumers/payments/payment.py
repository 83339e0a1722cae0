"""The state that payments decides on, and how each outcome changes it: one order's money."""

from __future__ import annotations

import msgspec

from consumers.payments.processor import OperationKind
from schemas import messages as m
from topology.states import PaymentState


class Payment(msgspec.Struct):
    """One order's money. `order_over` says that the order ended while the processor's answer was under way."""

    state: PaymentState = PaymentState.NONE
    amount_minor: int = 0
    currency: str = ""
    customer_id: str = ""
    payment_token: str = ""
    authorization_id: str = ""
    order_over: bool = False
    updated_at_ms: int = 0
    is_stored: bool = False


class StartOperation(msgspec.Struct, frozen=True):
    """The processor is to be asked, once the attempt is durable. It stays inside the room: its result is logged."""

    order_id: str
    kind: OperationKind


Outcome = m.Message | StartOperation

_STARTED = {
    OperationKind.AUTHORIZE: PaymentState.AUTHORIZING,
    OperationKind.CAPTURE: PaymentState.CAPTURING,
    OperationKind.VOID: PaymentState.VOIDING,
}


def operation_id(order_id: str, kind: OperationKind) -> str:
    """Return the id of an attempt, which is its idempotency key at the processor: one of each kind per order."""
    return f"{order_id}:{kind.value}"


def evolve(payment: Payment, message: m.Message, outcomes: list[Outcome], at_ms: int) -> None:
    """Write down what was decided about the message."""
    payment.updated_at_ms = at_ms
    match message:
        case m.OrderReserved() if payment.state is PaymentState.NONE:
            payment.amount_minor, payment.currency = message.amount_minor, message.currency
            payment.customer_id, payment.payment_token = message.customer_id, message.payment_token
        case m.OrderRejected() | m.OrderCancelled():
            payment.order_over = True
    for outcome in outcomes:
        _apply(payment, outcome)


def _apply(payment: Payment, outcome: Outcome) -> None:
    match outcome:
        case StartOperation():
            payment.state = _STARTED[outcome.kind]
        case m.PaymentAuthorized():
            payment.state, payment.authorization_id = PaymentState.AUTHORIZED, outcome.authorization_id
        case m.PaymentDeclined():
            payment.state = PaymentState.DECLINED
        case m.PaymentCaptured():
            payment.state = PaymentState.CAPTURED
        case m.PaymentCaptureFailed():
            payment.state = PaymentState.CAPTURE_FAILED
        case m.PaymentVoided():
            payment.state = PaymentState.VOIDED
        case m.PaymentVoidFailed():
            payment.state = PaymentState.VOID_FAILED
