"""What an order answers to each message, by its state. Names are explained in `topology/states.py`.

Where an answer leads is in the second table: in which states it may stand afterwards, the arrows of the diagram. One with
no state there changes none. A test walks the rooms at random and finds exactly these moves.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from topology.states import OrderState, answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topology.states import Answers

_GOODS_CANNOT_GO: Final = {
    "FulfilmentCancelled": "refuse",
    "OrderShipped": "refuse",
    "OrderDelivered": "refuse",
    "OrderReturned": "refuse",
}
"""Fulfilment has nothing of an order that is not placed."""
_MONEY_CANNOT_MOVE: Final = {
    "PaymentAuthorized": "refuse",
    "PaymentDeclined": "refuse",
    "PaymentCaptured": "refuse",
    "PaymentCaptureFailed": "refuse",
}
_LATE_WORD_OF_LINES: Final = {
    "LineReserved": "release_late",
    "LineRejected": "ignore_duplicate",
    "LineReleased": "note_line",
    "LineExpired": "note_line",
    "LineCommitted": "return_late",
    "LineCommitFailed": "note_line",
    "LineReturned": "note_line",
}
"""What an order that ended without a sale answers: whatever comes in for it is given back."""
_SOLD_LINES: Final = {
    "LineReserved": "release_conflicting",
    "LineRejected": "ignore_duplicate",
    "LineReleased": "note_line",
    "LineExpired": "note_line",
    "LineCommitted": "return_conflicting",
    "LineCommitFailed": "ignore_duplicate",
    "LineReturned": "note_line",
}
"""What an order answers whose every line is committed, and whose goods are fulfilment's business."""
_SOLD_MONEY: Final = {
    "PaymentAuthorized": "leave_to_payments",
    "PaymentDeclined": "refuse",
    "PaymentCaptured": "ignore_duplicate",
    "PaymentCaptureFailed": "ignore_duplicate",
}


ORDER_ANSWERS: Final[Mapping[OrderState, Answers]] = MappingProxyType(
    {
        OrderState.UNKNOWN: answers(
            LineReserved="gather_line",
            LineRejected="gather_rejection",
            LineReleased="refuse",
            LineExpired="refuse",
            LineCommitted="refuse",
            LineCommitFailed="refuse",
            LineReturned="refuse",
            **_MONEY_CANNOT_MOVE,
            CancelOrder="cancel",
            EndWaits="wait_on",
            **_GOODS_CANNOT_GO,
        ),
        OrderState.PENDING: answers(
            LineReserved="gather_line",
            LineRejected="gather_rejection",
            LineReleased="reject_for_release",
            LineExpired="reject_incomplete",
            LineCommitted="reject_for_early_commit",
            LineCommitFailed="note_line",
            LineReturned="note_line",
            **_MONEY_CANNOT_MOVE,
            CancelOrder="cancel",
            EndWaits="reject_overdue",
            **_GOODS_CANNOT_GO,
        ),
        OrderState.RESERVED: answers(
            LineReserved="release_conflicting",
            LineRejected="ignore_duplicate",
            LineReleased="note_line",
            LineExpired="note_line",
            LineCommitted="return_conflicting",
            LineCommitFailed="note_line",
            LineReturned="reject_for_return",
            PaymentAuthorized="commit_lines",
            PaymentDeclined="reject_for_payment",
            PaymentCaptured="refuse",
            PaymentCaptureFailed="refuse",
            CancelOrder="cancel",
            EndWaits="wait_on",
            **_GOODS_CANNOT_GO,
        ),
        OrderState.COMMITTING: answers(
            LineReserved="release_conflicting",
            LineRejected="ignore_duplicate",
            LineReleased="note_line",
            LineExpired="note_line",
            LineCommitted="gather_commit",
            LineCommitFailed="reject_for_commit",
            LineReturned="reject_for_return",
            PaymentAuthorized="ignore_duplicate",
            PaymentDeclined="refuse",
            PaymentCaptured="refuse",
            PaymentCaptureFailed="refuse",
            CancelOrder="cancel",
            EndWaits="wait_on",
            **_GOODS_CANNOT_GO,
        ),
        OrderState.PLACED: answers(
            **{**_SOLD_LINES, "LineReturned": "cancel_for_return"},
            PaymentAuthorized="leave_to_payments",
            PaymentDeclined="refuse",
            PaymentCaptured="pay",
            PaymentCaptureFailed="cancel_for_capture",
            CancelOrder="cancel_placed",
            EndWaits="wait_on",
            FulfilmentCancelled="cancel_for_fulfilment",
            OrderShipped="ship",
            OrderDelivered="refuse",
            OrderReturned="refuse",
        ),
        OrderState.PAID: answers(
            **_SOLD_LINES,
            **_SOLD_MONEY,
            CancelOrder="ask_fulfilment",
            EndWaits="wait_on",
            FulfilmentCancelled="cancel_for_fulfilment",
            OrderShipped="ship",
            OrderDelivered="refuse",
            OrderReturned="refuse",
        ),
        OrderState.SHIPPED: answers(
            **_SOLD_LINES,
            **_SOLD_MONEY,
            CancelOrder="refuse_command",
            EndWaits="wait_on",
            FulfilmentCancelled="refuse",
            OrderShipped="ignore_duplicate",
            OrderDelivered="deliver",
            OrderReturned="take_back",
        ),
        OrderState.DELIVERED: answers(
            **_SOLD_LINES,
            **_SOLD_MONEY,
            CancelOrder="refuse_command",
            EndWaits="wait_on",
            FulfilmentCancelled="refuse",
            OrderShipped="ignore_duplicate",
            OrderDelivered="ignore_duplicate",
            OrderReturned="take_back",
        ),
        OrderState.RETURNED: answers(
            **_SOLD_LINES,
            **_SOLD_MONEY,
            CancelOrder="refuse_command",
            EndWaits="wait_on",
            FulfilmentCancelled="refuse",
            OrderShipped="ignore_duplicate",
            OrderDelivered="ignore_duplicate",
            OrderReturned="ignore_duplicate",
        ),
        OrderState.REJECTED: answers(
            **_LATE_WORD_OF_LINES,
            PaymentAuthorized="leave_to_payments",
            PaymentDeclined="leave_to_payments",
            PaymentCaptured="refuse",
            PaymentCaptureFailed="leave_to_payments",
            CancelOrder="refuse_command",
            EndWaits="wait_on",
            **_GOODS_CANNOT_GO,
        ),
        OrderState.CANCELLED: answers(
            **_LATE_WORD_OF_LINES,
            PaymentAuthorized="leave_to_payments",
            PaymentDeclined="leave_to_payments",
            PaymentCaptured="leave_to_payments",
            PaymentCaptureFailed="leave_to_payments",
            CancelOrder="ignore_repeat",
            EndWaits="wait_on",
            **{**_GOODS_CANNOT_GO, "FulfilmentCancelled": "ignore_duplicate"},
        ),
    }
)

