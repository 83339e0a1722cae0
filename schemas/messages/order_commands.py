"""Commands on order.commands, keyed by order_id."""

from __future__ import annotations

from schemas.messages.base import Message


class RecordPaymentResult(Message, frozen=True):
    """What the processor answered to one operation, so that the log holds all that was not deterministic.

    `result` is `succeeded`, `declined` (a definite no to an authorisation), `failed` (a definite no to the rest),
    `requires_action` (the customer has to confirm at `action_url`) or `lapsed` (the authorisation is over); a time-out is
    none of these: it is looked up until it is one. `expires_at_ms` is when an authorisation ends (0: unsaid).
    """

    order_id: str
    operation_id: str
    result: str
    authorization_id: str
    reason: str
    action_url: str = ""
    expires_at_ms: int = 0


class InspectPayment(Message, frozen=True):
    """Asks payments to read at the processor where an authorisation's money is, because it may have moved without us.

    `cause` says why: a webhook's event with what it is about, or `reconcile`. Nothing of it is believed: what is found is booked.
    """

    order_id: str
    authorization_id: str
    cause: str


class RecordPaymentInspection(Message, frozen=True):
    """Where the processor has an authorisation's money, read while nothing else was asked about the order.

    `operation_id` is the inspection, or a capture, void or refund that the processor refused because of `refusal`, which the
    figures explain. They are totals since the authorisation was made, in minor units: `disputed_minor` is withdrawn while
    disputes are open, `lost_minor` for good.
    """

    order_id: str
    operation_id: str
    authorization_id: str
    currency: str
    authorized_minor: int
    captured_minor: int
    voided_minor: int
    refunded_minor: int
    disputed_minor: int
    lost_minor: int
    refusal: str = ""


class CancelOrder(Message, frozen=True):
    """Asks to end an order of which nothing was shipped. `requested_by` is `customer` or `merchant`."""

    order_id: str
    requested_by: str
    reason: str


class ShipOrder(Message, frozen=True):
    """Says that lines go out in one parcel, once per `shipment_id`; no `lines` means all that are left."""

    order_id: str
    shipment_id: str
    lines: tuple[int, ...]
    carrier: str
    tracking: str


class ConfirmDelivery(Message, frozen=True):
    """Says that a parcel has arrived."""

    order_id: str
    shipment_id: str


class ReportLostParcel(Message, frozen=True):
    """Says that a parcel will not arrive."""

    order_id: str
    shipment_id: str
    reason: str


class RequestReturn(Message, frozen=True):
    """Asks to send delivered lines back, once per `return_id`; no `lines` means all that were delivered."""

    order_id: str
    return_id: str
    lines: tuple[int, ...]
    reason: str


class ApproveReturn(Message, frozen=True):
    """Allows a return."""

    order_id: str
    return_id: str


class RefuseReturn(Message, frozen=True):
    """Does not allow a return."""

    order_id: str
    return_id: str
    reason: str


class ReceiveReturn(Message, frozen=True):
    """Says that lines of an approved return are here; no `lines` means all of it.

    `disposition` is `available` (they can be sold again) or `quarantine` (they are here, but must not be sold).
    """

    order_id: str
    return_id: str
    lines: tuple[int, ...]
    disposition: str = "available"


class RefundOrder(Message, frozen=True):
    """Gives captured money back without goods, once per `refund_id`; never more than is captured and not refunded."""

    order_id: str
    refund_id: str
    amount_minor: int
    reason: str


class RetryOrder(Message, frozen=True):
    """Asks the processor again for what it refused: a void or a refund that failed."""

    order_id: str
    requested_by: str


class ResolveOrder(Message, frozen=True):
    """Says that a failed void or refund was done by hand; `note` says how, for those who read the books."""

    order_id: str
    requested_by: str
    note: str


class EndWaits(Message, frozen=True):
    """Ends at most `limit` waits of `room` whose time was over at `as_of_ms`; the room's owner appends it to its own log."""

    room: str
    as_of_ms: int
    limit: int


ORDER_COMMANDS: tuple[type[Message], ...] = (
    RecordPaymentResult,
    InspectPayment,
    RecordPaymentInspection,
    CancelOrder,
    ShipOrder,
    ConfirmDelivery,
    ReportLostParcel,
    RequestReturn,
    ApproveReturn,
    RefuseReturn,
    ReceiveReturn,
    RefundOrder,
    RetryOrder,
    ResolveOrder,
    EndWaits,
)
