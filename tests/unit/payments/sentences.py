"""Payments' sentences: given are the messages heard so far; what followed from them is written down too."""

from __future__ import annotations

from typing import Any

from consumers.payments.decide import decide
from consumers.payments.payment import Payment, StartOperation, evolve, operation_id
from consumers.payments.processor import OperationKind
from schemas.messages import Message
from tests.given_when_then import (
    NOW_MS,
    A,
    OrderCancelled,
    OrderPlaced,
    OrderRejected,
    OrderReserved,
    RecordPaymentResult,
    Story,
)

AUTHORIZE, CAPTURE, VOID = OperationKind


def _hear(payment: Payment, message: Message) -> None:
    evolve(payment, message, decide(payment, message), NOW_MS)


story = Story(
    begin=Payment,
    hear=_hear,
    decide=lambda payment, message, _: decide(payment, message),
    seen=lambda payment: payment,
)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused


def asked(kind: OperationKind) -> StartOperation:
    return StartOperation(A, kind)


def result(kind: OperationKind, said: str = "succeeded", **more: str) -> Any:
    """Return the processor's answer to an operation of order A."""
    return RecordPaymentResult(**{"operation_id": operation_id(A, kind), "result": said, **more})


AUTHORIZING = (OrderReserved(),)
AUTHORIZED = (*AUTHORIZING, result(AUTHORIZE))
DECLINED = (*AUTHORIZING, result(AUTHORIZE, "declined"))
CAPTURING = (*AUTHORIZED, OrderPlaced())
CAPTURED = (*CAPTURING, result(CAPTURE))
CAPTURE_FAILED = (*CAPTURING, result(CAPTURE, "failed"))
VOIDING = (*AUTHORIZED, OrderRejected())
VOIDING_AFTER_CAPTURE = (*CAPTURE_FAILED, OrderCancelled())
VOIDED = (*VOIDING, result(VOID))
VOID_FAILED = (*VOIDING, result(VOID, "failed"))
