"""The states of an order, of its payment, of its fulfilment and of a return: four axes, each a machine of its own.

What a state answers to a message is in `topology/order_answers.py`, `payment_answers.py` and `fulfilment_answers.py`.
Nothing else decides a transition: the rooms look their answer up there and hold one function for each name; `docs/`
draws these tables; a test walks every pair (state, message).

An answer is one of
- a step forward (`gather_line`, `commit_lines`, ...): the saga advances,
- a late compensation (`release_late`, `return_late`): the order is over, so the fact is undone,
- `note_...`: the fact is written down and changes nothing else,
- `..._when_known`: something is under way; what is asked for waits in line until its answer is there,
- `wait_on`: time is over for others, not for what this waits for,
- `ignore_duplicate`: the fact is known already, or can only be an echo of one that is,
- `ignore_repeat`: the same, and it is refused where it contradicts what is known,
- `refuse_command`: a command that makes no sense here, answered with an event that says why (OrderCommandRefused),
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
    """Where an order stands. `UNKNOWN` is an order of which nothing was heard yet.

    `COMMITTING` waits for inventory's word on every line, after the payment was authorised.
    """

    UNKNOWN = "unknown"
    PENDING = "pending"
    RESERVED = "reserved"
    COMMITTING = "committing"
    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


SOLD_ORDER_STATES: Final = frozenset({OrderState.PAID, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.RETURNED})
"""Where an order was a sale, whatever came after."""
OVER_ORDER_STATES: Final = frozenset({OrderState.REJECTED, OrderState.CANCELLED})
"""Where an order ended without a sale."""
FINAL_ORDER_STATES: Final = SOLD_ORDER_STATES | OVER_ORDER_STATES
"""Where selling is over: nobody waits for the answer to `may I have it?` any more."""
CLOSED_ORDER_STATES: Final = OVER_ORDER_STATES | {OrderState.DELIVERED, OrderState.RETURNED}
"""Where an order waits for nothing: its row goes with its week, and it is answered then as one that is not known."""


class PaymentState(StrEnum):
    """Where an order's money stands. `NONE` is an order for which no money was asked.

    A payment does one thing at a time: states in -ING wait for the processor's answer, further wishes wait in line.
    """

    NONE = "none"
    AUTHORIZING = "authorizing"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    LAPSED = "lapsed"
    CAPTURING = "capturing"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    CAPTURE_FAILED = "capture_failed"
    VOIDING = "voiding"
    VOIDED = "voided"
    VOID_FAILED = "void_failed"
    REFUNDING = "refunding"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"


SETTLED_PAYMENT_STATES: Final = frozenset(
    {
        PaymentState.DECLINED,
        PaymentState.CAPTURED,
        PaymentState.VOIDED,
        PaymentState.PARTIALLY_REFUNDED,
        PaymentState.REFUNDED,
    }
)
"""Where nothing more is to be done about an order's money, unless somebody asks for more."""


class FulfilmentState(StrEnum):
    """Where an order's goods stand on their way out. `NONE` is an order of which nothing is to be shipped (yet)."""

    NONE = "none"
    OPEN = "open"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class ReturnState(StrEnum):
    """Where one return of an order stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    RECEIVED = "received"


ALREADY_SHIPPED: Final = "already_shipped"
"""The reason why inventory refuses to ship a line, or fulfilment to cancel an order: it has left the house."""
OUTSIDE_WINDOW: Final = "order_id_outside_window"
"""The reason why a command or a fact is not taken in: its order's id is too old, or too far ahead."""


def answers(**named: str) -> Answers:
    """Return one state's row of a table: the name of the answer to each message."""
    return MappingProxyType({getattr(m, message): answer for message, answer in named.items()})
