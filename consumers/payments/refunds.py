"""What goes back of captured money, and what a person may do about what the processor refused. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.internal_events import AttemptResolved, OperationQueued, Outcome, ResolveQueued
from consumers.payments.processor import OperationKind
from consumers.payments.sequence import ORDER_OVER, inspection, reduced_refund, start_or_queue
from consumers.payments.state import ABANDONED, RESOLVED, SUCCEEDED, SUPERSEDED, UNCONFIRMED, Payment, QueuedOperation
from consumers.payments.waits import TIMED_OUT, not_authorized, renew
from schemas import messages as m
from schemas.limits import MAX_LINES
from schemas.money import shown_minor
from schemas.validation import SAGA_REFUNDS
from topology.states import PaymentState

if TYPE_CHECKING:
    from consumers.payments.state import Attempt
    from consumers.runtime.deciding.now import Now

SETTLED_AT_PROCESSOR: Final = "settled_at_processor"
"""Why a ResolveOrder is refused: what it wants to book as done by hand was done at the processor, and is booked as that."""
STILL_HELD: Final = "still_held"
"""Why a ResolveOrder is refused: the processor shows that what a person says to be freed by hand is still held there."""
MAX_REFUNDS: Final = 2 * MAX_LINES
"""Of one order; one for each line, and as many that somebody asks for."""


def refund(payment: Payment, message: m.RefundRequested | m.RefundOrder, now: Now) -> list[Outcome]:
    """Give money back, once for each refund id and never more than was captured."""
    del now
    if isinstance(message, m.RefundOrder):
        return _refund_for_a_person(payment, message)
    if message.amount_minor <= 0 or payment.was_asked(OperationKind.REFUND, message.refund_id):
        return []
    wanted = _refund(message, message.amount_minor)
    if payment.order_over:
        return [reduced_refund(payment, wanted, 0, ORDER_OVER)]
    left_minor = payment.refundable_minor + payment.disputed_minor
    if left_minor >= wanted.amount_minor:
        return start_or_queue(payment, wanted)
    if left_minor <= 0 and not _gave_without_goods(payment):
        raise RefusedError(
            "exceeds_captured", f"{message.refund_id}: {message.amount_minor} asked for, nothing is left to give back"
        )
    reduced = reduced_refund(payment, wanted, max(0, left_minor))
    if left_minor <= 0:
        return [reduced]
    return [reduced, *start_or_queue(payment, _refund(message, left_minor))]


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
    """Believe a person that what the processor refused was done by hand, once the processor is seen not to have done it."""
    del now
    failed = payment.failed()
    if payment.resolving:
        return []
    if not failed:
        return _refused(command, "", "nothing_to_resolve")
    if payment.is_unconfirmed:
        return resolve_failed(payment, command.note)
    first, *others = dict.fromkeys(attempt.authorization_id for attempt in failed)
    more = [OperationQueued(inspection(authorization_id)) for authorization_id in others]
    return [ResolveQueued(command.note), *start_or_queue(payment, inspection(first)), *more]


def conclude_resolve(payment: Payment) -> list[Outcome]:
    """End a person's wait for the processor to be inspected: what was not done there was done by hand.

    A void cannot be: what the processor shows as held, nobody has freed elsewhere.
    """
    if not payment.resolving or any(queued.kind is OperationKind.INSPECT for queued in payment.queue):
        return []
    done = resolve_failed(payment, payment.resolving)
    if any(_is_seen_held(payment, attempt) for attempt in payment.failed()):
        done.append(_unresolved(payment, STILL_HELD, shown_minor(payment.held_minor, payment.currency)))
    return [ResolveQueued(""), *(done or [_unresolved(payment, SETTLED_AT_PROCESSOR)])]


def resolve_failed(payment: Payment, note: str) -> list[Outcome]:
    """Book what the processor refused as done by hand, but for what it was seen to hold still."""
    outcomes: list[Outcome] = []
    for attempt in payment.failed():
        if _is_seen_held(payment, attempt):
            continue
        is_void = attempt.kind is OperationKind.VOID
        amount_minor = payment.held_minor if is_void else attempt.amount_minor
        outcomes += [
            AttemptResolved(attempt.operation_id, RESOLVED),
            m.PaymentResolved(
                payment.order_id,
                attempt.operation_id,
                amount_minor,
                note,
                "" if is_void else attempt.reference,
                payment.currency,
            ),
        ]
        if attempt.reference == UNCONFIRMED:
            outcomes += _abandon(payment)
    return outcomes


def _is_seen_held(payment: Payment, failed: Attempt) -> bool:
    """Tell whether the processor, when it was read last, still held what a void that it refused was to free."""
    if failed.kind is not OperationKind.VOID or not payment.held_minor:
        return False
    readings = payment.of_reference(OperationKind.INSPECT, failed.authorization_id)
    latest = max(readings, key=lambda attempt: attempt.number, default=None)
    return latest is not None and latest.result == SUCCEEDED


def _unresolved(payment: Payment, reason: str, detail: str = "") -> m.OrderCommandRefused:
    return m.OrderCommandRefused(payment.order_id, m.ResolveOrder.__name__, "", reason, detail)


def _refund_for_a_person(payment: Payment, command: m.RefundOrder) -> list[Outcome]:
    if (asked_minor := _asked_minor(payment, command.refund_id)) == command.amount_minor:
        return []
    if asked_minor:
        detail = f"amount_minor {asked_minor} was sent first, {command.amount_minor} now"
        return _refused(command, command.refund_id, "refund_id_used", detail)
    if payment.order_over:
        return _refused(command, command.refund_id, ORDER_OVER)
    if command.amount_minor > payment.refundable_minor:
        reason = "payment_disputed" if payment.disputed_minor else "exceeds_captured"
        return _refused(command, command.refund_id, reason)
    if len(payment.attempts) + len(payment.queue) >= MAX_REFUNDS:
        return _refused(command, command.refund_id, "too_many_refunds")
    return start_or_queue(payment, _refund(command, command.amount_minor))


def _gave_without_goods(payment: Payment) -> bool:
    """Tell whether money went back without goods, by a person or the card network, so that there may be none left for them."""
    if payment.external:
        return True
    asked: tuple[Attempt | QueuedOperation, ...] = (*payment.attempts.values(), *payment.queue)
    return any(
        operation.kind is OperationKind.REFUND and not operation.reference.startswith(SAGA_REFUNDS)
        for operation in asked
    )


def _refund(message: m.RefundRequested | m.RefundOrder, amount_minor: int) -> QueuedOperation:
    return QueuedOperation(OperationKind.REFUND, message.refund_id, amount_minor)


def _asked_minor(payment: Payment, refund_id: str) -> int:
    """Return what is, was or will be given back for a refund id."""
    queue = sum(
        operation.amount_minor
        for operation in payment.queue
        if operation.kind is OperationKind.REFUND and operation.reference == refund_id
    )
    return queue + sum(attempt.amount_minor for attempt in payment.of_reference(OperationKind.REFUND, refund_id))


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
