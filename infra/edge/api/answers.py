"""What the API answers, as structs: the document at /openapi.json is made from these."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec
from litestar import Response

from topology.states import FulfilmentState, OrderState, PaymentState, ReturnState

T = TypeVar("T", bound=msgspec.Struct)
_JSON: Final = "application/json"


class Answer(Response[T], Generic[T]):
    """An answer in JSON. It is made once a command: Litestar's own constructor takes as long as the command's encoding."""

    def __init__(self, content: T, status_code: int, headers: dict[str, str]) -> None:
        self.content, self.status_code, self.headers = content, status_code, headers
        self.media_type, self.encoding = _JSON, "utf-8"
        self.background, self.cookies, self.response_type_encoders = None, [], {}


class Links(msgspec.Struct, frozen=True):
    """Where to go on."""

    self: str
    events: str


class OrderAccepted(msgspec.Struct, frozen=True):
    """An order that is on the log. `state` is pending, or how it came out where the request waited for that."""

    order_id: str
    state: OrderState
    links: Links
    reason: str = ""


class CommandAccepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that is on the log. `reference` is the parcel, return or refund that it is about.

    `outcome` is the event that answered it, where the request waited for that; OrderCommandRefused is one.
    """

    order_id: str
    command: str
    links: Links
    reference: str = ""
    outcome: EventView | None = None


class StockAccepted(msgspec.Struct, frozen=True):
    """A command about stock that is on the log."""

    sku: str
    command: str
    command_id: str
    links: StockLinks


class StockLinks(msgspec.Struct, frozen=True):
    """Where to go on."""

    self: str


class StockView(msgspec.Struct, frozen=True):
    """The latest level of a SKU, in units. It was so at `at_ms`, and was still so `age_ms` before the answer."""

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    quarantined: int
    available: int
    at_ms: int
    age_ms: int


class EventView(msgspec.Struct, frozen=True):
    """One event of an order; `at_ms` is its append time (ms since the epoch, UTC)."""

    event_id: str
    type: str
    at_ms: int
    data: dict[str, Any]


class LineState(msgspec.Struct, frozen=True):
    """One line of an order and where its units are. `discount_minor` is what it costs less, `tax_minor` what is added to it."""

    line: int
    sku: str
    quantity: int
    unit_price_minor: int | None
    state: str
    discount_minor: int
    tax_minor: int


class Money(msgspec.Struct, frozen=True):
    """An order's money so far, in minor units of its currency."""

    authorized_minor: int
    captured_minor: int
    voided_minor: int
    refunded_minor: int


class Order(msgspec.Struct, frozen=True):
    """Where an order stands on each of its axes, and all that happened to it, in order.

    `amount_minor` is all that it costs, `shipping_minor` the part of it that is charged for shipping.
    """

    order_id: str
    state: OrderState
    payment: PaymentState
    fulfilment: FulfilmentState
    returns: dict[str, ReturnState]
    reason: str
    customer_id: str
    currency: str
    amount_minor: int
    money: Money
    lines: list[LineState]
    shipping_minor: int
    events: list[EventView]
    links: Links


class Readiness(msgspec.Struct, frozen=True):
    """Whether this process can serve, and what keeps it from that."""

    ready: bool
    obstacles: dict[str, str]
