"""Where each answer of `topology/states.py` leads: the arrows of the state diagrams.

The tables there say what a state answers to a message; this says in which states the order or the payment may stand
afterwards. An answer with no state here changes none. A test walks both rooms at random and finds exactly these moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from topology.states import OrderState, PaymentState

ORDER_LEADS_TO: Final[Mapping[str, tuple[OrderState, ...]]] = MappingProxyType(
    {
        # Lines are missing; this was the last one; it contradicts the others.
        "gather_line": (OrderState.PENDING, OrderState.RESERVED, OrderState.REJECTED),
        "reject_for_line": (OrderState.REJECTED,),
        "reject_for_release": (OrderState.REJECTED,),
        "reject_incomplete": (OrderState.REJECTED,),
        "commit_lines": (OrderState.RESERVED, OrderState.PLACED),  # commits are missing; none is
        "reject_for_payment": (OrderState.REJECTED,),
        "gather_commit": (OrderState.RESERVED, OrderState.PLACED),  # commits are missing; this was the last one
        "reject_for_commit": (OrderState.REJECTED,),
        "reject_for_return": (OrderState.REJECTED,),
        "pay": (OrderState.PAID,),
        "cancel_for_capture": (OrderState.CANCELLED,),
        "release_late": (),
        "release_conflicting": (),
        "return_late": (),
        "return_conflicting": (),
        "leave_to_payments": (),
        "note_line": (),
        "ignore_duplicate": (),
        "refuse": (),
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

NEVER: Final = frozenset({(OrderState.UNKNOWN, "gather_line", OrderState.REJECTED)})
"""(state, answer, target) that the tables above would allow: the first line has none to contradict."""
