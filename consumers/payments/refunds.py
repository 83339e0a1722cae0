"""What goes back of captured money, and what a person may do about what the processor refused. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.processor import OperationKind
from consumers.payments.sequence import ORDER_OVER, start_or_queue
from consumers.payments.state import (
    ABANDONED,
    RESOLVED,
    SUPERSEDED,
    UNCONFIRMED,
    AttemptResolved,
    OperationQueued,
    Outcome,
    Payment,
    QueuedOperation,
)
from consumers.payments.waits import TIMED_OUT, not_authorized, renew
from schemas import messages as m
from schemas.limits import MAX_LINES
from schemas.validation import SAGA_REFUNDS
from topology.states import PaymentState

if TYPE_CHECKING:
    from consumers.payments.state import Attempt
    from consumers.runtime.deciding.now import Now

MAX_REFUNDS: Final = 2 * MAX_LINES
"""Of one order; one for each line, and as many that somebody asks for."""


def refund(payment: Payment, message: m.RefundRequested | m.RefundOrder, now: Now) -> list[Outcome]:
    """Give money back, once for each refund id and never more than was captured."""
    del now
    if isinstance(message, m.RefundOrder):
        return _refund_for_a_person(payment, message)
    if message.amount_minor <= 0 or payment.was_asked(OperationKind.REFUND, message.refund_id):
        return []
    if (left_minor := payment.refundable_minor) > 0 and not payment.order_over:
        return start_or_queue(payment, _refund(message, min(message.amount_minor, left_minor)))
    if payment.order_over or _gave_without_goods(payment):
        return []
    raise RefusedError(
        "exceeds_captured", f"{message.refund_id}: {message.amount_minor} asked for, nothing is left to give back"
    )


def retry(payment: Payment, command: m.RetryOrder, now: Now) -> list[Outcome]:
    """Ask again for what the processor refused: a void, refunds, or the renewal of an authorisation."""
    del now
    outcomes: list[Outcome] = []
    for attempt in payment.failed():
        again = QueuedOperation(attempt.kind, attempt.reference, attempt.amount_minor)
        outcomes += [AttemptResolved(attempt.operation_id, SUPERSEDED), OperationQueued(again)]
    if not outcomes and payment.state is PaymentState.LAPSED:
        return [renew(payment, payment.missing_minor)]
    if not outcomes and payment.state not in (PaymentState.VOIDING, PaymentState.REFUNDING):
        return _refused(command, "", "nothing_to_retry")
    return outcomes


def resolve(payment: Payment, command: m.ResolveOrder, now: Now) -> list[Outcome]:
    """Believe a person that what the processor refused was done by hand."""
    del now
    outcomes: list[Outcome] = []
    for attempt in payment.failed():
        is_void = attempt.kind is OperationKind.VOID
        amount_minor = payment.held_minor if is_void else attempt.amount_minor
        outcomes += [
            AttemptResolved(attempt.operation_id, RESOLVED),
            m.PaymentResolved(payment.order_id, attempt.operation_id, amount_minor, command.note),
        ]
        if attempt.reference == UNCONFIRMED:
            outcomes += _abandon(payment)
    return outcomes or _refused(command, "", "nothing_to_resolve")


def _refund_for_a_person(payment: Payment, command: m.RefundOrder) -> list[Outcome]:
    if (asked_minor := _asked_minor(payment, command.refund_id)) == command.amount_minor:
        return []
    if asked_minor:
        detail = f"amount_minor {asked_minor} was sent first, {command.amount_minor} now"
        return _refused(command, command.refund_id, "refund_id_used", detail)
    if payment.order_over:
        return _refused(command, command.refund_id, ORDER_OVER)
    if command.amount_minor > payment.refundable_minor:
        return _refused(command, command.refund_id, "exceeds_captured")
    if len(payment.attempts) + len(payment.queue) >= MAX_REFUNDS:
        return _refused(command, command.refund_id, "too_many_refunds")
    return start_or_queue(payment, _refund(command, command.amount_minor))


def _gave_without_goods(payment: Payment) -> bool:
    """Tell whether a person gave some of the money back, so that there may be none left for the goods."""
    asked: tuple[Attempt | QueuedOperation, ...] = (*payment.attempts.values(), *payment.queue)
    return any(it.kind is OperationKind.REFUND and not it.reference.startswith(SAGA_REFUNDS) for it in asked)


def _refund(message: m.RefundRequested | m.RefundOrder, amount_minor: int) -> QueuedOperation:
    return QueuedOperation(OperationKind.REFUND, message.refund_id, amount_minor)


def _asked_minor(payment: Payment, refund_id: str) -> int:
    """Return what is, was or will be given back for a refund id."""
    queue = sum(
        it.amount_minor for it in payment.queue if it.kind is OperationKind.REFUND and it.reference == refund_id
    )
    return queue + sum(it.amount_minor for it in payment.of_reference(OperationKind.REFUND, refund_id))


def _abandon(payment: Payment) -> list[Outcome]:
    authorization = payment.latest(OperationKind.AUTHORIZE)
    if authorization is None:
        return []
    abandoned = AttemptResolved(authorization.operation_id, ABANDONED)
    return [abandoned, not_authorized(payment, authorization, TIMED_OUT)]


def _refused(
    command: m.RefundOrder | m.RetryOrder | m.ResolveOrder, reference: str, reason: str, detail: str = ""
) -> list[Outcome]:
    return [m.OrderCommandRefused(command.order_id, type(command).__name__, reference, reason, detail)]
