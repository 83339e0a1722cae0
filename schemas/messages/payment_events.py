"""Facts about money, on order.events, keyed by order_id; written by payments."""

from __future__ import annotations

from schemas.messages.base import Message


class PaymentRequiresAction(Message, frozen=True):
    """The customer has to confirm the payment at `action_url` until `until_ms`, as 3-D Secure asks for."""

    order_id: str
    authorization_id: str
    action_url: str
    until_ms: int


class PaymentAuthorized(Message, frozen=True):
    """The processor holds `amount_minor` for us under `authorization_id` until `expires_at_ms` (0: it does not say)."""

    order_id: str
    authorization_id: str
    amount_minor: int
    currency: str
    expires_at_ms: int = 0


class PaymentDeclined(Message, frozen=True):
    """The processor refused to authorise; no money is held."""

    order_id: str
    reason: str


class PaymentCaptured(Message, frozen=True):
    """`amount_minor` of the authorised money is ours; `reference` is the shipment that it is for, empty for the order."""

    order_id: str
    authorization_id: str
    amount_minor: int
    currency: str
    reference: str = ""


class PaymentCaptureFailed(Message, frozen=True):
    """The processor refused to capture; the authorisation is still open. `reference` as in PaymentCaptured."""

    order_id: str
    authorization_id: str
    reason: str
    reference: str = ""


class PaymentVoided(Message, frozen=True):
    """What was still authorised and not captured was given back."""

    order_id: str
    authorization_id: str


class PaymentVoidFailed(Message, frozen=True):
    """The processor refused to void; the money stays authorised until a person resolves it."""

    order_id: str
    authorization_id: str
    reason: str


class PaymentLapsed(Message, frozen=True):
    """The authorisation is over and could not be renewed: nothing may be shipped on it."""

    order_id: str
    authorization_id: str
    reason: str


class PaymentRefunded(Message, frozen=True):
    """`amount_minor` of the captured money went back to the customer, for `refund_id`."""

    order_id: str
    refund_id: str
    amount_minor: int
    currency: str


class PaymentRefundFailed(Message, frozen=True):
    """The processor refused to refund; we owe the customer `amount_minor` until a person resolves it.

    `was_refunded` is 1 where it had succeeded first (PaymentRefunded), and the customer's bank sent it back days later.
    """

    order_id: str
    refund_id: str
    amount_minor: int
    reason: str
    was_refunded: int = 0


class RefundReduced(Message, frozen=True):
    """Of `asked_minor` that was to go back for `refund_id`, only `amount_minor` will (0: nothing); `reason` says why.

    `given_before`: the rest went back already; `disputed`: it is disputed, or lost in a dispute; `order_over`: all that is left
    goes back because the order has ended.
    """

    order_id: str
    refund_id: str
    asked_minor: int
    amount_minor: int
    reason: str


class PaymentChangedExternally(Message, frozen=True):
    """Money moved at the processor without us: a person or the card network moved `amount_minor`.

    `change` is `captured`, `voided`, `refunded`, `disputed` (withdrawn while a dispute is open), `dispute_won` (it came back),
    `dispute_lost`, or `..._reversed` where less is there than was found before. Of all captured money of the order
    `left_minor` is left then, neither given back nor disputed nor lost; `disputed_minor` is disputed, and `gone_minor` was
    refunded without us or lost.
    """

    order_id: str
    authorization_id: str
    change: str
    amount_minor: int
    currency: str
    left_minor: int
    disputed_minor: int
    gone_minor: int


class PaymentResolved(Message, frozen=True):
    """A failed void or refund was done by hand, outside the processor, as a person reports in `note`.

    `refund_id` is that of a refund, empty for a void; events of earlier releases have neither it nor a currency.
    """

    order_id: str
    operation_id: str
    amount_minor: int
    note: str
    refund_id: str = ""
    currency: str = ""


PAYMENT_EVENTS: tuple[type[Message], ...] = (
    PaymentRequiresAction,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentVoided,
    PaymentVoidFailed,
    PaymentLapsed,
    PaymentRefunded,
    PaymentRefundFailed,
    RefundReduced,
    PaymentChangedExternally,
    PaymentResolved,
)
