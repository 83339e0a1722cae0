"""The states of an order, of its payment, of its fulfilment and of a return: four axes, each a machine of its own.

What is decided on a message in a state is in `consumers/<room>/transitions.py`, the only table, which maps the pair to the
decision function itself; `docs/diagrams` draws these tables, and a test walks every pair (state, message). Beside the steps
forward, a pair is decided by
- a late compensation (`release_late`, `return_late`): the order is over, so the fact is undone,
- `record_fact`: the fact is written down and changes nothing else,
- `ignore_timer`: time is over for other waits, not for what this waits for,
- `ignore_duplicate`: the fact is known already, or can only be an echo of one that is,
- `refuse_command`: a command that makes no sense here, answered with an event that gives the reason (OrderCommandRefused),
- `refuse`: this cannot follow from the saga; the record goes to dead.letters, whole.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class OrderState(StrEnum):
    """Where an order stands. `UNKNOWN` is an order without any event yet.

    `COMMITTING` waits for inventory's answer on every line, after the payment was authorised.
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
"""Where selling is over: nobody waits any more for whether the order can be had."""
CLOSED_ORDER_STATES: Final = OVER_ORDER_STATES | {OrderState.DELIVERED, OrderState.RETURNED}
"""Where an order waits for nothing: its row goes with its week, and it is answered then as one that is not known."""


class PaymentState(StrEnum):
    """Where an order's money stands. `NONE` is an order for which no money was asked.

    A payment does one thing at a time: states in -ING wait for the processor's answer, further operations wait in line.
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
    DISPUTED = "disputed"
    INSPECTING = "inspecting"


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
