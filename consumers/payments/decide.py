"""What an order's money answers to each message: one function for each answer in `topology/states.py`. Pure.

The processor is never asked from here: `StartOperation` becomes a durable attempt first, and what the processor
answers comes back as RecordPaymentResult, so the log holds all that was not deterministic (DESIGN, 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.payment import Outcome, Payment, StartOperation, operation_id
from consumers.payments.processor import OperationKind
from schemas import messages as m
from schemas.ids import is_in_window, is_order_id
from schemas.limits import SETTLING_MS
from topology.payment_answers import PAYMENT_ANSWERS
from topology.states import OUTSIDE_WINDOW, SETTLED_PAYMENT_STATES, PaymentState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.messages import Message

SUCCEEDED: Final = "succeeded"
RESULTS: Final = frozenset({SUCCEEDED, "declined", "failed"})


def decide(payment: Payment, message: Message) -> list[Outcome]:
    """Return what follows for the order's money. Raises RefusedError where the saga knows no such turn."""
    return ANSWERS[PAYMENT_ANSWERS[payment.state][type(message)]](payment, message)


def is_forgotten(payment: Payment, message: Message, at_ms: int) -> bool:
    """Tell whether the message ends an order whose money is settled or was never asked for, long after its time.

    Settled payments are dropped with their orders (infra/maintenance). So what is said later about one must be answered
    as where no money was asked for. Raises RefusedError for any other such message.
    """
    order_id: str = message.order_id  # type: ignore[attr-defined]  # every message on order.* topics has one
    at_work = payment.state is not PaymentState.NONE and payment.state not in SETTLED_PAYMENT_STATES
    if at_work or not is_order_id(order_id) or is_in_window(order_id, at_ms, margin_ms=SETTLING_MS):
        return False
    if isinstance(message, m.OrderRejected | m.OrderCancelled):
        return True
    raise RefusedError(OUTSIDE_WINDOW, f"{type(message).__name__} of {order_id}, of which nothing is kept any more")


# --- asking ---------------------------------------------------------------------------------------------------------


def authorize(payment: Payment, event: m.OrderReserved) -> list[Outcome]:
    """Every line is held: ask the processor to hold the money."""
    del payment
    if not is_order_id(event.order_id):
        raise RefusedError("invalid_order_id", f"{event.order_id!r} is no UUIDv7 in canonical form")
    return [StartOperation(event.order_id, OperationKind.AUTHORIZE)]


def capture(payment: Payment, event: m.OrderPlaced) -> list[Outcome]:
    """Every line is allocated: take the money."""
    del payment
    return [StartOperation(event.order_id, OperationKind.CAPTURE)]


def void(payment: Payment, event: m.OrderRejected | m.OrderCancelled) -> list[Outcome]:
    """The order ended without a sale: give the authorised money back."""
    del payment
    return [StartOperation(event.order_id, OperationKind.VOID)]


# --- hearing the processor's answer -----------------------------------------------------------------------------------


def record_authorization(payment: Payment, command: m.RecordPaymentResult) -> list[Outcome]:
    """The money is held or it is not; where the order ended meanwhile, what is held goes back at once."""
    if not _answers(payment, command, OperationKind.AUTHORIZE):
        return []
    if command.result != SUCCEEDED:
        return [m.PaymentDeclined(command.order_id, command.reason)]
    authorized = m.PaymentAuthorized(command.order_id, command.authorization_id, payment.amount_minor, payment.currency)
    if payment.order_over:
        return [authorized, StartOperation(command.order_id, OperationKind.VOID)]
    return [authorized]


def record_capture(payment: Payment, command: m.RecordPaymentResult) -> list[Outcome]:
    """The money is ours, or it cannot be taken and the order has to end."""
    if not _answers(payment, command, OperationKind.CAPTURE):
        return []
    if command.result != SUCCEEDED:
        return [m.PaymentCaptureFailed(command.order_id, payment.authorization_id, command.reason)]
    return [m.PaymentCaptured(command.order_id, payment.authorization_id, payment.amount_minor, payment.currency)]


