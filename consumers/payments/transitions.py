"""What is decided about an order's money in each state, and where that may lead: the only table (deciding/transitions.py).

Longer than other files, as it is read as one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.payments.decide import (
    ask_orders,
    authorize,
    capture,
    capture_shipment,
    capture_when_known,
    end_order,
    end_unplaced,
    owe_nothing,
    refuse_command,
    void_rest,
)
from consumers.payments.evolve import evolve
from consumers.payments.external import inspect, record_inspection
from consumers.payments.refunds import refund, resolve, retry
from consumers.payments.results import (
    record_authorization,
    record_capture,
    record_inspected,
    record_late,
    record_refund,
    record_void,
)
from consumers.payments.sequence import may_start_next, start_next
from consumers.payments.waits import end_wait
from consumers.runtime.deciding.outcomes import ignore_duplicate, ignore_timer, refuse
from consumers.runtime.deciding.transitions import Row, Transitions, to, transitions
from schemas import messages as m
from topology.states import PaymentState

if TYPE_CHECKING:
    from consumers.payments.internal_events import Outcome
    from consumers.payments.state import Payment
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

ROOM: Final = "payments"

S: Final = PaymentState

_AFTER_INSPECTION: Final = (
    S.AUTHORIZED,
    S.LAPSED,
    S.CAPTURING,
    S.PARTIALLY_CAPTURED,
    S.CAPTURED,
    S.VOIDING,
    S.VOIDED,
    S.REFUNDING,
    S.PARTIALLY_REFUNDED,
    S.REFUNDED,
    S.DISPUTED,
)
"""Where a payment may stand once it is known how it stands at the processor."""

_AT_REST: Final[Row] = {
    m.OrderReserved: ignore_duplicate,
    m.OrderPlaced: capture,
    m.ShipmentRequested: capture_shipment,
    m.OrderShipped: void_rest,
    m.RefundRequested: refund,
    m.RefundOrder: refuse_command,
    m.RetryOrder: refuse_command,
    m.ResolveOrder: refuse_command,
    m.RecordPaymentResult: record_late,
    m.InspectPayment: to(inspect, S.INSPECTING),
    m.RecordPaymentInspection: record_inspection,
    m.EndWaits: ignore_timer,
}
"""Where nothing is under way and nothing went wrong, unless a state has another decision."""

_UNDER_WAY: Final[Row] = {
    m.OrderReserved: ignore_duplicate,
    m.OrderPlaced: ignore_duplicate,
    m.OrderCancelled: end_order,
    m.ShipmentRequested: capture_shipment,
    m.OrderShipped: void_rest,
    m.RefundRequested: refund,
    m.RefundOrder: refund,
    m.RetryOrder: retry,
    m.ResolveOrder: resolve,
    m.InspectPayment: inspect,
    m.RecordPaymentInspection: record_inspection,
    m.EndWaits: ignore_timer,
}
"""While the processor is asked: what is wanted waits in line."""

TRANSITIONS: Final[Transitions[PaymentState]] = transitions(
    ROOM,
    PaymentState,
    {
        S.NONE: {
            m.OrderReserved: to(authorize, S.AUTHORIZING, S.AUTHORIZED),
            m.OrderPlaced: refuse,
            m.OrderRejected: owe_nothing,
            m.OrderCancelled: owe_nothing,
            m.ShipmentRequested: refuse,
            m.OrderShipped: refuse,
            m.RefundRequested: refuse,
            m.RefundOrder: ask_orders,
            m.RetryOrder: ask_orders,
            m.ResolveOrder: ask_orders,
            m.RecordPaymentResult: refuse,
            m.InspectPayment: refuse,
            m.RecordPaymentInspection: refuse,
            m.EndWaits: ignore_timer,
        },
        S.AUTHORIZING: {
            **_UNDER_WAY,
            m.OrderPlaced: capture_when_known,
            m.OrderRejected: end_order,
            m.RecordPaymentResult: to(
                record_authorization,
                S.REQUIRES_ACTION,
                S.AUTHORIZED,
                S.DECLINED,
                S.LAPSED,
                S.CAPTURING,
                S.PARTIALLY_CAPTURED,
                S.CAPTURED,
                S.CAPTURE_FAILED,
                S.VOIDING,
                S.VOIDED,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
            ),
        },
        S.REQUIRES_ACTION: {
            **_UNDER_WAY,
            m.OrderPlaced: capture_when_known,
            m.OrderCancelled: to(end_order, S.VOIDING),
            m.OrderShipped: to(void_rest, S.VOIDING),
            m.EndWaits: to(end_wait, S.VOIDING),
            m.OrderRejected: to(end_order, S.VOIDING),
            m.RecordPaymentResult: to(
                record_authorization,
                S.AUTHORIZED,
                S.DECLINED,
                S.LAPSED,
                S.CAPTURING,
                S.PARTIALLY_CAPTURED,
                S.CAPTURE_FAILED,
                S.REFUNDING,
                S.REFUND_FAILED,
                S.DISPUTED,
            ),
        },
        S.AUTHORIZED: {
            **_AT_REST,
            m.OrderPlaced: to(capture, S.CAPTURING, S.CAPTURED),
            m.ShipmentRequested: to(capture_shipment, S.CAPTURING, S.CAPTURED),
            m.OrderShipped: to(void_rest, S.VOIDING, S.VOIDED),
            m.RecordPaymentResult: to(record_late, S.AUTHORIZING, S.INSPECTING),
            m.EndWaits: to(end_wait, S.AUTHORIZING),
            m.OrderRejected: to(end_order, S.VOIDING, S.VOIDED),
            m.OrderCancelled: to(end_order, S.VOIDING, S.VOIDED),
        },
        S.DECLINED: {
            **_AT_REST,
            m.OrderPlaced: refuse,
            m.ShipmentRequested: refuse,
            m.OrderShipped: refuse,
            m.InspectPayment: inspect,
            m.OrderRejected: owe_nothing,
            m.OrderCancelled: owe_nothing,
        },
        S.LAPSED: {
            **_AT_REST,
            m.OrderShipped: to(void_rest, S.CAPTURED, S.VOIDED, S.REFUNDING, S.PARTIALLY_REFUNDED, S.REFUNDED),
            m.RefundRequested: to(refund, S.REFUNDING),
            m.RefundOrder: to(refund, S.REFUNDING),
            m.RetryOrder: to(retry, S.AUTHORIZING),
            m.RecordPaymentResult: to(record_late, S.REFUND_FAILED, S.INSPECTING),
            m.OrderRejected: to(end_order, S.VOIDED, S.REFUNDING, S.REFUNDED),
            m.OrderCancelled: to(end_order, S.VOIDED, S.REFUNDING, S.REFUNDED),
        },
        S.CAPTURING: {
            **_UNDER_WAY,
            m.RecordPaymentInspection: to(
                record_inspection,
                S.AUTHORIZED,
                S.LAPSED,
                S.PARTIALLY_CAPTURED,
                S.CAPTURED,
                S.CAPTURE_FAILED,
                S.VOIDING,
                S.VOIDED,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
            ),
            m.OrderRejected: refuse,
            m.RecordPaymentResult: to(
                record_capture,
                S.AUTHORIZED,
                S.PARTIALLY_CAPTURED,
                S.CAPTURED,
                S.CAPTURE_FAILED,
                S.VOIDING,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
            ),
        },
        S.PARTIALLY_CAPTURED: {
            **_AT_REST,
            m.ShipmentRequested: to(capture_shipment, S.CAPTURING),
            m.OrderShipped: to(void_rest, S.VOIDING),
            m.RefundRequested: to(refund, S.REFUNDING),
            m.RefundOrder: to(refund, S.REFUNDING),
            m.RecordPaymentResult: to(record_late, S.AUTHORIZING, S.REFUND_FAILED, S.INSPECTING),
            m.EndWaits: to(end_wait, S.AUTHORIZING),
            m.OrderRejected: to(end_unplaced, S.VOIDING),
            m.OrderCancelled: to(end_order, S.VOIDING),
        },
        S.CAPTURED: {
            **_AT_REST,
            m.OrderShipped: to(void_rest, S.REFUNDING),
            m.RefundRequested: to(refund, S.REFUNDING),
            m.RefundOrder: to(refund, S.REFUNDING),
            m.RecordPaymentResult: to(record_late, S.INSPECTING),
            m.OrderRejected: to(end_unplaced, S.REFUNDING),
            m.OrderCancelled: to(end_order, S.REFUNDING),
        },
        S.CAPTURE_FAILED: {
            **_AT_REST,
            m.RecordPaymentResult: to(record_late, S.INSPECTING),
            m.OrderRejected: to(end_order, S.VOIDING),
            m.OrderCancelled: to(end_order, S.VOIDING),
        },
        S.VOIDING: {
            **_UNDER_WAY,
            m.OrderPlaced: capture_when_known,
            m.RecordPaymentInspection: to(
                record_inspection,
                S.CAPTURED,
                S.VOIDED,
                S.VOID_FAILED,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
            ),
            m.OrderRejected: end_order,
            m.RecordPaymentResult: to(
                record_void,
                S.AUTHORIZED,
                S.DECLINED,
                S.LAPSED,
                S.CAPTURING,
                S.PARTIALLY_CAPTURED,
                S.CAPTURED,
                S.CAPTURE_FAILED,
                S.VOIDED,
                S.VOID_FAILED,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
            ),
        },
        S.VOIDED: {
            **_AT_REST,
            m.RecordPaymentResult: to(record_late, S.INSPECTING),
            m.OrderRejected: ignore_duplicate,
            m.OrderCancelled: ignore_duplicate,
        },
        S.VOID_FAILED: {
            **_AT_REST,
            m.OrderPlaced: capture_when_known,
            m.RefundRequested: to(refund, S.REFUNDING),
            m.RefundOrder: to(refund, S.REFUNDING),
            m.RetryOrder: to(retry, S.VOIDING, S.REFUNDING),
            m.ResolveOrder: to(
                resolve,
                S.DECLINED,
                S.LAPSED,
                S.CAPTURED,
                S.VOIDED,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.DISPUTED,
                S.INSPECTING,
            ),
            m.RecordPaymentResult: to(
                record_late,
                S.AUTHORIZED,
                S.DECLINED,
                S.LAPSED,
                S.CAPTURING,
                S.PARTIALLY_CAPTURED,
                S.CAPTURED,
                S.CAPTURE_FAILED,
                S.VOIDING,
                S.VOIDED,
                S.REFUNDING,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
                S.INSPECTING,
            ),
            m.EndWaits: to(
                end_wait, S.CAPTURED, S.VOIDED, S.PARTIALLY_REFUNDED, S.REFUNDED, S.REFUND_FAILED, S.DISPUTED
            ),
            m.OrderRejected: to(end_order, S.REFUNDING),
            m.OrderCancelled: to(end_order, S.REFUNDING),
        },
        S.REFUNDING: {
            **_UNDER_WAY,
            m.RecordPaymentInspection: to(
                record_inspection,
                S.LAPSED,
                S.CAPTURING,
                S.PARTIALLY_CAPTURED,
                S.VOIDING,
                S.VOID_FAILED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.DISPUTED,
                S.INSPECTING,
            ),
            m.OrderRejected: end_unplaced,
            m.RecordPaymentResult: to(
                record_refund,
                S.LAPSED,
                S.CAPTURING,
                S.PARTIALLY_CAPTURED,
                S.VOIDING,
                S.VOID_FAILED,
                S.PARTIALLY_REFUNDED,
                S.REFUNDED,
                S.REFUND_FAILED,
                S.INSPECTING,
            ),
        },
        S.PARTIALLY_REFUNDED: {
            **_AT_REST,
            m.OrderShipped: to(void_rest, S.REFUNDING),
            m.RefundRequested: to(refund, S.REFUNDING),
            m.RefundOrder: to(refund, S.REFUNDING),
            m.RecordPaymentResult: to(record_late, S.REFUND_FAILED, S.INSPECTING),
            m.OrderRejected: to(end_unplaced, S.REFUNDING),
            m.OrderCancelled: to(end_order, S.REFUNDING),
        },
        S.REFUNDED: {
            **_AT_REST,
            m.RecordPaymentResult: to(record_late, S.REFUND_FAILED, S.INSPECTING),
            m.OrderRejected: end_unplaced,
            m.OrderCancelled: end_order,
        },
        S.REFUND_FAILED: {
            **_AT_REST,
            m.ShipmentRequested: to(capture_shipment, S.CAPTURING),
            m.OrderShipped: to(void_rest, S.VOIDING, S.REFUNDING),
            m.RefundRequested: to(refund, S.REFUNDING),
            m.RefundOrder: to(refund, S.REFUNDING),
            m.RetryOrder: to(retry, S.REFUNDING, S.DISPUTED),
            m.ResolveOrder: to(resolve, S.INSPECTING),
            m.RecordPaymentResult: to(record_late, S.AUTHORIZING, S.INSPECTING),
            m.EndWaits: to(end_wait, S.AUTHORIZING),
            m.OrderRejected: to(end_unplaced, S.VOIDING, S.REFUNDING),
            m.OrderCancelled: to(end_order, S.VOIDING, S.REFUNDING),
        },
        S.DISPUTED: {
            **_AT_REST,
            m.ShipmentRequested: to(capture_shipment, S.CAPTURING),
            m.OrderShipped: to(void_rest, S.VOIDING),
            m.RefundOrder: refund,
            m.RecordPaymentResult: to(record_late, S.AUTHORIZING, S.REFUND_FAILED, S.INSPECTING),
            m.OrderRejected: to(end_unplaced, S.VOIDING),
            m.OrderCancelled: to(end_order, S.VOIDING),
        },
        S.INSPECTING: {
            **_UNDER_WAY,
            m.OrderPlaced: capture_when_known,
            m.RecordPaymentInspection: to(record_inspection, *_AFTER_INSPECTION, S.VOID_FAILED),
            m.OrderRejected: end_unplaced,
            m.RecordPaymentResult: to(record_inspected, *_AFTER_INSPECTION),
        },
    },
)


def decide(payment: Payment, message: Message, now: Now) -> list[Outcome]:
    """Return what follows for the order's money, and what is started next. Raises RefusedError where nothing can follow."""
    outcomes = TRANSITIONS[payment.state][type(message)].decide(payment, message, now)
    if not outcomes or not may_start_next(payment, message, outcomes):
        return outcomes
    after = payment.copy()
    evolve(after, message, outcomes, now)
    return outcomes + start_next(after)
