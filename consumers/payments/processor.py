"""The port to the card network: what the payments room asks of a payment processor, whoever it is.

An operation's id is its idempotency key at the processor, so asking twice with one id moves money at most once
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). That is what every retry here rests on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["succeeded", "declined", "failed"]
"""As in RecordPaymentResult: `declined` is a definite no to an authorisation, `failed` a definite no to the rest."""


class OperationKind(StrEnum):
    """What can be asked: hold money, take what is held, give it back untaken."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"


class Operation(msgspec.Struct, frozen=True):
    """One thing to ask of the processor, persisted as a payment attempt before it is asked.

    `amount_minor` is in minor units of the ISO 4217 `currency`. `payment_token` and `customer_id` matter to an
    authorisation only; `authorization_id` names what to capture or void and is empty for an authorisation.
    """

    operation_id: str
    order_id: str
    kind: OperationKind
    amount_minor: int
    currency: str
    payment_token: str
    customer_id: str
    authorization_id: str

    def __repr__(self) -> str:
        """Show what a log line may show: everything but the token."""
        return f"Operation({self.kind} {self.operation_id} of order {self.order_id})"


class ProcessorResult(msgspec.Struct, frozen=True):
    """A definite answer. `authorization_id` is empty where none exists, `reason` where the result is `succeeded`."""

    result: Verdict
    authorization_id: str
    reason: str


class PaymentProcessor(Protocol):
    """A payment processor. Every method may be called concurrently."""

    async def perform(self, operation: Operation) -> ProcessorResult:
        """Ask for the operation, at most once per `operation_id`, and return the definite answer.

        Raises OutcomeUnknownError (it may have been executed: time-out, connection lost, 5xx after sending),
        NotSentError (it was not) or NotUnderstoodError (it was not, and asking again will not help by itself).
        """
        ...

    async def look_up(self, operation_id: str) -> ProcessorResult | None:
        """Return the answer that the processor has on its books for this id.

        None means that it never executed such an operation: it is safe to perform it again under the same id.
        Raises the same errors as `perform`; after any of them the outcome is as unknown as before.
        """
        ...

    async def close(self) -> None:
        """Give connections back. Calls in flight are lost: drain first."""
        ...
