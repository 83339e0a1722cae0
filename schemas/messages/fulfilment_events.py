"""Facts about goods on their way, on order.events, keyed by order_id; written by fulfilment."""

from __future__ import annotations

from schemas.messages.base import Message


class ShipmentRequested(Message, frozen=True):
    """These lines are to go out; `amount_minor` is what they cost. Under capture_at_shipping it is captured first."""

    order_id: str
    shipment_id: str
    lines: tuple[int, ...]
    amount_minor: int


class ShipmentShipped(Message, frozen=True):
    """These lines have left the house together."""

    order_id: str
    shipment_id: str
    lines: tuple[int, ...]
    carrier: str
    tracking: str


class OrderShipped(Message, frozen=True):
    """Nothing of the order is left in the house."""

    order_id: str


class ShipmentDelivered(Message, frozen=True):
    """A parcel has arrived; `presumed` is 1 where nobody said so and its time was over."""

    order_id: str
    shipment_id: str
    presumed: int = 0


class ShipmentLost(Message, frozen=True):
    """A parcel will not arrive; what was paid for these lines goes back."""

    order_id: str
    shipment_id: str
    lines: tuple[int, ...]
    reason: str


class OrderDelivered(Message, frozen=True):
    """Every parcel of the order has arrived or is lost, and one at least has arrived."""

    order_id: str


class FulfilmentCancelled(Message, frozen=True):
    """Nothing of the order has left the house, and nothing will."""

    order_id: str
    reason: str
    requested_by: str = ""


class LineWithdrawn(Message, frozen=True):
    """A line will not be shipped: its units are gone, or its time was over while others went out."""

    order_id: str
    line: int
    sku: str
    reason: str


class ReturnRequested(Message, frozen=True):
    """A customer wants to send lines back; the merchant has to say yes or no until `until_ms`, then it is yes."""

    order_id: str
    return_id: str
    lines: tuple[int, ...]
    reason: str
    until_ms: int


class ReturnApproved(Message, frozen=True):
    """The customer may send the lines back until `until_ms`."""

    order_id: str
    return_id: str
    until_ms: int


class ReturnRefused(Message, frozen=True):
    """The lines are not taken back, or did not come in time."""

    order_id: str
    return_id: str
    reason: str


class ReturnReceived(Message, frozen=True):
    """These lines of a return are here, and go back to stock as `disposition` says; their money follows."""

    order_id: str
    return_id: str
    lines: tuple[int, ...]
    disposition: str


class OrderReturned(Message, frozen=True):
    """Every line that was shipped and not lost is back."""

    order_id: str


class RefundRequested(Message, frozen=True):
    """`amount_minor` is to go back to the customer, once per `refund_id`."""

    order_id: str
    refund_id: str
    amount_minor: int
    reason: str


FULFILMENT_EVENTS: tuple[type[Message], ...] = (
    ShipmentRequested,
    ShipmentShipped,
    OrderShipped,
    ShipmentDelivered,
    ShipmentLost,
    OrderDelivered,
    FulfilmentCancelled,
    LineWithdrawn,
    ReturnRequested,
    ReturnApproved,
    ReturnRefused,
    ReturnReceived,
    OrderReturned,
    RefundRequested,
)
