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

_OVER: Final = answers(
    LineReserved="release_late",
    LineRejected="ignore_duplicate",
    LineReleased="note_line",
    LineExpired="note_line",
    LineCommitted="return_late",
    LineCommitFailed="note_line",
    LineReturned="note_line",
    PaymentAuthorized="leave_to_payments",
    PaymentDeclined="leave_to_payments",
    PaymentCaptured="refuse",
    PaymentCaptureFailed="leave_to_payments",
)
"""What an order that ended without a sale answers: whatever comes in for it is given back."""


ORDER_ANSWERS: Final[Mapping[OrderState, Answers]] = MappingProxyType(
    {
        OrderState.UNKNOWN: answers(
            LineReserved="gather_line",
            LineRejected="reject_for_line",
            LineReleased="refuse",
            LineExpired="refuse",
            LineCommitted="refuse",
            LineCommitFailed="refuse",
            LineReturned="refuse",
            PaymentAuthorized="refuse",
            PaymentDeclined="refuse",
            PaymentCaptured="refuse",
            PaymentCaptureFailed="refuse",
        ),
        OrderState.PENDING: answers(
            LineReserved="gather_line",
            LineRejected="reject_for_line",
            LineReleased="reject_for_release",
            LineExpired="reject_incomplete",
            LineCommitted="reject_for_commit",
            LineCommitFailed="note_line",
            LineReturned="note_line",
            PaymentAuthorized="refuse",
            PaymentDeclined="refuse",
            PaymentCaptured="refuse",
            PaymentCaptureFailed="refuse",
        ),
        OrderState.RESERVED: answers(
            LineReserved="release_conflicting",
            LineRejected="ignore_duplicate",
            LineReleased="note_line",
            LineExpired="note_line",
            LineCommitted="gather_commit",
            LineCommitFailed="reject_for_commit",
            LineReturned="reject_for_return",
            PaymentAuthorized="commit_lines",
            PaymentDeclined="reject_for_payment",
            PaymentCaptured="refuse",
            PaymentCaptureFailed="refuse",
        ),
        OrderState.PLACED: answers(
            LineReserved="release_conflicting",
            LineRejected="ignore_duplicate",
            LineReleased="ignore_duplicate",
            LineExpired="ignore_duplicate",
            LineCommitted="return_conflicting",
            LineCommitFailed="ignore_duplicate",
            LineReturned="note_line",
            PaymentAuthorized="ignore_duplicate",
            PaymentDeclined="ignore_duplicate",
            PaymentCaptured="pay",
            PaymentCaptureFailed="cancel_for_capture",
        ),
        OrderState.PAID: answers(
            LineReserved="release_conflicting",
            LineRejected="ignore_duplicate",
            LineReleased="ignore_duplicate",
            LineExpired="ignore_duplicate",
            LineCommitted="return_conflicting",
            LineCommitFailed="ignore_duplicate",
            LineReturned="note_line",
            PaymentAuthorized="ignore_duplicate",
            PaymentDeclined="ignore_duplicate",
            PaymentCaptured="ignore_duplicate",
            PaymentCaptureFailed="ignore_duplicate",
        ),
        OrderState.REJECTED: _OVER,
        OrderState.CANCELLED: _OVER,
    }
)

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

NEVER: Final = frozenset({(OrderState.UNKNOWN, "gather_line", OrderState.REJECTED)})
"""(state, answer, target) that the tables above would allow: the first line has none to contradict."""
