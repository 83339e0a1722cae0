"""What is sent to the API, as structs: the document at /openapi.json is made from these."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from infra.edge.api.checks import currency_fault, identifier_fault, repeat_fault, text_fault
from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_TEXT, MAX_UNIT_PRICE_MINOR
from schemas.money import CURRENCIES

PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"
"""No control characters; what else may not be in a text, `text_fault` and `identifier_fault` find."""

Text: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE, extra={"check": text_fault})
]
Identifier: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MAX_TEXT, pattern=PRINTABLE, extra={"check": identifier_fault})
]
IdentifierOrNone: TypeAlias = Annotated[
    str, Meta(max_length=MAX_TEXT, pattern=PRINTABLE, extra={"check": identifier_fault})
]
Units: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_QUANTITY, description="Whole units.")]
Minor: TypeAlias = Annotated[
    int, Meta(ge=1, le=2**63 - 1, description="An amount in minor units of the order's currency.")
]
LineNumbers: TypeAlias = Annotated[
    list[Annotated[int, Meta(ge=1, le=MAX_LINES)]],
    Meta(max_length=MAX_LINES, description="Numbers of lines, each once; none for all.", extra={"check": repeat_fault}),
]
Currency: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^[A-Z]{3}$",
        description="ISO 4217.",
        extra={"check": currency_fault},
        extra_json_schema={"enum": sorted(CURRENCIES)},
    ),
]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is sent. Defaults are left out when it is encoded again, so that a later default changes no fingerprint."""


class OrderLineBody(Body, frozen=True):
    """One line: whole units of a SKU at a price each."""

    sku: Identifier
    quantity: Units
    unit_price_minor: Annotated[
        int, Meta(ge=0, le=MAX_UNIT_PRICE_MINOR, description="The price of one unit, in minor units of the currency.")
    ]
    discount_minor: Annotated[
        int, Meta(ge=0, le=2**63 - 1, description="What the whole line costs less, at most what its units cost.")
    ] = 0
    tax_minor: Annotated[
        int,
        Meta(ge=0, le=2**63 - 1, description="Tax that is added to the whole line, at most what its units cost."),
    ] = 0


class OrderBody(Body, frozen=True):
    """What a customer wants."""

    customer_id: Identifier
    currency: Currency
    payment_token: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_TEXT,
            pattern=PRINTABLE,
            extra={"check": identifier_fault},
            description="What the payment processor knows the customer's means of payment by; never shown again.",
        ),
    ]
    lines: Annotated[list[OrderLineBody], Meta(min_length=1, max_length=MAX_LINES)]
    terms: Annotated[
        list[Literal["ship_available", "capture_at_shipping"]],
        Meta(
            max_length=2,
            description="How the order may go other than usual; each word once.",
            extra={"check": repeat_fault},
        ),
    ] = []
    hold_seconds: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_HOLD_SECONDS)] | None,
        Meta(description="How long stock is held for the order while it is not paid; the shop's own if none."),
    ] = None
    cart_id: Annotated[
        IdentifierOrNone,
        Meta(description="What is checked out: a later order of the customer and cart takes over what this one holds."),
    ] = ""
    shipping_minor: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_UNIT_PRICE_MINOR,
            description="What is charged for shipping, once, with the order; not under capture_at_shipping.",
        ),
    ] = 0
    reference: Annotated[
        IdentifierOrNone, Meta(description="What you call the order, such as a number of yours: it can be found by it.")
    ] = ""


class CancelBody(Body, frozen=True):
    """Who wants an order to end, and why."""

    requested_by: Literal["customer", "merchant"]
    reason: Text


class ShipmentBody(Body, frozen=True):
    """Lines that go out in one parcel. Without `shipment_id` the parcel gets one, the same for the same Idempotency-Key."""

    carrier: Text
    tracking: Text
    lines: LineNumbers = []
    shipment_id: Identifier | None = None


class DeliveryBody(Body, frozen=True):
    """Which parcel has arrived."""

    shipment_id: Identifier


class LossBody(Body, frozen=True):
    """Which parcel will not arrive."""

    shipment_id: Identifier
    reason: Text


class ReturnBody(Body, frozen=True):
    """Delivered lines that the customer wants to send back."""

    reason: Text
    lines: LineNumbers = []
    return_id: Identifier | None = None


class RefusalBody(Body, frozen=True):
    """Why a return is not allowed."""

    reason: Text


class ReturnReceiptBody(Body, frozen=True):
    """Which lines of a return are here, and where they go."""

    lines: LineNumbers = []
    disposition: Literal["available", "quarantine"] = "available"


class RefundBody(Body, frozen=True):
    """Captured money that goes back without goods."""

    amount_minor: Minor
    reason: Text
    refund_id: Identifier | None = None


class RetryBody(Body, frozen=True):
    """Who wants what the processor refused to be asked for again."""

    requested_by: Text


class ResolutionBody(Body, frozen=True):
    """By whom a failed void or refund was done by hand, and how."""

    requested_by: Text
    note: Text


class ReceiptBody(Body, frozen=True):
    """Units of a SKU that came in."""

    quantity: Units
    command_id: Identifier | None = None


class AdjustmentBody(Body, frozen=True):
    """By how many units a count was wrong; negative where fewer are here."""

    change: Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY, description="Whole units, not 0.")]
    reason: Text
    command_id: Identifier | None = None


class QuarantineBody(Body, frozen=True):
    """Units that leave the quarantine."""

    quantity: Units
    disposition: Literal["available", "scrap"]
    command_id: Identifier | None = None


class LimitBody(Body, frozen=True):
    """How many units one customer may hold and buy; 0 for as many as there are."""

    limit: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
    command_id: Identifier | None = None


class SuspensionBody(Body, frozen=True):
    """Why a SKU is not for sale."""

    reason: Text
    command_id: Identifier | None = None


class NamedBody(Body, frozen=True):
    """A command that needs no more than its name."""

    command_id: Identifier | None = None
