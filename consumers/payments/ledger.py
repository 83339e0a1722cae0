"""What the books of one authorisation come to: ours, and the processor's as ours can be held against them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from consumers.payments.processor import OperationKind, ProcessorPayment
from consumers.payments.state import LAPSE, NOTHING_EXTERNAL, SUCCEEDED, ExternalMoney
from schemas import messages as m

if TYPE_CHECKING:
    from consumers.payments.state import Payment


class Sums(msgspec.Struct, frozen=True, gc=False):
    """The money of one authorisation, or of many in one currency, in its minor units."""

    authorized_minor: int = 0
    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Sums(*(one + another for one, another in pairs))


Reading: TypeAlias = ProcessorPayment | m.RecordPaymentInspection
"""An authorisation as the processor shows it, in minor units."""


def booked(payment: Payment, authorization_id: str) -> Sums:
    """Return what the processor should have by our books: our own operations, and what is booked as external.

    What a person has booked as done by hand was not done at the processor.
    """
    own, external = _own(payment, authorization_id), payment.external.get(authorization_id, NOTHING_EXTERNAL)
    return own.plus(Sums(0, *msgspec.structs.astuple(external)))


def as_read(payment: Payment, reading: Reading) -> Sums:
    """Return what the processor has.

    Where time has ended the authorisation by our books, the rest of it is given back, whether the processor has noticed
    already or not.
    """
    is_over = any(
        attempt.reference == LAPSE
        and attempt.authorization_id == reading.authorization_id
        and attempt.result == SUCCEEDED
        for attempt in payment.attempts.values()
    )
    return Sums(
        reading.authorized_minor,
        reading.captured_minor,
        reading.authorized_minor - reading.captured_minor if is_over else reading.voided_minor,
        reading.refunded_minor,
        reading.disputed_minor,
        reading.lost_minor,
    )


def beyond_ours(payment: Payment, reading: Reading) -> ExternalMoney:
    """Return what the processor has of an authorisation beyond our own operations: others moved it."""
    own, read = _own(payment, reading.authorization_id), as_read(payment, reading)
    return ExternalMoney(
        read.captured_minor - own.captured_minor,
        read.voided_minor - own.voided_minor,
        read.refunded_minor - own.refunded_minor,
        read.disputed_minor,
        read.lost_minor,
    )


def _own(payment: Payment, authorization_id: str) -> Sums:
    moved = dict.fromkeys(OperationKind, 0)
    for attempt in payment.attempts.values():
        if attempt.authorization_id == authorization_id and attempt.result == SUCCEEDED:
            moved[attempt.kind] += attempt.amount_minor
    return Sums(
        moved[OperationKind.AUTHORIZE],
        moved[OperationKind.CAPTURE],
        moved[OperationKind.VOID],
        moved[OperationKind.REFUND],
    )
