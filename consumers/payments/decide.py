"""What is decided about an order's money: one function for each decision in `transitions.py`, more in the files beside. Pure.

The processor is never asked from here: `StartOperation` becomes a durable attempt first, and what the processor
answers comes back as RecordPaymentResult, so the log holds all that was not deterministic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.payments.internal_events import (
    AllShipped,
    Booked,
    CaptureAtShipping,
    OperationQueued,
    OrderEnded,
    Outcome,
    StartOperation,
)
from consumers.payments.processor import OperationKind
from consumers.payments.refunds import refund, resolve, retry
from consumers.payments.sequence import (
    ORDER_OVER,
    book,
    cover,
    not_captured,
    start_or_queue,
    why_not_captured,
)
from consumers.payments.state import SUCCEEDED, Payment, QueuedOperation, operation_id
from consumers.runtime.deciding.outcomes import refuse
from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import OUTSIDE_WINDOW

if TYPE_CHECKING:
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

COMMANDS: Final = (m.RefundOrder, m.RetryOrder, m.ResolveOrder)
ENDS: Final = (m.OrderRejected, m.OrderCancelled, m.OrderShipped)


def respond_outside_window(payment: Payment, message: Message, now: Now) -> list[Message]:
    """Return what follows about an order whose money is settled or was never asked for, so long after its time.

    Settled payments are dropped with their orders (infra/ops/retention), so what comes later about one is answered as where
    no money was asked for. Raises RefusedError for what cannot be answered then.
    """
    del now
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
    first = operation_id(event.order_id, OperationKind.AUTHORIZE)
    if not event.amount_minor:
        held = m.PaymentAuthorized(event.order_id, "", 0, event.currency)
        return [Booked(first, OperationKind.AUTHORIZE, 1, 0), held]
    return [StartOperation(event.order_id, first, OperationKind.AUTHORIZE, 1, event.amount_minor)]


def capture(payment: Payment, event: m.OrderPlaced, now: Now) -> list[Outcome]:
    """Every line is allocated: take the money, or wait for the shipments."""
    del now
    if payment.at_shipping or payment.is_closed or payment.was_asked(OperationKind.CAPTURE, ""):
        return []
    if is_at_shipping(event):
        return [CaptureAtShipping()]
    if not payment.amount_minor:
        return _capture_nothing(payment, "")
    return _take(payment, QueuedOperation(OperationKind.CAPTURE, "", payment.amount_minor))


def capture_when_known(payment: Payment, event: m.OrderPlaced, now: Now) -> list[Outcome]:
    """Every line is allocated, while an authorisation that had lapsed is being renewed."""
    if payment.at_shipping or payment.order_over or payment.was_asked(OperationKind.CAPTURE, ""):
        return []
    first = payment.latest(OperationKind.AUTHORIZE)
    if first is None or (first.number == 1 and first.result != SUCCEEDED):
        return refuse(payment, event, now)
    if is_at_shipping(event):
        return [CaptureAtShipping()]
    return [OperationQueued(QueuedOperation(OperationKind.CAPTURE, "", payment.amount_minor))]


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
    return _take(payment, QueuedOperation(OperationKind.CAPTURE, reference, event.amount_minor))


def _take(payment: Payment, wanted: QueuedOperation) -> list[Outcome]:
    """Capture what is held, unless somebody captured it at the processor before."""
    if payment.under_way or payment.is_unconfirmed:
        return [OperationQueued(wanted)]
    if payment.uncovered_minor >= wanted.amount_minor:
        return cover(payment, wanted)
    if (fault := why_not_captured(payment, wanted.amount_minor)) is not None:
        return [not_captured(payment, wanted.reference, fault)]
    return start_or_queue(payment, wanted)


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


def end_unplaced(payment: Payment, event: m.OrderRejected, now: Now) -> list[Outcome]:
    """The order ended without a sale although money was captured: somebody captured it at the processor before our time.

    Raises RefusedError where it was captured by us, for an order that was placed.
    """
    if payment.at_shipping or payment.was_asked(OperationKind.CAPTURE, ""):
        return refuse(payment, event, now)
    return end_order(payment, event, now)


def void_rest(payment: Payment, event: m.OrderShipped, now: Now) -> list[Outcome]:
    """Nothing is left to be shipped: what was captured by shipment is all that is captured, the rest goes back."""
    del event, now
    return [AllShipped()] if payment.at_shipping and not payment.is_closed else []


# --- the rest ---------------------------------------------------------------------------------------------------------


def owe_nothing(payment: Payment, event: m.OrderRejected | m.OrderCancelled, now: Now) -> list[Outcome]:
    """The order ended, and no money was asked for, or none was to be had."""
    del payment, event, now
    return []


def ask_orders(payment: Payment, command: m.RefundOrder | m.RetryOrder | m.ResolveOrder, _: Now) -> list[Outcome]:
    """Leave a command about an order for which no money was asked to orders: nobody may have placed it."""
    reference = command.refund_id if isinstance(command, m.RefundOrder) else ""
    return [m.OrderCommandUnmatched(payment.order_id, type(command).__name__, reference)]


def refuse_command(payment: Payment, command: m.RefundOrder | m.RetryOrder | m.ResolveOrder, now: Now) -> list[Outcome]:
    """Refuse a command that makes no sense here, with the reason."""
    if isinstance(command, m.RefundOrder):
        return refund(payment, command, now)
    return retry(payment, command, now) if isinstance(command, m.RetryOrder) else resolve(payment, command, now)