ORDER_LEADS_TO: Final[Mapping[str, tuple[OrderState, ...]]] = MappingProxyType(
    {
        # Lines are missing; this was the last one; it contradicts the others.
        "gather_line": (OrderState.PENDING, OrderState.RESERVED, OrderState.REJECTED),
        # Under ship_available, lines are missing, or this was the last one; else it ends the order.
        "gather_rejection": (OrderState.PENDING, OrderState.RESERVED, OrderState.REJECTED),
        "reject_for_release": (OrderState.REJECTED,),
        "reject_incomplete": (OrderState.REJECTED,),
        "reject_overdue": (OrderState.REJECTED,),
        "reject_for_early_commit": (OrderState.REJECTED,),
        "commit_lines": (OrderState.COMMITTING, OrderState.PLACED),  # commits are missing; none is
        "reject_for_payment": (OrderState.REJECTED,),
        "gather_commit": (OrderState.COMMITTING, OrderState.PLACED),  # commits are missing; this was the last one
        "reject_for_commit": (OrderState.REJECTED,),
        "reject_for_return": (OrderState.REJECTED,),
        "pay": (OrderState.PAID,),
        "cancel": (OrderState.CANCELLED,),
        "cancel_placed": (OrderState.CANCELLED,),  # under capture_at_shipping it is fulfilment that is asked
        "cancel_for_return": (OrderState.CANCELLED,),
        "cancel_for_capture": (OrderState.CANCELLED,),
        "cancel_for_fulfilment": (OrderState.CANCELLED,),
        "ask_fulfilment": (),
        "ship": (OrderState.SHIPPED,),
        "deliver": (OrderState.DELIVERED,),
        "take_back": (OrderState.RETURNED,),
        "release_late": (),
        "release_conflicting": (),
        "return_late": (),
        "return_conflicting": (),
        "leave_to_payments": (),
        "note_line": (),
        "wait_on": (),
        "ignore_duplicate": (),
        "ignore_repeat": (),
        "refuse_command": (),
        "refuse": (),
    }
)

NEVER: Final = frozenset(
    {
        (OrderState.UNKNOWN, "gather_line", OrderState.REJECTED),
        (OrderState.UNKNOWN, "gather_rejection", OrderState.RESERVED),
    }
)
"""(state, answer, target) that the tables above would allow: the first line has none to contradict, and none beside it."""
