"""What an order's money answers to each message: one function for each answer in `topology/payment_answers.py`. Pure.

The processor is never asked from here: `StartOperation` becomes a durable attempt first, and what the processor
answers comes back as RecordPaymentResult, so the log holds all that was not deterministic (DESIGN, 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.evolve import (
    AllShipped,
    Booked,
    CaptureAtShipping,
    OrderEnded,
    Outcome,
    Queued,
    StartOperation,
    evolved,
)
from consumers.payments.payment import SUCCEEDED, Payment, Wish, operation_id
from consumers.payments.processor import OperationKind
from consumers.payments.refunds import refund, resolve, retry
from consumers.payments.results import record_authorization, record_capture, record_late, record_refund, record_void
from consumers.payments.sequence import (
    LAPSED_REASON,
    ORDER_OVER,
    book,
    go_on,
    may_go_on,
    not_captured,
    why_not_captured,
    wish,
)
from consumers.payments.waits import Deadlines, Now, end_wait
from schemas import messages as m
from schemas.ids import is_in_window, is_order_id
from schemas.limits import SETTLING_MS
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.payment_answers import PAYMENT_ANSWERS
from topology.states import OUTSIDE_WINDOW, SETTLED_PAYMENT_STATES, PaymentState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.messages import Message

USUAL: Final = Deadlines()
COMMANDS: Final = (m.RefundOrder, m.RetryOrder, m.ResolveOrder)
ENDS: Final = (m.OrderRejected, m.OrderCancelled, m.OrderShipped)


def decide(payment: Payment, message: Message, at_ms: int, deadlines: Deadlines = USUAL) -> list[Outcome]:
    """Return what follows for the order's money; `at_ms` is the record's append time (ms since the epoch, UTC).

    Raises RefusedError where the saga knows no such turn.
    """
    answer = ANSWERS[PAYMENT_ANSWERS[payment.state][type(message)]]
    outcomes = answer(payment, message, Now(at_ms, deadlines))
    if not outcomes or not may_go_on(payment, message):
        return outcomes
    return outcomes + go_on(evolved(payment, message, outcomes, at_ms))


def when_forgotten(payment: Payment, message: Message, at_ms: int) -> list[Message] | None:
    """Return what is said about an order whose money is settled or was never asked for, long after its time; else None.

    Settled payments are dropped with their orders (infra/ops/retention). So what is said later about one must be answered
    as where no money was asked for. Raises RefusedError for what cannot be answered then.
    """
    at_work = payment.state is not PaymentState.NONE and payment.state not in SETTLED_PAYMENT_STATES
    if at_work or not is_order_id(payment.order_id) or is_in_window(payment.order_id, at_ms, margin_ms=SETTLING_MS):
        return None
    if isinstance(message, ENDS):
        return []
    if isinstance(message, COMMANDS):
        reference = message.refund_id if isinstance(message, m.RefundOrder) else ""
        return [m.OrderCommandRefused(payment.order_id, type(message).__name__, reference, OUTSIDE_WINDOW)]
    raise RefusedError(OUTSIDE_WINDOW, f"{type(message).__name__} of {payment.order_id}, of which nothing is kept")


# --- authorize and capture --------------------------------------------------------------------------------------------


def authorize(payment: Payment, event: m.OrderReserved, now: Now) -> list[Outcome]:
    """Every line is held: ask the processor to hold the money. What costs nothing needs no asking."""
    del payment, now
    if not is_order_id(event.order_id):
        raise RefusedError("invalid_order_id", f"{event.order_id!r} is no UUIDv7 in canonical form")
    first = operation_id(event.order_id, OperationKind.AUTHORIZE)
    if not event.amount_minor:
        held = m.PaymentAuthorized(event.order_id, "", 0, event.currency)
        return [Booked(first, OperationKind.AUTHORIZE, 1, 0), held]
    return [StartOperation(event.order_id, first, OperationKind.AUTHORIZE, 1, event.amount_minor)]


def capture(payment: Payment, event: m.OrderPlaced, now: Now) -> list[Outcome]:
    """Every line is allocated: take the money, or wait for the shipments."""
    del now
    if payment.at_shipping:
        return []
    if is_at_shipping(event):
        return [CaptureAtShipping()]
    if not payment.amount_minor:
        return _capture_nothing(payment, "")
    return wish(payment, Wish(OperationKind.CAPTURE, "", payment.amount_minor))


def capture_when_known(payment: Payment, event: m.OrderPlaced, now: Now) -> list[Outcome]:
    """Every line is allocated, while an authorisation that had lapsed is being renewed."""
    if payment.at_shipping or payment.order_over or payment.was_asked(OperationKind.CAPTURE, ""):
        return []
    first = payment.latest(OperationKind.AUTHORIZE)
    if first is None or (first.number == 1 and first.result != SUCCEEDED):
        return refuse(payment, event, now)
    if is_at_shipping(event):
        return [CaptureAtShipping()]
    return [Queued(Wish(OperationKind.CAPTURE, "", payment.amount_minor))]


def refuse_capture(payment: Payment, event: m.OrderPlaced, now: Now) -> list[Outcome]:
    """Every line is allocated, but the authorisation has lapsed for good."""
    del now
    if payment.at_shipping:
        return []
    if is_at_shipping(event):
        return [CaptureAtShipping()]
    return [not_captured(payment, "", LAPSED_REASON)]


def capture_shipment(payment: Payment, event: m.ShipmentRequested, now: Now) -> list[Outcome]:
    """Some lines are to go out: where nothing was captured at placing, take what they cost."""
    del now
    reference = event.shipment_id
    if not payment.at_shipping or payment.was_asked(OperationKind.CAPTURE, reference):
        return []
    if payment.is_closed:
        return [not_captured(payment, reference, ORDER_OVER)]
    if not event.amount_minor:
        return _capture_nothing(payment, reference)
    wanted = Wish(OperationKind.CAPTURE, reference, event.amount_minor)
    if payment.under_way or payment.is_unconfirmed:
        return [Queued(wanted)]
    if (fault := why_not_captured(payment, event.amount_minor)) is not None:
        return [not_captured(payment, reference, fault)]
    return wish(payment, wanted)


def is_at_shipping(event: m.OrderPlaced) -> bool:
    """Tell whether the order's money is captured shipment by shipment."""
    return bool(event.terms) and CAPTURE_AT_SHIPPING in event.terms.split()


