"""A payment processor that answers at once, in the process of whoever asks: the same one on all sides.

As a program it is the product's payments room with this processor instead of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from consumers.payments.processor import Operation, OperationKind, ProcessorPayment, ProcessorResult
from infra.base import processor
from infra.local import room_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.payments.processor import PaymentProcessor
    from infra.base.settings import Settings

CAPTURE_FAILS_TOKEN: Final = "tok_capture_fails"
DECLINED_TOKEN: Final = "tok_declined"


def answer(operation: Operation) -> ProcessorResult:
    """Return the answer, which depends on the operation alone, so asking twice is harmless."""
    authorization_id = operation.authorization_id or f"auth-{operation.order_id}"
    if operation.kind is OperationKind.AUTHORIZE and operation.payment_token == DECLINED_TOKEN:
        return ProcessorResult("declined", "", "card_declined")
    if operation.kind is OperationKind.CAPTURE and operation.payment_token == CAPTURE_FAILS_TOKEN:
        return ProcessorResult("failed", authorization_id, "capture_failed")
    return ProcessorResult("succeeded", authorization_id, "")


class AtOnce:
    """The processor as the payments room asks it."""

    async def perform(self, operation: Operation) -> ProcessorResult:
        return answer(operation)

    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        return answer(operation)

    async def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        """It keeps no books."""
        del since_ms
        none: tuple[ProcessorPayment, ...] = ()
        for payment in none:
            yield payment

    async def close(self) -> None:
        """Nothing to give back."""


def at_once(settings: Settings) -> PaymentProcessor:
    """Stand in for `infra.base.processor.processor_of`."""
    del settings
    return AtOnce()


if __name__ == "__main__":
    processor.processor_of = at_once
    sys.exit(room_process.run_room_process("payments"))
