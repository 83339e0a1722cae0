"""Facts about orders, on order.events, keyed by order_id; written by orders."""

from __future__ import annotations

from schemas.messages.base import Message, OrderedLine


class OrderReserved(Message, frozen=True):
    """Every line that the order goes on with is held; the payment of `amount_minor` may begin."""

    order_id: str
    line_count: int
    amount_minor: int
    currency: str
    customer_id: str
    payment_token: str


class OrderRejected(Message, frozen=True):
    """The order ends without a sale; whatever it held or allocated is being given back.

    `detail` names what differs where its lines contradict each other.
    """

    order_id: str
    reason: str
    detail: str = ""


class OrderPlaced(Message, frozen=True):
    """Every line is allocated and the payment is authorised.

    Under the usual terms the payment is captured now. Under capture_at_shipping fulfilment begins with it, and `lines`
    says with what; otherwise `lines` is empty, and OrderPaid says it.
    """

    order_id: str
    amount_minor: int
    currency: str
    terms: str = ""
    lines: tuple[OrderedLine, ...] = ()


class OrderPaid(Message, frozen=True):
    """The money is captured; fulfilment begins, with `lines`."""

    order_id: str
    amount_minor: int
    currency: str
    lines: tuple[OrderedLine, ...] = ()


class OrderCancelRequested(Message, frozen=True):
    """Somebody wants an order cancelled that fulfilment has: it ends if nothing has left the house."""

    order_id: str
    requested_by: str
    reason: str


class OrderCancelled(Message, frozen=True):
    """An order ends without a sale; its lines are being given back, its authorisation voided, its capture refunded."""

    order_id: str
    reason: str
    requested_by: str = ""


class OrderCommandRefused(Message, frozen=True):
    """A command about an order made no sense where the order stood; nothing changed.

    `reference` is what the command names beside the order (a shipment, a return, a refund, a line), empty where it names
    nothing. `detail` names what differs where the reference stands for something else already.
    """

    order_id: str
    command: str
    reference: str
    reason: str
    detail: str = ""


class OrderCommandUnmatched(Message, frozen=True):
    """A room keeps nothing of the order that a command is about: orders, which knows, refuses the command with the reason."""

    order_id: str
    command: str
    reference: str


class RecordDeadLettered(Message, frozen=True):
    """A record about an order could not be processed by a room: it is a dead letter, and nothing changed.

    `message_type` is what the record says, such as PlaceOrderLine, empty where nothing can be read in it; `detail` is cut off.
    """

    order_id: str
    room: str
    topic: str
    partition: int
    offset: int
    message_type: str
    reason: str
    detail: str


ORDER_EVENTS: tuple[type[Message], ...] = (
    OrderReserved,
    OrderRejected,
    OrderPlaced,
    OrderPaid,
    OrderCancelRequested,
    OrderCancelled,
    OrderCommandRefused,
    OrderCommandUnmatched,
    RecordDeadLettered,
)
