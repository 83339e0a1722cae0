"""What moved at the processor without us: it is read there, never believed from elsewhere, and booked as external. Pure.

An inspection is an operation like any other, one at a time, so nothing of ours moves while it is read. What the processor has
beyond the sums of our own attempts was moved by a person or the card network. Such a reading comes with the refusal of a
capture, void or refund too, and explains it. Books are therefore right whatever webhooks are lost, come twice or out of order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.evolve import applied
from consumers.payments.internal_events import AttemptResolved, ExternalBooked, OperationQueued, Outcome
from consumers.payments.ledger import beyond_ours
from consumers.payments.processor import OperationKind
from consumers.payments.refunds import conclude_resolve
from consumers.payments.results import record_capture, record_refund, record_void
from consumers.payments.sequence import GIVEN_BEFORE, inspection, reduced_refund, start_or_queue
from consumers.payments.state import (
    FAILED,
    NOTHING_EXTERNAL,
    PENDING,
    RESOLVED,
    SUCCEEDED,
    SUPERSEDED,
    UNCONFIRMED,
    Attempt,
    ExternalMoney,
    Payment,
    QueuedOperation,
)
from schemas import messages as m

if TYPE_CHECKING:
    from consumers.runtime.deciding.now import Now

MAX_INSPECTIONS: Final = 1_000
"""Of one order: each is a row, and anybody who may send a command may ask for one."""
VOIDED_EXTERNALLY: Final = "voided_externally"


def inspect(payment: Payment, command: m.InspectPayment, now: Now) -> list[Outcome]:
    """Read at the processor where an authorisation's money is; one that is not known is nobody's, and for `reconcile`."""
    del now
    wanted = inspection(command.authorization_id)
    if wanted in payment.queue:
        return []
    latest = payment.latest(OperationKind.AUTHORIZE)
    is_asking = latest is not None and latest.result == PENDING and command.authorization_id != ""
    if not payment.knows(command.authorization_id) and not is_asking:
        raise RefusedError(
            "unknown_authorization", f"{command.authorization_id!r} is no authorisation of this order; reconcile"
        )
    if payment.next_number(OperationKind.INSPECT) > MAX_INSPECTIONS:
        raise RefusedError("too_many_inspections", f"{command.cause}: this order was inspected {MAX_INSPECTIONS} times")
    return start_or_queue(payment, wanted)


def record_inspection(payment: Payment, reading: m.RecordPaymentInspection, now: Now) -> list[Outcome]:
    """Book what the processor has beyond our own operations; of what was not to be read now, nothing.

    Raises RefusedError for figures that no processor can have.
    """
    attempt = payment.attempts.get(reading.operation_id)
    if attempt is None:
        raise RefusedError("unknown_operation", f"{reading.operation_id!r} was never asked for this order")
    is_awaited = payment.under_way == attempt.operation_id and attempt.reference != UNCONFIRMED
    if (
        not is_awaited
        or not payment.knows(reading.authorization_id)
        or reading.authorization_id != attempt.authorization_id
    ):
        return []
    _require_sense(payment, reading)
    outcomes = _book(payment, reading)
    if attempt.kind is OperationKind.INSPECT:
        outcomes.append(AttemptResolved(attempt.operation_id, SUCCEEDED))
        return [*outcomes, *conclude_resolve(applied(payment, outcomes))]
    refused = m.RecordPaymentResult(
        reading.order_id, reading.operation_id, FAILED, reading.authorization_id, reading.refusal or FAILED
    )
    return [*outcomes, *_RECORD[attempt.kind](applied(payment, outcomes), refused, now)]


_RECORD: Final = {
    OperationKind.CAPTURE: record_capture,
    OperationKind.VOID: record_void,
    OperationKind.REFUND: record_refund,
}


def _require_sense(payment: Payment, reading: m.RecordPaymentInspection) -> None:
    figures = (
        reading.authorized_minor,
        reading.captured_minor,
        reading.voided_minor,
        reading.refunded_minor,
        reading.disputed_minor,
        reading.lost_minor,
    )
    fits = reading.captured_minor + reading.voided_minor <= reading.authorized_minor
    if (
        min(figures) < 0
        or not fits
        or reading.refunded_minor > reading.captured_minor
        or reading.currency != payment.currency
    ):
        raise RefusedError("invalid_inspection", f"{figures} {reading.currency} of {reading.authorization_id!r}")


def _book(payment: Payment, reading: m.RecordPaymentInspection) -> list[Outcome]:
    """Return what changed, what it does to what a person has booked by hand, and to what is owed."""
    name = reading.authorization_id
    before, after = payment.external.get(name, NOTHING_EXTERNAL), beyond_ours(payment, reading)
    if after == before:
        return []
    taken_back = _counted_twice(payment, before, after)
    booked = [*(_reduced(attempt, minor) for attempt, minor in taken_back), ExternalBooked(name, after)]
    stands = applied(payment, booked)
    moves = [*((_REVERSED[attempt.kind], minor) for attempt, minor in taken_back), *_changes(before, after)]
    changes = [
        m.PaymentChangedExternally(
            payment.order_id,
            name,
            change,
            minor,
            payment.currency,
            stands.left_minor,
            stands.disputed_minor,
            stands.gone_minor,
        )
        for change, minor in moves
    ]
    has_lapsed = payment.held_minor > 0 and not stands.held_minor and stands.missing_minor > 0 and not payment.is_closed
    lapsed = [m.PaymentLapsed(payment.order_id, name, VOIDED_EXTERNALLY)] if has_lapsed else []
    returned_minor = after.refunded_minor - before.refunded_minor
    return [*booked, *changes, *lapsed, *_settle(stands, returned_minor)]


def _counted_twice(payment: Payment, before: ExternalMoney, after: ExternalMoney) -> list[tuple[Attempt, int]]:
    """Return what a person has booked as done by hand and how much of it the processor shows to be done there instead."""
    captured_minor = payment.captured_minor + after.captured_minor - before.captured_minor
    voided_minor = payment.voided_minor + after.voided_minor - before.voided_minor
    refunded_minor = payment.refunded_minor + after.refunded_minor - before.refunded_minor
    too_many = {
        OperationKind.VOID: captured_minor + voided_minor - payment.authorized_minor,
        OperationKind.REFUND: refunded_minor - captured_minor,
    }
    taken_back: list[tuple[Attempt, int]] = []
    for attempt in payment.attempts.values():
        minor = min(attempt.amount_minor, too_many.get(attempt.kind, 0))
        if attempt.result == RESOLVED and minor > 0:
            too_many[attempt.kind] -= minor
            taken_back.append((attempt, minor))
    return taken_back


def _reduced(attempt: Attempt, minor: int) -> AttemptResolved:
    left_minor = attempt.amount_minor - minor
    return AttemptResolved(attempt.operation_id, RESOLVED if left_minor else SUPERSEDED, amount_minor=left_minor)


_REVERSED: Final = {OperationKind.VOID: "voided_reversed", OperationKind.REFUND: "refunded_reversed"}


def _changes(before: ExternalMoney, after: ExternalMoney) -> list[tuple[str, int]]:
    """Return the names and amounts of what happened between two readings."""
    moved = {
        "captured": after.captured_minor - before.captured_minor,
        "voided": after.voided_minor - before.voided_minor,
        "refunded": after.refunded_minor - before.refunded_minor,
    }
    changes = [(name if minor > 0 else f"{name}_reversed", abs(minor)) for name, minor in moved.items() if minor]
    lost_minor = after.lost_minor - before.lost_minor
    withdrawn_minor = after.disputed_minor - before.disputed_minor + lost_minor
    disputes = (("disputed", withdrawn_minor), ("dispute_lost", lost_minor), ("dispute_won", -withdrawn_minor))
    return [*changes, *((name, minor) for name, minor in disputes if minor > 0)]


def _settle(payment: Payment, returned_minor: int) -> list[Outcome]:
    """What the processor refused, and what is not to be done any more because somebody did it, is owed no longer.

    `returned_minor` was refunded at the processor now: while a refund of ours is refused, that is how a person pays it back.
    """
    outcomes: list[Outcome] = []
    left_minor = max(0, payment.left_minor + payment.disputed_minor)
    for attempt in payment.failed():
        if attempt.kind is OperationKind.VOID:
            if not payment.held_minor and attempt.reference != UNCONFIRMED:
                outcomes.append(AttemptResolved(attempt.operation_id, SUPERSEDED))
            continue
        by_hand_minor = max(0, min(returned_minor, attempt.amount_minor))
        owed_minor = min(attempt.amount_minor - by_hand_minor, left_minor)
        if owed_minor < attempt.amount_minor:
            outcomes += _settle_refund(payment, attempt, owed_minor, GIVEN_BEFORE if by_hand_minor else "")
        returned_minor -= by_hand_minor
        left_minor -= owed_minor
    return outcomes


def _settle_refund(payment: Payment, attempt: Attempt, owed_minor: int, reason: str) -> list[Outcome]:
    wanted = QueuedOperation(OperationKind.REFUND, attempt.reference, attempt.amount_minor)
    rest = OperationQueued(QueuedOperation(OperationKind.REFUND, attempt.reference, owed_minor))
    return [
        AttemptResolved(attempt.operation_id, SUPERSEDED),
        *([rest] if owed_minor else []),
        reduced_refund(payment, wanted, owed_minor, reason),
    ]
