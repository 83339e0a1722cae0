"""What an order's payment answers to each message, by its state. Names are explained in `topology/states.py`.

Where an answer leads is in the second table: in which states it may stand afterwards, the arrows of the diagram. One with
no state there changes none. A test walks the rooms at random and finds exactly these moves.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from topology.states import PaymentState, answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topology.states import Answers

_AT_REST: Final = {
    "OrderReserved": "ignore_duplicate",
    "OrderPlaced": "ignore_duplicate",
    "ShipmentRequested": "refuse_shipment",
    "OrderShipped": "note_shipped",
    "RefundRequested": "refuse_refund",
    "RefundOrder": "refuse_command",
    "RetryOrder": "refuse_command",
    "ResolveOrder": "refuse_command",
    "RecordPaymentResult": "ignore_repeat",
    "EndWaits": "wait_on",
}
"""What is answered where nothing is under way and nothing went wrong, unless a state says otherwise."""

_UNDER_WAY: Final = {
    "OrderReserved": "ignore_duplicate",
    "OrderPlaced": "ignore_duplicate",
    "OrderCancelled": "undo_when_known",
    "ShipmentRequested": "capture_shipment_when_known",
    "OrderShipped": "void_rest_when_known",
    "RefundRequested": "refund_when_known",
    "RefundOrder": "refund_when_known",
    "RetryOrder": "retry_when_known",
    "ResolveOrder": "resolve_meanwhile",
    "EndWaits": "wait_on",
}
"""What is answered while the processor is asked: it waits in line."""

_WORTH_MONEY: Final = frozenset(PaymentState) - {PaymentState.AUTHORIZED}
"""Where no order stands that costs nothing, and has something to be captured or given back."""

PAYMENT_ANSWERS: Final[Mapping[PaymentState, Answers]] = MappingProxyType(
    {
        PaymentState.NONE: answers(
            OrderReserved="authorize",
            OrderPlaced="refuse",
            OrderRejected="owe_nothing",
            OrderCancelled="owe_nothing",
            ShipmentRequested="refuse",
            OrderShipped="refuse",
            RefundRequested="refuse",
            RefundOrder="refuse_command",
            RetryOrder="refuse_command",
            ResolveOrder="refuse_command",
            RecordPaymentResult="refuse",
            EndWaits="wait_on",
        ),
        PaymentState.AUTHORIZING: answers(
            **_UNDER_WAY
            | {
                "OrderPlaced": "capture_when_known",
                "OrderRejected": "undo_when_known",
                "RecordPaymentResult": "record_authorization",
            }
        ),
        PaymentState.REQUIRES_ACTION: answers(
            **_UNDER_WAY
            | {
                "OrderPlaced": "capture_when_known",
                "OrderRejected": "void",
                "OrderCancelled": "void",
                "OrderShipped": "void_rest",
                "RecordPaymentResult": "record_confirmation",
                "EndWaits": "cancel_unconfirmed",
            }
        ),
        PaymentState.AUTHORIZED: answers(
            **_AT_REST
            | {
                "OrderPlaced": "capture",
                "OrderRejected": "void",
                "OrderCancelled": "void",
                "ShipmentRequested": "capture_shipment",
                "OrderShipped": "void_rest",
                "RecordPaymentResult": "renew_if_lapsed",
                "EndWaits": "end_wait",
            }
        ),
        PaymentState.DECLINED: answers(
            **_AT_REST
            | {
                "OrderPlaced": "refuse",
                "OrderRejected": "owe_nothing",
                "OrderCancelled": "owe_nothing",
                "ShipmentRequested": "refuse",
                "OrderShipped": "refuse",
            }
        ),
        PaymentState.LAPSED: answers(
            **_AT_REST
            | {
                "OrderPlaced": "refuse_capture",
                "OrderRejected": "give_up",
                "OrderCancelled": "give_up",
                "OrderShipped": "close",
                "RefundRequested": "refund",
                "RefundOrder": "refund",
                "RetryOrder": "renew",
            }
        ),
        PaymentState.CAPTURING: answers(
            **_UNDER_WAY | {"OrderRejected": "refuse", "RecordPaymentResult": "record_capture"}
        ),
        PaymentState.PARTIALLY_CAPTURED: answers(
            **_AT_REST
            | {
                "OrderRejected": "refuse",
                "OrderCancelled": "void",
                "ShipmentRequested": "capture_shipment",
                "OrderShipped": "void_rest",
                "RefundRequested": "refund",
                "RefundOrder": "refund",
                "RecordPaymentResult": "renew_if_lapsed",
                "EndWaits": "end_wait",
            }
        ),
        PaymentState.CAPTURED: answers(
            **_AT_REST
            | {
                "OrderRejected": "refuse",
                "OrderCancelled": "refund_rest",
                "RefundRequested": "refund",
                "RefundOrder": "refund",
            }
        ),
        PaymentState.CAPTURE_FAILED: answers(**_AT_REST | {"OrderRejected": "void", "OrderCancelled": "void"}),
        PaymentState.VOIDING: answers(
            **_UNDER_WAY
            | {
                "OrderPlaced": "capture_when_known",
                "OrderRejected": "undo_when_known",
                "RecordPaymentResult": "record_void",
            }
        ),
        PaymentState.VOIDED: answers(
            **_AT_REST | {"OrderRejected": "ignore_duplicate", "OrderCancelled": "ignore_duplicate"}
        ),
        PaymentState.VOID_FAILED: answers(
            **_AT_REST
            | {
                "OrderPlaced": "capture_when_known",
                "OrderRejected": "refund_rest",
                "OrderCancelled": "refund_rest",
                "RefundRequested": "refund",
                "RefundOrder": "refund",
                "RetryOrder": "retry",
                "ResolveOrder": "resolve_void",
                "RecordPaymentResult": "record_late",
                "EndWaits": "let_lapse",
            }
        ),
        PaymentState.REFUNDING: answers(
            **_UNDER_WAY | {"OrderRejected": "refuse", "RecordPaymentResult": "record_refund"}
        ),
        PaymentState.PARTIALLY_REFUNDED: answers(
            **_AT_REST
            | {
                "OrderRejected": "refuse",
                "OrderCancelled": "refund_rest",
                "RefundRequested": "refund",
                "RefundOrder": "refund",
            }
        ),
        PaymentState.REFUNDED: answers(**_AT_REST | {"OrderRejected": "refuse", "OrderCancelled": "note_end"}),
        PaymentState.REFUND_FAILED: answers(
            **_AT_REST
            | {
                "OrderRejected": "refuse",
                "OrderCancelled": "give_back",
                "ShipmentRequested": "capture_shipment",
                "OrderShipped": "void_rest",
                "RefundRequested": "refund",
                "RefundOrder": "refund",
                "RetryOrder": "retry_refund",
                "ResolveOrder": "resolve_refund",
                "RecordPaymentResult": "renew_if_lapsed",
                "EndWaits": "end_wait",
            }
        ),
    }
)
PAYMENT_LEADS_TO: Final[Mapping[str, tuple[PaymentState, ...]]] = MappingProxyType(
    {
        # What costs nothing needs no asking.
        "authorize": (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED),
        "record_authorization": (
            PaymentState.AUTHORIZED,
            PaymentState.REQUIRES_ACTION,
            PaymentState.DECLINED,
            PaymentState.LAPSED,
            PaymentState.CAPTURING,
            PaymentState.VOIDING,
            PaymentState.REFUNDING,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.CAPTURED,
            PaymentState.REFUND_FAILED,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.REFUNDED,
            PaymentState.VOIDED,
        ),
        "record_confirmation": (
            PaymentState.AUTHORIZED,
            PaymentState.DECLINED,
            PaymentState.LAPSED,
            PaymentState.CAPTURING,
            PaymentState.REFUNDING,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.REFUND_FAILED,
        ),
        "cancel_unconfirmed": (PaymentState.VOIDING,),
        "renew": (PaymentState.AUTHORIZING,),
        "end_wait": (PaymentState.AUTHORIZING,),
        "renew_if_lapsed": (PaymentState.AUTHORIZING,),
        "capture": (PaymentState.CAPTURING, PaymentState.CAPTURED),
        "capture_shipment": (PaymentState.CAPTURING, PaymentState.CAPTURED),
        "record_capture": (
            PaymentState.CAPTURED,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.CAPTURE_FAILED,
            PaymentState.AUTHORIZED,
            PaymentState.VOIDING,
            PaymentState.REFUNDING,
            PaymentState.REFUND_FAILED,
            PaymentState.PARTIALLY_REFUNDED,
        ),
        "void": (PaymentState.VOIDING, PaymentState.VOIDED),
        "void_rest": (PaymentState.VOIDING, PaymentState.VOIDED),
        "record_void": (
            PaymentState.VOIDED,
            PaymentState.VOID_FAILED,
            PaymentState.DECLINED,
            PaymentState.LAPSED,
            PaymentState.AUTHORIZED,
            PaymentState.CAPTURED,
            PaymentState.CAPTURING,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.REFUNDING,
            PaymentState.REFUND_FAILED,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.REFUNDED,
        ),
        "let_lapse": (
            PaymentState.VOIDED,
            PaymentState.CAPTURED,
            PaymentState.REFUND_FAILED,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.REFUNDED,
        ),
        "record_late": (
            PaymentState.AUTHORIZED,
            PaymentState.DECLINED,
            PaymentState.LAPSED,
            PaymentState.VOIDING,
            PaymentState.VOIDED,
            PaymentState.CAPTURING,
            PaymentState.CAPTURED,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.REFUNDING,
            PaymentState.REFUND_FAILED,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.REFUNDED,
        ),
        "refund": (PaymentState.REFUNDING,),
        "refund_rest": (PaymentState.REFUNDING,),
        "give_back": (PaymentState.VOIDING, PaymentState.REFUNDING),
        "give_up": (PaymentState.VOIDED, PaymentState.REFUNDING, PaymentState.REFUNDED),
        "close": (PaymentState.VOIDED, PaymentState.CAPTURED, PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED),
        "record_refund": (
            PaymentState.REFUNDED,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.REFUND_FAILED,
            PaymentState.VOID_FAILED,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.CAPTURING,
            PaymentState.VOIDING,
            PaymentState.LAPSED,
        ),
        "retry": (PaymentState.VOIDING, PaymentState.REFUNDING),
        "retry_refund": (PaymentState.REFUNDING,),
        "resolve_void": (
            PaymentState.VOIDED,
            PaymentState.DECLINED,
            PaymentState.LAPSED,
            PaymentState.CAPTURED,
            PaymentState.REFUNDING,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.REFUNDED,
        ),
        "resolve_refund": (
            PaymentState.REFUNDED,
            PaymentState.PARTIALLY_REFUNDED,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.LAPSED,
        ),
        "capture_when_known": (),
        "refuse_capture": (),
        "capture_shipment_when_known": (),
        "refuse_shipment": (),
        "undo_when_known": (),
        "note_end": (),
        "owe_nothing": (),
        "void_rest_when_known": (),
        "note_shipped": (),
        "refund_when_known": (),
        "refuse_refund": (),
        "ignore_repeat": (),
        "retry_when_known": (),
        "resolve_meanwhile": (),
        "wait_on": (),
        "refuse_command": (),
        "ignore_duplicate": (),
        "refuse": (),
    }
)

NEVER: Final = frozenset(
    {
        *((state, "capture_shipment", PaymentState.CAPTURED) for state in _WORTH_MONEY),
        *((state, answer, PaymentState.VOIDED) for state in _WORTH_MONEY for answer in ("void", "void_rest")),
    }
)
"""(state, answer, target) that the tables above would allow: only an order that costs nothing moves without asking."""
