"""Payments' sentences: given are the messages heard so far; what followed from them is written down too.

Of what stays inside the room only the operations that are begun are told; the rest shows in the state.
"""

from __future__ import annotations

from typing import Any, Final

from consumers.payments.evolve import evolve
from consumers.payments.internal_events import Outcome, StartOperation
from consumers.payments.processor import OperationKind
from consumers.payments.state import Payment, operation_id
from consumers.payments.transitions import decide
from consumers.runtime.deciding.now import Deadlines, Now
from schemas import messages as m
from schemas.messages import Message
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.given_when_then import (
    NOW_MS,
    A,
    OrderCancelled,
    OrderPlaced,
    OrderRejected,
    OrderReserved,
    PaymentCaptured,
    RecordPaymentResult,
    RefundRequested,
    ShipmentRequested,
    Story,
    word,
)
from topology.states import PaymentState

AUTHORIZE, CAPTURE, VOID, REFUND, INSPECT = OperationKind
ACTION_SECONDS: Final = 60
LAPSES_MS: Final = NOW_MS + 7 * 24 * 60 * 60 * 1000
_DEADLINES: Final = Deadlines(action_ms=ACTION_SECONDS * 1000)


def _decide(payment: Payment, message: Message, at_ms: int) -> list[Outcome]:
    return decide(payment, message, Now(at_ms, _DEADLINES))


def _apply(payment: Payment, message: Message) -> None:
    at_ms = message.as_of_ms if isinstance(message, m.EndWaits) else NOW_MS
    outcomes = _decide(payment, message, at_ms)
    evolve(payment, message, outcomes, Now(at_ms, _DEADLINES))


def _outcomes_of(payment: Payment, message: Message, at_ms: int) -> list[Outcome]:
    return [outcome for outcome in _decide(payment, message, at_ms) if isinstance(outcome, m.Message | StartOperation)]


story = Story(begin=lambda: Payment(A), apply=_apply, decide=_outcomes_of, seen=lambda payment: payment)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused


def asked(kind: OperationKind, **more: Any) -> StartOperation:
    """Return an operation of order A, the usual one unless more is said."""
    number = more.get("number", 1)
    usual = {"number": number, "amount_minor": 500, "authorization_id": "" if kind is AUTHORIZE else "auth_1"}
    return StartOperation(A, operation_id(A, kind, number), kind, **usual | more)


def result(kind: OperationKind, answer: str = "succeeded", number: int = 1, **more: Any) -> Any:
    """Return the processor's answer to an operation of order A."""
    return RecordPaymentResult(**{"operation_id": operation_id(A, kind, number), "result": answer, **more})


def captured(reference: str = "", amount_minor: int = 500) -> Any:
    """Return the event that order A's money is ours, by whoever's capture."""
    return PaymentCaptured(reference=reference, amount_minor=amount_minor)


def stands(*happened: Any) -> PaymentState:
    """Return where order A's money stands after all that happened."""
    given(*happened)
    return story.state.state


def shipment(name: str, amount_minor: int) -> Any:
    """Return the request to ship something, and to capture what it costs."""
    return ShipmentRequested(shipment_id=name, lines=(1,), amount_minor=amount_minor)


def refund(name: str, amount_minor: int) -> Any:
    """Return the request to give something back."""
    return RefundRequested(refund_id=name, amount_minor=amount_minor)


def goodwill(name: str, amount_minor: int) -> m.RefundOrder:
    """Return a person's command to give something back."""
    return m.RefundOrder(A, name, amount_minor, "scratched")


def inspect(authorization_id: str = "auth_1") -> m.InspectPayment:
    """Return the word that something may have happened at the processor."""
    return m.InspectPayment(A, authorization_id, "charge.refunded ch_1")


def inspection(kind: OperationKind = INSPECT, number: int = 1, **figures: Any) -> m.RecordPaymentInspection:
    """Return what an inspection of order A's authorisation found, or what explains a refused operation: 500 captured."""
    usual: dict[str, Any] = {
        "authorization_id": "auth_1",
        "currency": "EUR",
        "authorized_minor": 500,
        "captured_minor": 500,
        "voided_minor": 0,
        "refunded_minor": 0,
        "disputed_minor": 0,
        "lost_minor": 0,
    }
    return m.RecordPaymentInspection(A, operation_id(A, kind, number), **(usual | figures))


def changed(
    change: str, amount_minor: int, *, left: int, disputed: int = 0, gone: int = 0
) -> m.PaymentChangedExternally:
    """Return the event that money of order A moved without us."""
    return m.PaymentChangedExternally(A, "auth_1", change, amount_minor, "EUR", left, disputed, gone)


def resolved(refund_id: str, amount_minor: int) -> m.PaymentResolved:
    """Return the event that a person did by hand what the processor had refused: a refund, or a void (no refund id)."""
    kind = REFUND if refund_id else VOID
    return m.PaymentResolved(A, operation_id(A, kind), amount_minor, RESOLVE.note, refund_id, "EUR")


def end_waits(as_of_ms: int) -> m.EndWaits:
    """Return the command that ends waits."""
    return m.EndWaits("payments", as_of_ms, 500)


RETRY: Final = m.RetryOrder(A, "merchant")
RESOLVE: Final = m.ResolveOrder(A, "merchant", "by bank transfer")
OrderShipped = word(m.OrderShipped)

AUTHORIZING = (OrderReserved(),)
AUTHORIZED = (*AUTHORIZING, result(AUTHORIZE, expires_at_ms=LAPSES_MS))
DECLINED = (*AUTHORIZING, result(AUTHORIZE, "declined"))
REQUIRES_ACTION = (*AUTHORIZING, result(AUTHORIZE, "requires_action", action_url="https://3ds.example/1"))
CAPTURING = (*AUTHORIZED, OrderPlaced())
CAPTURED = (*CAPTURING, result(CAPTURE))
CAPTURE_FAILED = (*CAPTURING, result(CAPTURE, "failed"))
VOIDING = (*AUTHORIZED, OrderRejected())
VOIDING_AFTER_CAPTURE = (*CAPTURE_FAILED, OrderCancelled())
VOIDED = (*VOIDING, result(VOID))
VOID_FAILED = (*VOIDING, result(VOID, "failed"))
LAPSED = (*AUTHORIZED, end_waits(LAPSES_MS), result(AUTHORIZE, "declined", 2))
REFUNDING = (*CAPTURED, refund("line:1", 200))
PARTIALLY_REFUNDED = (*REFUNDING, result(REFUND))
REFUND_FAILED = (*REFUNDING, result(REFUND, "failed"))
REFUNDED = (*CAPTURED, refund("line:1", 500), result(REFUND))
INSPECTING = (*CAPTURED, inspect())
DISPUTED = (*INSPECTING, inspection(disputed_minor=500))

AT_SHIPPING = (*AUTHORIZED, OrderPlaced(terms=CAPTURE_AT_SHIPPING))
CAPTURING_SHIPMENT = (*AT_SHIPPING, shipment("parcel-1", 300))
PARTIALLY_CAPTURED = (*CAPTURING_SHIPMENT, result(CAPTURE))
