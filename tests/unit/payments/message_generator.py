"""What a payment may hear next: mostly what fits, sometimes late, twice, out of order or contradicting.

`Dice` makes the choices (random.Random fits, and so does Hypothesis's), so a walk can be repeated and made smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from consumers.payments.processor import OperationKind
from consumers.payments.state import LAPSE, NOTHING_EXTERNAL, REQUIRES_ACTION, SUCCEEDED, Payment, operation_id
from schemas import messages as m
from tests.given_when_then import NOW_MS, A
from topology.states import PaymentState

T = TypeVar("T")

AMOUNTS: Final = (1000, 1000, 1000, 1000, 0)
SHIPMENTS: Final = {"parcel-1": 600, "parcel-2": 400, "parcel-3": 0, "parcel-4": 5000}
REFUNDS: Final = {"line:1": 600, "line:2": 400, "line:3": 0}
GOODWILL: Final = {"sorry-1": 100, "sorry-2": 900, "sorry-3": 5000}
RESULTS: Final = ("succeeded", "succeeded", "failed", "declined", "lapsed", "requires_action")
FOR_EVER_MS: Final = NOW_MS * 2


class Dice(Protocol):
    """Where the choices come from."""

    def choice(self, seq: Sequence[T]) -> T: ...

    def random(self) -> float: ...


def _result(payment: Payment, dice: Dice) -> m.Message:
    """Return an answer of the processor: mostly the awaited one."""
    asked = list(payment.attempts.values())
    if not asked or dice.random() < 0.02:
        return m.RecordPaymentResult(A, f"{A}:void:7", "succeeded", "", "")
    awaited = [
        attempt for attempt in asked if attempt.operation_id == payment.under_way or attempt.result == REQUIRES_ACTION
    ]
    attempt = dice.choice(awaited) if awaited and dice.random() < 0.8 else dice.choice(asked)
    result = "succeeded" if dice.random() < 0.5 else dice.choice(RESULTS)
    is_authorization = attempt.kind is OperationKind.AUTHORIZE
    authorization_id = f"auth_{attempt.number}" if is_authorization else ""
    expires_at_ms = dice.choice((0, NOW_MS + 5)) if is_authorization else 0
    return m.RecordPaymentResult(A, attempt.operation_id, result, authorization_id, "no", "https://3ds", expires_at_ms)


def _inspect(payment: Payment, dice: Dice) -> m.Message:
    names = [
        attempt.authorization_id for attempt in payment.attempts.values() if attempt.kind is OperationKind.AUTHORIZE
    ]
    return m.InspectPayment(A, dice.choice(names) if names and dice.random() < 0.9 else "auth_0", "webhook")


def _inspection(payment: Payment, dice: Dice) -> m.Message:
    """Return figures that the processor may show of the authorisation that is looked at: ours, and what others did."""
    asked = payment.attempts.get(payment.under_way)
    name = asked.authorization_id if asked is not None else "auth_1"
    booked = dict.fromkeys(OperationKind, 0)
    for attempt in payment.attempts.values():
        if attempt.authorization_id == name and attempt.result == SUCCEEDED and attempt.reference != LAPSE:
            booked[attempt.kind] += attempt.amount_minor
    known = payment.external.get(name, NOTHING_EXTERNAL)
    held_minor = booked[OperationKind.AUTHORIZE] - booked[OperationKind.CAPTURE] - booked[OperationKind.VOID]
    captured_minor = min(max(0, known.captured_minor + dice.choice((0, 0, 600, 1000))), held_minor)
    voided_minor = dice.choice((0, 0, held_minor)) or max(0, known.voided_minor)
    voided_minor = min(voided_minor, held_minor - captured_minor)
    left_minor = booked[OperationKind.CAPTURE] + captured_minor - booked[OperationKind.REFUND]
    refunded_minor = min(max(0, known.refunded_minor + dice.choice((0, 0, 100, 400, 1000, -100))), left_minor)
    lost_minor = known.lost_minor + (known.disputed_minor if dice.random() < 0.3 else 0)
    disputed_minor = dice.choice((0, 0, 1000)) if captured_minor + booked[OperationKind.CAPTURE] else 0
    return m.RecordPaymentInspection(
        A,
        asked.operation_id if asked is not None else operation_id(A, OperationKind.INSPECT),
        name,
        "EUR",
        booked[OperationKind.AUTHORIZE],
        booked[OperationKind.CAPTURE] + captured_minor,
        booked[OperationKind.VOID] + voided_minor,
        booked[OperationKind.REFUND] + refunded_minor,
        disputed_minor,
        lost_minor,
        "refused",
    )


def _placed(payment: Payment, dice: Dice) -> m.Message:
    at_shipping = payment.at_shipping or dice.random() < 0.7
    return m.OrderPlaced(A, payment.amount_minor, "EUR", "capture_at_shipping" if at_shipping else "")


def _shipment(payment: Payment, dice: Dice) -> m.Message:
    name = dice.choice(list(SHIPMENTS))
    return m.ShipmentRequested(A, name, (1,), SHIPMENTS[name] if payment.amount_minor else 0)


def _refund(of: Callable[..., m.Message], table: dict[str, int]) -> Callable[[Payment, Dice], m.Message]:
    def say(payment: Payment, dice: Dice) -> m.Message:
        name = dice.choice(list(table))
        minor = table[name] if dice.random() < 0.8 else max(1, payment.refundable_minor)
        return of(A, name, minor, "because")

    return say


ACCEPTED: Final[dict[type[m.Message], Callable[[Payment, Dice], m.Message]]] = {
    m.OrderReserved: lambda _, dice: m.OrderReserved(A, 1, dice.choice(AMOUNTS), "EUR", "ann", "tok_ann"),
    m.OrderPlaced: _placed,
    m.OrderRejected: lambda *_: m.OrderRejected(A, "no"),
    m.OrderCancelled: lambda *_: m.OrderCancelled(A, "no", "customer"),
    m.ShipmentRequested: _shipment,
    m.OrderShipped: lambda *_: m.OrderShipped(A),
    m.RefundRequested: _refund(m.RefundRequested, REFUNDS),
    m.RefundOrder: _refund(m.RefundOrder, GOODWILL),
    m.RetryOrder: lambda *_: m.RetryOrder(A, "merchant"),
    m.ResolveOrder: lambda *_: m.ResolveOrder(A, "merchant", "by bank transfer"),
    m.RecordPaymentResult: _result,
    m.InspectPayment: _inspect,
    m.RecordPaymentInspection: _inspection,
    m.EndWaits: lambda _, dice: m.EndWaits("payments", dice.choice((0, FOR_EVER_MS)), 10),
}
_OFTEN: Final = (
    m.RecordPaymentResult,
    m.EndWaits,
    m.RefundRequested,
    m.ShipmentRequested,
    m.RetryOrder,
    m.InspectPayment,
)


def message(payment: Payment, dice: Dice) -> m.Message:
    """Return what the payment hears next."""
    kinds: Sequence[Any] = list(ACCEPTED)
    if not payment.attempts:
        kinds = (m.OrderReserved,) if dice.random() < 0.9 else kinds
    elif not payment.captured_minor and not payment.under_way and dice.random() < 0.3:
        kinds = (m.OrderPlaced,)
    elif payment.state is PaymentState.INSPECTING and dice.random() < 0.7:
        kinds = (m.RecordPaymentInspection,)
    elif payment.under_way and dice.random() < 0.5:
        kinds = (m.RecordPaymentResult, m.RecordPaymentResult, m.RecordPaymentResult, m.RecordPaymentInspection)
    elif dice.random() < 0.5:
        kinds = _OFTEN
    return ACCEPTED[dice.choice(kinds)](payment, dice)
