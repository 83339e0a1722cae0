"""Facts about lines, on order.events, keyed by order_id; written by inventory."""

from __future__ import annotations

from schemas.messages.base import Message


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
    reference: str = ""
    discount_minor: int = 0
    tax_minor: int = 0
    shipping_minor: int = 0


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
    reference: str = ""


class LineRepeated(Message, frozen=True):
    """A line was sent again that inventory holds or held; nothing changed.

    Inventory knows only its `quantity`, which is the same. The rest is what was sent this time, for orders to compare.
    """

    order_id: str
    line: int
    line_count: int
    sku: str
    quantity: int
    unit_price_minor: int
    currency: str
    customer_id: str
    payment_token: str
    terms: str
    discount_minor: int = 0
    tax_minor: int = 0
    shipping_minor: int = 0


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
    """A command about a line made no sense where the line stood; nothing changed. `detail` names what differs, if anything."""

    order_id: str
    line: int
    sku: str
    command: str
    reason: str
    detail: str = ""


LINE_EVENTS: tuple[type[Message], ...] = (
    LineReserved,
    LineRejected,
    LineRepeated,
    LineReleased,
    LineExpired,
    LineCommitted,
    LineCommitFailed,
    LineReturned,
    LineShipped,
    LineCommandRefused,
)
