"""The port to the card network: what the payments room asks of a payment processor, whoever it is.

An operation's id is its idempotency key at the processor, so asking twice with one id moves money at most once
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). That is what every retry here rests on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from consumers.payments.errors import NotUnderstoodError
from schemas.limits import MAX_ADDRESS_BYTES, MAX_TEXT_BYTES, MAX_TIME_MS

Verdict: TypeAlias = Literal["succeeded", "declined", "failed", "requires_action"]
"""As in RecordPaymentResult: `declined` is a definite no to an authorisation, `failed` a definite no to the rest.

`requires_action` is an authorisation that its customer has to confirm first; the result is reported later, by a
webhook or on looking it up.
"""


ORPHAN: Final = "orphan:"
"""How the ids of operations begin that give an orphan payment's money back (`payments reconcile --fix`)."""
CAPTURE_ID: Final = "capture_id"
"""Names the latest capture in a payment's metadata at Stripe: several cannot be told apart by their sum."""


class OperationKind(StrEnum):
    """What can be asked: hold money, take what is held, give it back untaken, give back what was taken; where it is."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    INSPECT = "inspect"


class Operation(msgspec.Struct, frozen=True):
    """One thing to ask of the processor, persisted as a payment attempt before it is asked.

    `amount_minor` is in minor units of the ISO 4217 `currency`; a void gives back all that is held and not captured.
    `payment_token` and `customer_id` matter to an authorisation only; `authorization_id` names what to capture, void or
    refund and is empty for an authorisation. Of an authorisation several captures may be taken, together at most what it
    holds, and several refunds given, together at most what was captured; `is_last` says that no capture will follow, so
    that the rest may be given back. `unconfirmed_id` is the operation that asked for what a void is to cancel because nobody
    has confirmed it; else empty.
    """

    operation_id: str
    order_id: str
    kind: OperationKind
    amount_minor: int
    currency: str
    payment_token: str
    customer_id: str
    authorization_id: str
    is_last: bool = True
    unconfirmed_id: str = ""

    def __repr__(self) -> str:
        """Show what a log line may show: everything but the token."""
        return f"Operation({self.kind} {self.operation_id} of order {self.order_id})"


class ProcessorResult(msgspec.Struct, frozen=True):
    """A definite answer. `authorization_id` is empty where none exists, `reason` where the result is `succeeded`.

    `action_url` is where a customer confirms what `requires_action`; `expires_at_ms` is when an authorisation lapses (ms
    since the epoch, UTC; 0 where the processor does not say).
    """

    result: Verdict
    authorization_id: str
    reason: str
    action_url: str = ""
    expires_at_ms: int = 0


def recordable(result: ProcessorResult) -> ProcessorResult:
    """Return an answer as the log can hold it: texts and times within our limits, whatever the processor sent.

    An address that is too long is left out: its customer cannot confirm then, and the authorisation ends by time. Raises
    NotUnderstoodError where the authorisation's own name is beyond our limits, since nothing could be asked about it.
    """
    if not _fits(result.authorization_id, MAX_TEXT_BYTES):
        raise NotUnderstoodError(f"the processor names an authorisation {result.authorization_id[:64]!r}...")
    return msgspec.structs.replace(
        result,
        reason=result.reason if _fits(result.reason, MAX_TEXT_BYTES) else "unreadable_reason",
        action_url=result.action_url if _fits(result.action_url, MAX_ADDRESS_BYTES) else "",
        expires_at_ms=result.expires_at_ms if 0 <= result.expires_at_ms <= MAX_TIME_MS else 0,
    )


def _fits(text: str, max_bytes: int) -> bool:
    return len(text.encode(errors="replace")) <= max_bytes and text.isprintable()


class ProcessorPayment(msgspec.Struct, frozen=True):
    """One payment as the processor's own books have it: amounts in minor units, `order_id` as we named it there.

    What customers' banks withdrew for disputes is `disputed_minor` while they are open, `lost_minor` once they are lost.
    """

    authorization_id: str
    order_id: str
    currency: str
    authorized_minor: int
    captured_minor: int
    voided_minor: int
    refunded_minor: int
    created_at_ms: int
    disputed_minor: int = 0
    lost_minor: int = 0

    @property
    def held_minor(self) -> int:
        """What is authorised and neither captured nor given back."""
        return self.authorized_minor - self.captured_minor - self.voided_minor


class PaymentProcessor(Protocol):
    """A payment processor. Every method may be called concurrently."""

    async def perform(self, operation: Operation) -> ProcessorResult:
        """Ask for the operation, at most once per `operation_id`, and return the definite answer.

        Raises OutcomeUnknownError (it may have been executed: time-out, connection lost, 5xx after sending),
        NotSentError (it was not) or NotUnderstoodError (it was not, and asking again will not help by itself).
        """
        ...

    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        """Return the answer that the processor has on its books for this operation's id.

        None means that it never executed such an operation: it is safe to perform it again under the same id.
        Raises the same errors as `perform`; after any of them the outcome is as unknown as before.
        """
        ...

    async def payment(self, authorization_id: str) -> ProcessorPayment | None:
        """Return where the money of an authorisation is now, None where the processor has none of this name.

        Raises the same errors as `perform`.
        """
        ...

    def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        """Iterate over the payments on the processor's books that were made at `since_ms` or later. Raises as `perform`.

        Those that name no order may be left out: another system with the same account made them.
        """
        ...

    async def close(self) -> None:
        """Give connections back. Calls in flight are lost: drain first."""
        ...
