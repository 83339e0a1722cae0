"""What can go wrong between the payments room and the card network."""

from __future__ import annotations


class PaymentsError(Exception):
    """The payments room could not do what was asked; the message says what to do."""


class ProcessorError(PaymentsError):
    """The processor gave no definite answer to an operation. A definite no is a result, never an error."""


class OutcomeUnknownError(ProcessorError):
    """The request was sent and no answer came: it may have been executed. Look the operation up, never assume."""


class NotSentError(ProcessorError):
    """The processor has definitely not executed the request: ask again, not before `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NotUnderstoodError(ProcessorError):
    """Processor and adapter do not understand each other: credentials, address or version need a person's eyes."""


class RunnerClosedError(PaymentsError):
    """The effect runner takes no more operations; its successor finds them pending and runs them."""
