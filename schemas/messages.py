"""Every message that travels on Kafka, as a typed struct.

One struct here is one Avro file in `schemas/avro/` with the same name, fields and types; a test holds the two equal.
Units stand last in the names: `_ms` is milliseconds since the Unix epoch (UTC), `_minor` is integer minor units of the
ISO 4217 currency beside it, `_seconds` is a duration. Quantities are whole units of one SKU.
"""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """What all messages have in common: immutable, comparable by value, and no concern of the garbage collector's."""


class OrderedLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an order as others need it: `quantity` whole units of a SKU at `unit_price_minor` each."""

    line: int
    sku: str
    quantity: int
    unit_price_minor: int

    @property
    def amount_minor(self) -> int:
        """What the line costs, in minor units of its order's currency."""
        return self.quantity * self.unit_price_minor


# --- commands on inventory.commands, keyed by sku ---------------------------------------------------------------------


class PlaceOrderLine(Message, frozen=True):
    """Asks to reserve one line of an order.

    An order of n lines is n of these, each with the order's header, so that a lost line shows (`line` of `line_count`).
    `demand` counts the units of this SKU that this line and the later lines of the same order want together, so that
    two lines naming one SKU are judged on their sum (under ship_available each is judged alone); it is never below
    `quantity`. A `cart_id` names what the customer checks out: a later order (by its id) of the same customer and cart
    takes over what an earlier one holds of the SKU.
    `terms` are the order's, the same in each of its lines: words of schemas.terms with a space between, none for the
    usual ones (all lines or none, captured at placing).
    """

    order_id: str
    line: int
    line_count: int
    sku: str
    quantity: int
    demand: int
    unit_price_minor: int
    currency: str
    customer_id: str
    payment_token: str
    hold_seconds: int
    cart_id: str = ""
    terms: str = ""


class ReleaseLine(Message, frozen=True):
    """Gives a held line's units back. Undoes PlaceOrderLine."""

    order_id: str
    line: int
    sku: str
    reason: str


class CommitLine(Message, frozen=True):
    """Turns a hold into an allocation; takes the stock again where the hold has expired and the stock is there."""

    order_id: str
    line: int
    sku: str


class ReturnLine(Message, frozen=True):
    """Gives an allocated or shipped line's units back. Undoes CommitLine and ShipLine.

    `disposition` is `available` (they can be sold again) or `quarantine` (they are here, but must not be sold).
    """

    order_id: str
    line: int
    sku: str
    reason: str
    disposition: str = "available"


class ShipLine(Message, frozen=True):
    """Sends an allocated line's units out of the house."""

    order_id: str
    line: int
    sku: str


class ReceiveStock(Message, frozen=True):
    """Adds received units of a SKU, once per `command_id`."""

    command_id: str
    sku: str
    quantity: int


class AdjustStock(Message, frozen=True):
    """Corrects a count by `change` units (negative: fewer are here than believed), once per `command_id`."""

    command_id: str
    sku: str
    change: int
    reason: str


class ClearQuarantine(Message, frozen=True):
    """Ends the quarantine of `quantity` units: `available` makes them sellable, `scrap` writes them off."""

    command_id: str
    sku: str
    quantity: int
    disposition: str


class SetPurchaseLimit(Message, frozen=True):
    """Limits what one customer may hold and buy of a SKU to `limit` units; 0 lifts the limit.

    Units count from the moment a limit is in force, and are given back with the line.
    """

    command_id: str
    sku: str
    limit: int


class SuspendSale(Message, frozen=True):
    """Takes a SKU off sale; what is held or allocated goes on."""

    command_id: str
    sku: str
    reason: str


class ResumeSale(Message, frozen=True):
    """Puts a suspended SKU on sale again."""

    command_id: str
    sku: str


class RetireSku(Message, frozen=True):
    """Ends a SKU of which nothing is left; its level disappears from stock.levels until units come in again."""

    command_id: str
    sku: str


class ExpireHolds(Message, frozen=True):
    """Ends at most `limit` holds whose time was over at `as_of_ms`; the partition's owner appends it to its own log."""

    as_of_ms: int
    limit: int


# --- facts about lines, on order.events, keyed by order_id; written by inventory --------------------------------------


class LineReserved(Message, frozen=True):
    """A line's units are held until `expires_at_ms`; carries the order's header for those who gather the lines."""

    order_id: str
    line: int
    line_count: int
    sku: str
    quantity: int
    unit_price_minor: int
    currency: str
    customer_id: str
    payment_token: str
    expires_at_ms: int
    terms: str = ""


