"""One operation on its way to a definite answer, as the effect runner keeps it."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from consumers.payments.confirmation import not_voided
from consumers.payments.processor import OperationKind, ProcessorResult

if TYPE_CHECKING:
    from consumers.payments.processor import Operation, ProcessorPayment


class CallPhase(Enum):
    """What is done next about an operation."""

    SEE_BEFORE = auto()
    PERFORM = auto()
    LOOK_UP = auto()
    SEE_AFTER = auto()
    INSPECT = auto()
    REPORT = auto()
    DONE = auto()


UNKNOWN_AUTHORIZATION: Final = "authorization_unknown"
"""Why an inspection comes to nothing."""


class CancellationInFlightError(Exception):
    """A customer has confirmed what an earlier owner may have asked to cancel: look again once no request is in flight."""


class Call:
    """One operation on its way to a definite answer."""

    __slots__ = (
        "confirmation",
        "failures",
        "may_be_in_flight",
        "operation",
        "partition",
        "partition_lost",
        "payment",
        "result",
        "running",
        "step",
    )

    def __init__(self, partition: int, operation: Operation, *, resumed: bool = False) -> None:
        self.partition = partition
        self.operation = operation
        self.step = _first_step(operation, resumed=resumed)
        self.may_be_in_flight = resumed
        self.result: ProcessorResult | None = None
        self.confirmation: ProcessorResult | None = None
        self.payment: ProcessorPayment | None = None
        self.failures = 0
        self.running = False
        self.partition_lost = False  # its partition was revoked while a worker was at it

    def answered(self, result: ProcessorResult) -> None:
        """Take in the processor's definite answer. A definite no is explained by where the money is.

        A person or the card network may have moved it without us, which is why it cannot be moved now.
        """
        self.result = result
        self.failures = 0
        if self.operation.unconfirmed_id:
            self.step = CallPhase.SEE_AFTER
        else:
            self.step = CallPhase.INSPECT if result.result == "failed" else CallPhase.REPORT

    def inspected(self, payment: ProcessorPayment | None) -> None:
        """Take in where the money is; None: the processor has no such authorisation, or cannot show one."""
        self.payment = payment
        if payment is None and self.result is None:
            self.result = ProcessorResult("failed", self.operation.authorization_id, UNKNOWN_AUTHORIZATION)
        self.failures = 0
        self.step = CallPhase.REPORT

    def saw(self, confirmation: ProcessorResult | None) -> None:
        """Take in whether the customer has confirmed what is to be cancelled.

        Where an earlier owner's cancellation may still be in flight, nothing is concluded from a confirmation yet.
        """
        self.failures = 0
        if self.step is CallPhase.SEE_BEFORE and confirmation is not None and self.may_be_in_flight:
            self.may_be_in_flight = False
            raise CancellationInFlightError
        self.confirmation = confirmation
        if self.step is CallPhase.SEE_BEFORE and confirmation is None:
            self.step = CallPhase.PERFORM
            return
        self.result = self.result or not_voided(self.operation)
        self.step = CallPhase.REPORT


def _first_step(operation: Operation, *, resumed: bool) -> CallPhase:
    """Return what comes first. What an earlier owner may have performed is looked up, however long ago that was.

    A processor forgets idempotency keys (Stripe after 24 hours), so performing it again could move money twice.
    """
    if operation.kind is OperationKind.INSPECT:
        return CallPhase.INSPECT
    if operation.unconfirmed_id:
        return CallPhase.SEE_BEFORE  # which looks the cancellation up too
    return CallPhase.LOOK_UP if resumed else CallPhase.PERFORM