def record_void(payment: Payment, command: m.RecordPaymentResult) -> list[Outcome]:
    """The money is given back, or a person has to see to it."""
    if not _answers(payment, command, OperationKind.VOID):
        return []
    if command.result != SUCCEEDED:
        return [m.PaymentVoidFailed(command.order_id, payment.authorization_id, command.reason)]
    return [m.PaymentVoided(command.order_id, payment.authorization_id)]


# --- the rest ---------------------------------------------------------------------------------------------------------


def nothing(payment: Payment, message: Message) -> list[Outcome]:
    """Nothing follows; `evolve` remembers an order's end."""
    del payment, message
    return []


def refuse(payment: Payment, message: Message) -> list[Outcome]:
    """Refuse what cannot follow from the saga. Raises RefusedError, always."""
    raise RefusedError(
        "unexpected", f"{type(message).__name__} cannot happen to a payment that is {payment.state.value}"
    )


def ignore_repeat(payment: Payment, command: m.RecordPaymentResult) -> list[Outcome]:
    """An answer that is known already changes nothing. Raises RefusedError where it contradicts the known one."""
    _refuse_contradiction(payment, command, _kind_of(command))
    return []


def _answers(payment: Payment, command: m.RecordPaymentResult, awaited: OperationKind) -> bool:
    """Tell whether the result is the awaited one; a repeat of an earlier step's is not. Raises RefusedError."""
    kind = _kind_of(command)
    if kind is awaited:
        return True
    _refuse_contradiction(payment, command, kind)
    return False


def _kind_of(command: m.RecordPaymentResult) -> OperationKind:
    if command.result not in RESULTS:
        raise RefusedError("invalid_result", f"{command.result!r}; send one of {', '.join(sorted(RESULTS))}")
    known = {operation_id(command.order_id, each): each for each in OperationKind}
    if command.operation_id not in known:
        raise RefusedError("unknown_operation", f"{command.operation_id!r} was never asked for this order")
    return known[command.operation_id]


def _refuse_contradiction(payment: Payment, command: m.RecordPaymentResult, kind: OperationKind) -> None:
    """Money may stand otherwise than we believe: that must come before a person's eyes, not be dropped."""
    known = _KNOWN[payment.state].get(kind)
    if known is None or known != (command.result == SUCCEEDED):
        raise RefusedError(
            "contradicts", f"{kind.value} {command.result}, where the payment is {payment.state.value}; reconcile"
        )


_HELD: Final = {OperationKind.AUTHORIZE: True}
_KNOWN: Final[Mapping[PaymentState, Mapping[OperationKind, bool]]] = {
    PaymentState.NONE: {},
    PaymentState.AUTHORIZING: {},
    PaymentState.AUTHORIZED: _HELD,
    PaymentState.DECLINED: {OperationKind.AUTHORIZE: False},
    PaymentState.CAPTURING: _HELD,
    PaymentState.CAPTURED: {**_HELD, OperationKind.CAPTURE: True},
    PaymentState.CAPTURE_FAILED: {**_HELD, OperationKind.CAPTURE: False},
    PaymentState.VOIDING: {**_HELD, OperationKind.CAPTURE: False},
    PaymentState.VOIDED: {**_HELD, OperationKind.CAPTURE: False, OperationKind.VOID: True},
    PaymentState.VOID_FAILED: {**_HELD, OperationKind.CAPTURE: False, OperationKind.VOID: False},
}
"""Which operations each state knows the answer to, and whether that was a yes."""

ANSWERS: Final[Mapping[str, Callable[..., list[Outcome]]]] = {
    "authorize": authorize,
    "capture": capture,
    "void": void,
    "void_when_known": nothing,
    "record_authorization": record_authorization,
    "record_capture": record_capture,
    "record_void": record_void,
    "owe_nothing": nothing,
    "ignore_duplicate": nothing,
    "ignore_repeat": ignore_repeat,
    "refuse": refuse,
}
