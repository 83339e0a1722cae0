"""A payment processor in the process of whoever asks, which answers at once or after a while: the same one on all sides.

As a program it is a process of the product's rooms, named as arguments, with this processor instead of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Final

from consumers.payments.processor import Operation, OperationKind, ProcessorPayment, ProcessorResult
from infra.base import processor
from infra.local import room_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from consumers.payments.processor import PaymentProcessor
    from infra.base.settings import Settings

LATENCY_VARIABLE: Final = "BENCH_PROCESSOR_MS"
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


async def ask(operation: Operation, latency_ms: float) -> ProcessorResult:
    """Return the answer after a while."""
    if latency_ms:
        await asyncio.sleep(latency_ms / 1000)
    return answer(operation)


async def ask_all(operations: Sequence[Operation], latency_ms: float) -> list[ProcessorResult]:
    """Ask many things at the same time."""
    if not latency_ms:
        return [answer(operation) for operation in operations]
    return await asyncio.gather(*(ask(operation, latency_ms) for operation in operations))


class InProcess:
    """The processor as the payments room asks it."""

    def __init__(self, latency_ms: float) -> None:
        self._latency_ms = latency_ms

    async def perform(self, operation: Operation) -> ProcessorResult:
        return await ask(operation, self._latency_ms)

    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        return await ask(operation, self._latency_ms)

    async def payment(self, authorization_id: str) -> ProcessorPayment | None:
        """It keeps no books."""
        del authorization_id
        return None

    async def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        """It keeps no books."""
        del since_ms
        none: tuple[ProcessorPayment, ...] = ()
        for payment in none:
            yield payment

    async def close(self) -> None:
        """Nothing to give back."""


def in_process(settings: Settings) -> PaymentProcessor:
    """Stand in for `infra.base.processor.processor_of`."""
    del settings
    return InProcess(float(os.environ.get(LATENCY_VARIABLE, "0")))


if __name__ == "__main__":
    processor.processor_of = in_process
    sys.exit(room_process.run_room_process(sys.argv[1:]))
