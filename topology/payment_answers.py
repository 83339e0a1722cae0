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

PAYMENT_ANSWERS: Final[Mapping[PaymentState, Answers]] = MappingProxyType(
    {
        PaymentState.NONE: answers(
            OrderReserved="authorize",
            OrderPlaced="refuse",
            OrderRejected="owe_nothing",
            OrderCancelled="refuse",
            RecordPaymentResult="refuse",
        ),
        PaymentState.AUTHORIZING: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="refuse",
            OrderRejected="void_when_known",
            OrderCancelled="void_when_known",
            RecordPaymentResult="record_authorization",
        ),
        PaymentState.AUTHORIZED: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="capture",
            OrderRejected="void",
            OrderCancelled="void",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.DECLINED: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="refuse",
            OrderRejected="owe_nothing",
            OrderCancelled="owe_nothing",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.CAPTURING: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="refuse",
            OrderCancelled="refuse",
            RecordPaymentResult="record_capture",
        ),
        PaymentState.CAPTURED: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="refuse",
            OrderCancelled="refuse",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.CAPTURE_FAILED: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="void",
            OrderCancelled="void",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.VOIDING: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            RecordPaymentResult="record_void",
        ),
        PaymentState.VOIDED: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.VOID_FAILED: answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            RecordPaymentResult="ignore_repeat",
        ),
    }
)

PAYMENT_LEADS_TO: Final[Mapping[str, tuple[PaymentState, ...]]] = MappingProxyType(
    {
        "authorize": (PaymentState.AUTHORIZING,),
        # A void that waited for the processor's answer begins with it.
        "record_authorization": (PaymentState.AUTHORIZED, PaymentState.DECLINED, PaymentState.VOIDING),
        "capture": (PaymentState.CAPTURING,),
        "record_capture": (PaymentState.CAPTURED, PaymentState.CAPTURE_FAILED),
        "void": (PaymentState.VOIDING,),
        "void_when_known": (PaymentState.AUTHORIZING,),
        "record_void": (PaymentState.VOIDED, PaymentState.VOID_FAILED),
        "owe_nothing": (),
        "ignore_duplicate": (),
        "ignore_repeat": (),
        "refuse": (),
    }
)
