"""Every message that travels on Kafka, as a typed struct.

One struct here is one Avro file in `schemas/avro/` with the same name, fields and types; a test holds the two equal.
Units stand last in the names: `_ms` is milliseconds since the Unix epoch (UTC), `_minor` is integer minor units of the
ISO 4217 currency beside it, `_seconds` is a duration. Quantities are whole units of one SKU.
"""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """What all messages have in common: immutable, comparable by value, and no concern of the garbage collector's."""


# --- commands on inventory.commands, keyed by sku ---------------------------------------------------------------------


class PlaceOrderLine(Message, frozen=True):
    """Asks to reserve one line of an order.

    An order of n lines is n of these, each with the order's header, so that a lost line shows (`line` of `line_count`).
    `demand` counts the units of this SKU that this line and the later lines of the same order want together, so that
    two lines naming one SKU are judged on their sum; it is never below `quantity`. A `cart_id` names what the customer
    checks out: a later order (by its id) of the same customer and cart takes over what an earlier one holds of the SKU.
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
    """Every line is held; the payment of `amount_minor` may begin."""

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
    """Every line is allocated and the payment is authorised; it may be captured."""

    order_id: str
    amount_minor: int
    currency: str


class OrderPaid(Message, frozen=True):
    """The money is captured; the order is ready to be fulfilled."""

    order_id: str
    amount_minor: int
    currency: str


class OrderCancelled(Message, frozen=True):
    """A placed order ends without a sale; its lines are being returned and its authorisation voided."""

    order_id: str
    reason: str


# --- facts about money, on order.events; written by payments ----------------------------------------------------------


class PaymentAuthorized(Message, frozen=True):
    """The processor holds `amount_minor` for us under `authorization_id`."""

    order_id: str
    authorization_id: str
    amount_minor: int
    currency: str


class PaymentDeclined(Message, frozen=True):
    """The processor refused to authorise; no money is held."""

    order_id: str
    reason: str


class PaymentCaptured(Message, frozen=True):
    """The authorised money is ours."""

    order_id: str
    authorization_id: str
    amount_minor: int
    currency: str


class PaymentCaptureFailed(Message, frozen=True):
    """The processor refused to capture; the authorisation is still open and gets voided."""

    order_id: str
    authorization_id: str
    reason: str


class PaymentVoided(Message, frozen=True):
    """The authorisation was given back uncaptured."""

    order_id: str
    authorization_id: str


class PaymentVoidFailed(Message, frozen=True):
    """The processor refused to void; the money stays authorised until a person resolves it."""

    order_id: str
    authorization_id: str
    reason: str


# --- commands on order.commands, keyed by order_id --------------------------------------------------------------------


class RecordPaymentResult(Message, frozen=True):
    """What the processor answered to one operation, so that the log holds all that was not deterministic.

    `result` is `succeeded`, `declined` (a definite no to an authorisation) or `failed` (a definite no to the rest);
    a time-out is none of these: it is looked up until it is one.
    """

    order_id: str
    operation_id: str
    result: str
    authorization_id: str
    reason: str


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
    OrderCancelled,
    PaymentAuthorized,
    PaymentDeclined,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentVoided,
    PaymentVoidFailed,
    RecordPaymentResult,
    StockLevel,
    DeadLetter,
)
