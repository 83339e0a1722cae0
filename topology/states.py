"""The states of an order and of its payment, and what each state answers to each message: the saga's state machines.

Nothing else decides a transition. `consumers/orders/decide.py` and `consumers/payments/decide.py` look their answer up
here and hold one function for each name; `docs/` draws these tables; a test walks every pair (state, message).

An answer is one of
- a step forward (`gather_line`, `commit_lines`, ...): the saga advances,
- a late compensation (`release_late`, `return_late`): the order is over, so the fact is undone,
- `note_...`: the fact is written down and changes nothing else,
- `ignore_duplicate`: the fact is known already, or can only be an echo of one that is,
- `ignore_repeat`: the same, and it is refused where it contradicts what is known,
- `refuse`: this cannot follow from the saga; the record goes to dead.letters, whole.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from schemas import messages as m

if TYPE_CHECKING:
    from collections.abc import Mapping

    Answers: TypeAlias = Mapping[type[m.Message], str]


class OrderState(StrEnum):
    """Where an order stands. `UNKNOWN` is an order of which nothing was heard yet."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    RESERVED = "reserved"
    PLACED = "placed"
    PAID = "paid"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


FINAL_ORDER_STATES: Final = frozenset({OrderState.PAID, OrderState.REJECTED, OrderState.CANCELLED})


class PaymentState(StrEnum):
    """Where an order's money stands. `NONE` is an order for which no money was asked."""

    NONE = "none"
    AUTHORIZING = "authorizing"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    CAPTURE_FAILED = "capture_failed"
    VOIDING = "voiding"
    VOIDED = "voided"
    VOID_FAILED = "void_failed"


SETTLED_PAYMENT_STATES: Final = frozenset({PaymentState.DECLINED, PaymentState.CAPTURED, PaymentState.VOIDED})
"""Where nothing more is to be done about an order's money."""


OUTSIDE_WINDOW: Final = "order_id_outside_window"
"""The reason why a command or a fact is not taken in: its order's id is too old, or too far ahead."""


def _answers(**answers: str) -> Answers:
    return MappingProxyType({getattr(m, message): answer for message, answer in answers.items()})


_OVER: Final = _answers(
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
        OrderState.UNKNOWN: _answers(
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
        OrderState.PENDING: _answers(
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
        OrderState.RESERVED: _answers(
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
        OrderState.PLACED: _answers(
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
        OrderState.PAID: _answers(
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


PAYMENT_ANSWERS: Final[Mapping[PaymentState, Answers]] = MappingProxyType(
    {
        PaymentState.NONE: _answers(
            OrderReserved="authorize",
            OrderPlaced="refuse",
            OrderRejected="owe_nothing",
            OrderCancelled="refuse",
            RecordPaymentResult="refuse",
        ),
        PaymentState.AUTHORIZING: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="refuse",
            OrderRejected="void_when_known",
            OrderCancelled="void_when_known",
            RecordPaymentResult="record_authorization",
        ),
        PaymentState.AUTHORIZED: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="capture",
            OrderRejected="void",
            OrderCancelled="void",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.DECLINED: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="refuse",
            OrderRejected="owe_nothing",
            OrderCancelled="owe_nothing",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.CAPTURING: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="refuse",
            OrderCancelled="refuse",
            RecordPaymentResult="record_capture",
        ),
        PaymentState.CAPTURED: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="refuse",
            OrderCancelled="refuse",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.CAPTURE_FAILED: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="void",
            OrderCancelled="void",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.VOIDING: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            RecordPaymentResult="record_void",
        ),
        PaymentState.VOIDED: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            RecordPaymentResult="ignore_repeat",
        ),
        PaymentState.VOID_FAILED: _answers(
            OrderReserved="ignore_duplicate",
            OrderPlaced="ignore_duplicate",
            OrderRejected="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            RecordPaymentResult="ignore_repeat",
        ),
    }
)
