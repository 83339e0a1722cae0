"""What follows from the processor's answers (RecordPaymentResult), in whatever order and however often they come. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.internal_events import AttemptResolved, ExpiryNoted, OperationQueued, Outcome
from consumers.payments.processor import OperationKind
from consumers.payments.refunds import conclude_resolve
from consumers.payments.sequence import ORDER_OVER, inspection, refund_what_is_left, start_or_queue
from consumers.payments.state import (
    ABANDONED,
    COVERED,
    DECLINED,
    FAILED,
    LAPSED,
    PENDING,
    REQUIRES_ACTION,
    SUCCEEDED,
    SUPERSEDED,
    UNCONFIRMED,
    Attempt,
    Payment,
    QueuedOperation,
)
from consumers.payments.waits import TIMED_OUT, not_authorized, over_time
from schemas import messages as m
from schemas.limits import MAX_TIME_MS
from topology.states import PaymentState

if TYPE_CHECKING:
    from consumers.runtime.deciding.now import Now

RESULTS: Final = frozenset({SUCCEEDED, DECLINED, FAILED})
RESULTS_OF_AUTHORIZATIONS: Final = frozenset({*RESULTS, REQUIRES_ACTION, LAPSED})


def record_authorization(payment: Payment, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """The money is held or it is not, or its customer has to confirm it first."""
    attempt = _asked(payment, command)
    if attempt.kind is not OperationKind.AUTHORIZE or attempt.result not in (PENDING, REQUIRES_ACTION):
        return _late_result(payment, attempt, command, now)
    if command.result != REQUIRES_ACTION:
        return _authorization_known(payment, attempt, command)
    if attempt.result == REQUIRES_ACTION:
        return []
    waits = AttemptResolved(attempt.operation_id, REQUIRES_ACTION, command.authorization_id)
    if payment.is_closed:
        return [waits]
    until_ms = now.at_ms + now.deadlines.action_ms
    return [
        waits,
        m.PaymentRequiresAction(payment.order_id, command.authorization_id, command.action_url, until_ms),
    ]


def record_capture(payment: Payment, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """The money is ours, or it cannot be taken; somebody may have captured it at the processor."""
    attempt = _asked(payment, command)
    if payment.under_way != attempt.operation_id:
        return _late_result(payment, attempt, command, now)
    if command.result == SUCCEEDED:
        return [
            AttemptResolved(attempt.operation_id, SUCCEEDED),
            m.PaymentCaptured(
                payment.order_id, attempt.authorization_id, attempt.amount_minor, payment.currency, attempt.reference
            ),
        ]
    if payment.uncovered_minor >= attempt.amount_minor:
        return [
            AttemptResolved(attempt.operation_id, COVERED),
            m.PaymentCaptured(
                payment.order_id, attempt.authorization_id, attempt.amount_minor, payment.currency, attempt.reference
            ),
        ]
    return [
        AttemptResolved(attempt.operation_id, FAILED),
        m.PaymentCaptureFailed(payment.order_id, attempt.authorization_id, command.reason, attempt.reference),
    ]


def record_void(payment: Payment, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """The money is given back, or a person has to see to it, unless somebody has moved it at the processor."""
    attempt = _asked(payment, command)
    if payment.under_way != attempt.operation_id:
        return _late_result(payment, attempt, command, now)
    if attempt.reference == UNCONFIRMED:
        return _unconfirmed_voided(payment, attempt, command)
    if command.result != SUCCEEDED and not payment.held_minor:
        return [AttemptResolved(attempt.operation_id, SUPERSEDED)]
    if command.result == SUCCEEDED:
        return [
            AttemptResolved(attempt.operation_id, SUCCEEDED),
            m.PaymentVoided(payment.order_id, attempt.authorization_id),
        ]
    return _void_failed(payment, attempt, command)


def record_refund(payment: Payment, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """The customer has their money back, or a person has to see to it, where there still is something to give back."""
    attempt = _asked(payment, command)
    if payment.under_way != attempt.operation_id:
        return _late_result(payment, attempt, command, now)
    if command.result == SUCCEEDED:
        return [
            AttemptResolved(attempt.operation_id, SUCCEEDED),
            m.PaymentRefunded(payment.order_id, attempt.reference, attempt.amount_minor, payment.currency),
        ]
    again = QueuedOperation(OperationKind.REFUND, attempt.reference, attempt.amount_minor)
    if payment.disputed_minor:
        return [AttemptResolved(attempt.operation_id, SUPERSEDED), OperationQueued(again)]
    left_minor = payment.refundable_minor + attempt.amount_minor
    if left_minor < attempt.amount_minor:
        return [AttemptResolved(attempt.operation_id, SUPERSEDED), *refund_what_is_left(payment, again, left_minor)]
    return _refund_failed(payment, attempt, command)


def record_inspected(payment: Payment, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """An inspection came to nothing: the processor does not know the authorisation. Nothing is booked."""
    attempt = _asked(payment, command)
    if payment.under_way != attempt.operation_id or command.result == SUCCEEDED:
        return _late_result(payment, attempt, command, now)
    return [AttemptResolved(attempt.operation_id, FAILED), *conclude_resolve(payment)]


def record_late(payment: Payment, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """Nothing is awaited; an answer that is known changes nothing, the end of an authorisation is seen to."""
    attempt = _asked(payment, command)
    is_open = attempt.kind is OperationKind.AUTHORIZE and attempt.result == REQUIRES_ACTION
    if is_open and command.result != REQUIRES_ACTION:
        return _authorization_known(payment, attempt, command)
    return _late_result(payment, attempt, command, now)


def _authorization_known(payment: Payment, attempt: Attempt, command: m.RecordPaymentResult) -> list[Outcome]:
    """The answer that was awaited; a void that failed meanwhile has nothing to be done about any more."""
    failed = [
        AttemptResolved(each.operation_id, SUPERSEDED) for each in payment.failed() if each.reference == UNCONFIRMED
    ]
    if command.result == SUCCEEDED:
        held = AttemptResolved(attempt.operation_id, SUCCEEDED, command.authorization_id, command.expires_at_ms)
        authorization_id = command.authorization_id or attempt.authorization_id
        return [held, *failed, _authorized(payment, authorization_id, attempt.amount_minor, command.expires_at_ms)]
    declined = AttemptResolved(attempt.operation_id, DECLINED)
    return [declined, *failed, not_authorized(payment, attempt, command.reason or command.result)]


def _unconfirmed_voided(payment: Payment, attempt: Attempt, command: m.RecordPaymentResult) -> list[Outcome]:
    """What nobody confirmed in time is cancelled, or it is not; it may have been confirmed or refused meanwhile."""
    authorization = payment.latest(OperationKind.AUTHORIZE)
    if authorization is None:
        raise RefusedError("unexpected", "an authorisation was voided that nobody asked for")
    if command.result == SUCCEEDED:
        is_open = authorization.result == REQUIRES_ACTION
        abandoned = [AttemptResolved(authorization.operation_id, ABANDONED)] if is_open else []
        why = ORDER_OVER if payment.order_over else TIMED_OUT
        return [
            AttemptResolved(attempt.operation_id, SUCCEEDED),
            *abandoned,
            not_authorized(payment, authorization, why),
        ]
    if authorization.result == REQUIRES_ACTION:
        return _void_failed(payment, attempt, command)
    pointless = AttemptResolved(attempt.operation_id, SUPERSEDED)
    if authorization.result == SUCCEEDED:
        held_minor = authorization.amount_minor
        held = _authorized(payment, authorization.authorization_id, held_minor, payment.expires_at_ms)
        return [pointless, held]
    return [pointless, not_authorized(payment, authorization, TIMED_OUT)]


def _void_failed(payment: Payment, attempt: Attempt, command: m.RecordPaymentResult) -> list[Outcome]:
    return [
        AttemptResolved(attempt.operation_id, FAILED),
        m.PaymentVoidFailed(payment.order_id, attempt.authorization_id, command.reason),
    ]


def _authorized(payment: Payment, authorization_id: str, held_minor: int, expires_at_ms: int) -> m.PaymentAuthorized:
    return m.PaymentAuthorized(payment.order_id, authorization_id, held_minor, payment.currency, expires_at_ms)


def _late_result(payment: Payment, attempt: Attempt, command: m.RecordPaymentResult, now: Now) -> list[Outcome]:
    """An answer that is not awaited. One that contradicts the answer that is known has the processor inspected.

    Raises RefusedError where it contradicts that an authorisation was declined: what is held then belongs to no order, and
    `payments reconcile` gives it back.
    """
    if command.result == REQUIRES_ACTION or attempt.result == ABANDONED or attempt.kind is OperationKind.INSPECT:
        return []
    if attempt.result == REQUIRES_ACTION:
        result = SUCCEEDED if command.result == SUCCEEDED else DECLINED
        return [AttemptResolved(attempt.operation_id, result, command.authorization_id, command.expires_at_ms)]
    if command.result == LAPSED:
        return _lapsed(payment, attempt, now)
    if (attempt.result == SUCCEEDED) == (command.result == SUCCEEDED):
        return _noted_expiry(payment, attempt, command)
    if attempt.kind is OperationKind.AUTHORIZE and attempt.result != SUCCEEDED:
        raise RefusedError(
            "contradicts",
            f"{command.operation_id} {command.result}, which is known as {attempt.result}; reconcile",
        )
    if attempt.kind is OperationKind.REFUND and attempt.result == SUCCEEDED:
        return _refund_failed(payment, attempt, command)
    wanted = inspection(attempt.authorization_id)
    is_asked = not attempt.authorization_id or wanted in payment.queue
    return [] if is_asked else start_or_queue(payment, wanted)


def _noted_expiry(payment: Payment, attempt: Attempt, command: m.RecordPaymentResult) -> list[Outcome]:
    """A repeat may be the first to name until when money is held: a webhook may come before our own answer, and know less."""
    is_latest = attempt is payment.latest(OperationKind.AUTHORIZE) and attempt.result == SUCCEEDED
    if not is_latest or payment.expires_at_ms or not command.expires_at_ms:
        return []
    return [ExpiryNoted(command.expires_at_ms)]


def _refund_failed(payment: Payment, attempt: Attempt, command: m.RecordPaymentResult) -> list[Outcome]:
    """A refund was refused, or came back days after it had succeeded: the customer does not have the money."""
    return [
        AttemptResolved(attempt.operation_id, FAILED),
        m.PaymentRefundFailed(
            payment.order_id,
            attempt.reference,
            attempt.amount_minor,
            command.reason,
            int(attempt.result == SUCCEEDED),
        ),
    ]


def _lapsed(payment: Payment, attempt: Attempt, now: Now) -> list[Outcome]:
    """An authorisation has ended before its time, or as it was expected to."""
    if attempt is not payment.latest(OperationKind.AUTHORIZE) or not payment.held_minor:
        return []
    if payment.under_way or payment.state is PaymentState.CAPTURE_FAILED:
        return [ExpiryNoted(now.at_ms)]
    return over_time(payment)


def _asked(payment: Payment, command: m.RecordPaymentResult) -> Attempt:
    """Return the attempt that the result is about. Raises RefusedError where there is none, or no such result."""
    attempt = payment.attempts.get(command.operation_id)
    if attempt is None:
        if command.result not in RESULTS_OF_AUTHORIZATIONS:
            raise _invalid(command, RESULTS_OF_AUTHORIZATIONS)
        raise RefusedError("unknown_operation", f"{command.operation_id!r} was never asked for this order")
    known = RESULTS_OF_AUTHORIZATIONS if attempt.kind is OperationKind.AUTHORIZE else RESULTS
    if command.result not in known or not 0 <= command.expires_at_ms <= MAX_TIME_MS:
        raise _invalid(command, known)
    return attempt


def _invalid(command: m.RecordPaymentResult, known: frozenset[str]) -> RefusedError:
    return RefusedError(
        "invalid_result",
        f"{command.result!r} until {command.expires_at_ms}; send one of {', '.join(sorted(known))}, and a time in ms",
    )
