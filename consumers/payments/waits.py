"""What time does to money: what nobody confirmed is cancelled, an authorisation that is over is renewed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from consumers.payments.evolve import Answered, Outcome, StartOperation
from consumers.payments.payment import LAPSE, SUPERSEDED, Attempt, Payment, Wish
from consumers.payments.processor import OperationKind
from consumers.payments.sequence import book, start, void_unconfirmed
from schemas import messages as m
from schemas.limits import ACTION_SECONDS
from topology.states import PaymentState

if TYPE_CHECKING:
    from schemas.messages import Message

TIMED_OUT: Final = "payment_timeout"
MAX_ENDS: Final = 1_000
"""One EndWaits ends no more waits than this."""


class Deadlines(msgspec.Struct, frozen=True):
    """How long payments wait for outside facts."""

    action_seconds: int = ACTION_SECONDS


class Now(NamedTuple):
    """The record's append time, in ms since the epoch (UTC), and how long is waited from it."""

    at_ms: int
    deadlines: Deadlines


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
        done = [Answered(each.operation_id, SUPERSEDED) for each in payment.failed() if _is_void(each)]
        voided = m.PaymentVoided(payment.order_id, payment.authorization_id)
        return [book(payment, OperationKind.VOID, payment.held_minor, LAPSE), *done, voided]
    return [book(payment, OperationKind.VOID, payment.held_minor, LAPSE), renew(payment, payment.held_minor)]


def renew(payment: Payment, amount_minor: int) -> StartOperation:
    """Authorise again what is not covered any more, with the same token."""
    return start(payment, Wish(OperationKind.AUTHORIZE, "", amount_minor))


def not_authorized(payment: Payment, attempt: Attempt, reason: str) -> Message:
    """Say that an authorisation came to nothing: the first one, or one that was to take the place of another."""
    if attempt.number == 1:
        return m.PaymentDeclined(payment.order_id, reason)
    return m.PaymentLapsed(payment.order_id, payment.authorization_id, reason)


def _is_void(attempt: Attempt) -> bool:
    return attempt.kind is OperationKind.VOID