def _capture_nothing(payment: Payment, reference: str) -> list[Outcome]:
    captured = m.PaymentCaptured(payment.order_id, payment.authorization_id, 0, payment.currency, reference)
    return [book(payment, OperationKind.CAPTURE, 0, reference), captured]


# --- give back --------------------------------------------------------------------------------------------------------


def end_order(payment: Payment, event: m.OrderRejected | m.OrderCancelled, now: Now) -> list[Outcome]:
    """The order ended without a sale: what is held and what was captured goes back, as soon as it is known."""
    del event, now
    return [] if payment.order_over else [OrderEnded()]


def void_rest(payment: Payment, event: m.OrderShipped, now: Now) -> list[Outcome]:
    """Nothing is left to be shipped: what was captured by shipment is all that is captured, the rest goes back."""
    del event, now
    return [AllShipped()] if payment.at_shipping and not payment.is_closed else []


# --- the rest ---------------------------------------------------------------------------------------------------------


def nothing(payment: Payment, message: Message, now: Now) -> list[Outcome]:
    """Nothing follows."""
    del payment, message, now
    return []


def refuse(payment: Payment, message: Message, now: Now) -> list[Outcome]:
    """Refuse what cannot follow from the saga. Raises RefusedError, always."""
    del now
    raise RefusedError(
        "unexpected", f"{type(message).__name__} cannot happen to a payment that is {payment.state.value}"
    )


def refuse_command(payment: Payment, command: m.RefundOrder | m.RetryOrder | m.ResolveOrder, now: Now) -> list[Outcome]:
    """Say why a command makes no sense here. Raises RefusedError where it makes none anywhere."""
    if not is_order_id(command.order_id):
        raise RefusedError("invalid_order_id", f"{command.order_id!r} is no UUIDv7 in canonical form")
    if isinstance(command, m.RefundOrder):
        return refund(payment, command, now)
    return retry(payment, command, now) if isinstance(command, m.RetryOrder) else resolve(payment, command, now)


ANSWERS: Final[Mapping[str, Callable[..., list[Outcome]]]] = {
    "authorize": authorize,
    "capture": capture,
    "capture_when_known": capture_when_known,
    "refuse_capture": refuse_capture,
    "capture_shipment": capture_shipment,
    "capture_shipment_when_known": capture_shipment,
    "refuse_shipment": capture_shipment,
    "void": end_order,
    "refund_rest": end_order,
    "give_back": end_order,
    "give_up": end_order,
    "undo_when_known": end_order,
    "note_end": end_order,
    "owe_nothing": nothing,
    "void_rest": void_rest,
    "void_rest_when_known": void_rest,
    "close": void_rest,
    "note_shipped": void_rest,
    "refund": refund,
    "refund_when_known": refund,
    "refuse_refund": refund,
    "record_authorization": record_authorization,
    "record_confirmation": record_authorization,
    "record_capture": record_capture,
    "record_void": record_void,
    "record_refund": record_refund,
    "record_late": record_late,
    "renew_if_lapsed": record_late,
    "ignore_repeat": record_late,
    "retry": retry,
    "retry_refund": retry,
    "retry_when_known": retry,
    "renew": retry,
    "resolve_void": resolve,
    "resolve_refund": resolve,
    "resolve_meanwhile": resolve,
    "end_wait": end_wait,
    "cancel_unconfirmed": end_wait,
    "let_lapse": end_wait,
    "wait_on": nothing,
    "refuse_command": refuse_command,
    "ignore_duplicate": nothing,
    "refuse": refuse,
}
