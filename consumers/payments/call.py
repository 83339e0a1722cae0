"""One operation on its way to a definite answer, as the effect runner keeps it."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from consumers.payments.confirmation import not_voided

if TYPE_CHECKING:
    from consumers.payments.processor import Operation, ProcessorResult


class Step(Enum):
    """What is done next about an operation."""

    SEE_BEFORE = auto()
    PERFORM = auto()
    LOOK_UP = auto()
    SEE_AFTER = auto()
    REPORT = auto()
    DONE = auto()


class Call:
    """One operation on its way to a definite answer."""

    __slots__ = ("confirmation", "disowned", "failures", "operation", "partition", "result", "running", "step")

    def __init__(self, partition: int, operation: Operation) -> None:
        self.partition = partition
        self.operation = operation
        self.step = Step.SEE_BEFORE if operation.unconfirmed_id else Step.PERFORM
        self.result: ProcessorResult | None = None
        self.confirmation: ProcessorResult | None = None
        self.failures = 0
        self.running = False
        self.disowned = False  # its partition was revoked while a worker was at it

    def answered(self, result: ProcessorResult) -> None:
        """Take in the processor's definite answer."""
        self.result = result
        self.failures = 0
        self.step = Step.SEE_AFTER if self.operation.unconfirmed_id else Step.REPORT

    def saw(self, confirmation: ProcessorResult | None) -> None:
        """Take in whether the customer has confirmed what is to be cancelled."""
        self.confirmation = confirmation
        self.failures = 0
        if self.step is Step.SEE_BEFORE and confirmation is None:
            self.step = Step.PERFORM
            return
        self.result = self.result or not_voided(self.operation)
        self.step = Step.REPORT