class LineRejected(Message, frozen=True):
    """A line could not be reserved: `demand` units were asked for when `available` were there."""

    order_id: str
    line: int
    line_count: int
    sku: str
    quantity: int
    demand: int
    available: int
    customer_id: str
    reason: str
    terms: str = ""


class LineReleased(Message, frozen=True):
    """A hold was given back on request."""

    order_id: str
    line: int
    sku: str
    quantity: int
    reason: str


class LineExpired(Message, frozen=True):
    """A hold ended because its time was over."""

    order_id: str
    line: int
    sku: str
    quantity: int


class LineCommitted(Message, frozen=True):
    """A line's units are allocated to its order for good (until shipped or returned)."""

    order_id: str
    line: int
    sku: str
    quantity: int


class LineCommitFailed(Message, frozen=True):
    """A line could not be committed: its hold had ended and the stock was gone."""

    order_id: str
    line: int
    sku: str
    quantity: int
    available: int
    reason: str


class LineReturned(Message, frozen=True):
    """An allocated or shipped line's units are back, as `disposition` says."""

    order_id: str
    line: int
    sku: str
    quantity: int
    reason: str
    disposition: str = "available"


class LineShipped(Message, frozen=True):
    """A line's units have left the house."""

    order_id: str
    line: int
    sku: str
    quantity: int


class LineCommandRefused(Message, frozen=True):
    """A command about a line made no sense where the line stood; nothing changed."""

    order_id: str
    line: int
    sku: str
    command: str
    reason: str


# --- facts about orders, on order.events; written by orders -----------------------------------------------------------


class OrderReserved(Message, frozen=True):
    """Every line that the order goes on with is held; the payment of `amount_minor` may begin."""

    order_id: str
    line_count: int
    amount_minor: int
    currency: str
    customer_id: str
    payment_token: str


class OrderRejected(Message, frozen=True):
    """The order ends without a sale; whatever it held or allocated is being given back."""

    order_id: str
    reason: str


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

    `reference` is what the command names beside the order (a shipment, a return, a refund), empty where it names nothing.
    """

    order_id: str
    command: str
    reference: str
    reason: str


# --- facts about money, on order.events; written by payments ----------------------------------------------------------


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
    """The processor refused to refund; we owe the customer `amount_minor` until a person resolves it."""

    order_id: str
    refund_id: str
    amount_minor: int
    reason: str


class PaymentResolved(Message, frozen=True):
    """A person says that a failed void or refund was done by hand, outside the processor's interface."""

    order_id: str
    operation_id: str
    amount_minor: int
    note: str


# --- facts about goods on their way, on order.events; written by fulfilment -------------------------------------------


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


# --- what is told to customers and other systems, on order.notifications; written by notifications --------------------


class OrderNotification(Message, frozen=True):
    """Something that a customer or another system should hear of; `kind` is a word of topology.saga.NOTIFIED.

    `event_id` identifies what is told, and is the same whenever it is told again.
    """

    event_id: str
    order_id: str
    kind: str
    at_ms: int
    amount_minor: int = 0
    currency: str = ""
    reference: str = ""
    detail: str = ""


# --- commands on order.commands, keyed by order_id --------------------------------------------------------------------


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


# --- states and leftovers ---------------------------------------------------------------------------------------------


class StockLevel(Message, frozen=True):
    """The latest level of one SKU, on the compacted topic stock.levels, keyed by sku."""

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    available: int
    at_ms: int
    quarantined: int = 0


class DeadLetter(Message, frozen=True):
    """A record that could not be processed, whole, with the reason; keyed as its source was."""

    room: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    reason: str
    detail: str
    at_ms: int


MESSAGES: tuple[type[Message], ...] = (
    PlaceOrderLine,
    ReleaseLine,
    CommitLine,
    ReturnLine,
    ShipLine,
    ReceiveStock,
    AdjustStock,
    ClearQuarantine,
    SetPurchaseLimit,
    SuspendSale,
    ResumeSale,
    RetireSku,
    ExpireHolds,
    LineReserved,
    LineRejected,
    LineReleased,
    LineExpired,
    LineCommitted,
    LineCommitFailed,
    LineReturned,
    LineShipped,
    LineCommandRefused,
    OrderReserved,
    OrderRejected,
    OrderPlaced,
    OrderPaid,
    OrderCancelRequested,
    OrderCancelled,
    OrderCommandRefused,
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
    PaymentResolved,
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
    OrderNotification,
    RecordPaymentResult,
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
    StockLevel,
    DeadLetter,
)
