"""What time does to money: what nobody confirmed is cancelled, an authorisation that is over is renewed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.payments.internal_events import AttemptResolved, Outcome, StartOperation
from consumers.payments.processor import OperationKind
from consumers.payments.sequence import book, start, void_unconfirmed
from consumers.payments.state import LAPSE, SUPERSEDED, Attempt, Payment, QueuedOperation
from schemas import messages as m
from topology.states import PaymentState

if TYPE_CHECKING:
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

TIMED_OUT: Final = "payment_timeout"


def end_wait(payment: Payment, command: m.EndWaits, now: Now) -> list[Outcome]:
    """End what the payment waits for, if its time is over."""
    if payment.deadline_ms is None or payment.deadline_ms > min(command.as_of_ms, now.at_ms):
        return []
    if payment.state is PaymentState.REQUIRES_ACTION:
        return [void_unconfirmed(payment)]
    return over_time(payment)


def over_time(payment: Payment) -> list[Outcome]:
    """What is held is not held any more: ask for it again, unless it was to be given back anyway."""
    if payment.state is PaymentState.VOID_FAILED:
        done = [AttemptResolved(each.operation_id, SUPERSEDED) for each in payment.failed() if _is_void(each)]
        voided = m.PaymentVoided(payment.order_id, payment.authorization_id)
        return [book(payment, OperationKind.VOID, payment.held_minor, LAPSE), *done, voided]
    return [book(payment, OperationKind.VOID, payment.held_minor, LAPSE), renew(payment, payment.held_minor)]


def renew(payment: Payment, amount_minor: int) -> StartOperation:
    """Authorise again what is not covered any more, with the same token."""
    return start(payment, QueuedOperation(OperationKind.AUTHORIZE, "", amount_minor))


def not_authorized(payment: Payment, attempt: Attempt, reason: str) -> Message:
    """Return the event that an authorisation came to nothing: the first one, or one that was to take the place of another."""
    if attempt.number == 1:
        return m.PaymentDeclined(payment.order_id, reason)
    return m.PaymentLapsed(payment.order_id, payment.authorization_id, reason)


def _is_void(attempt: Attempt) -> bool:
    return attempt.kind is OperationKind.VOID
