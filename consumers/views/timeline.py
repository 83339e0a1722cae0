"""One order as its events have it. Pure: the same events make the same view, in whatever order they were written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from consumers.views.money import MoneyFold, MoneyView
from schemas.messages import Message, RecordDeadLettered
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import FINAL_ORDER_STATES, FulfilmentState, OrderState, PaymentState, ReturnState
from topology.timeline import (
    FULFILMENT_STATE_AFTER,
    LINE_STATE_AFTER,
    ORDER_STATE_AFTER,
    RETURN_STATE_AFTER,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_FOR_VIEWS: Final = frozenset({"order_id", "payment_token"})
"""The order's id is the key already; a payment token is nobody's business who looks on."""


DEAD_LETTERED: Final = RecordDeadLettered.__name__


class TimelineEvent(msgspec.Struct, frozen=True):
    """One event: `at_ms` is its append time (ms since the epoch, UTC), `offset` its place in the order's partition.

    `event_id` is the ce_id that derives from its cause: two events of one id are one, published twice.
    """

    event_id: str
    type: str
    at_ms: int
    offset: int
    data: dict[str, Any]


class LineView(msgspec.Struct):
    """One line and where its units are, as far as its events were read; its charges are those of the whole line."""

    line: int
    sku: str
    quantity: int
    unit_price_minor: int | None
    state: str
    discount_minor: int = 0
    tax_minor: int = 0


class TimelineStep(msgspec.Struct, frozen=True):
    """One step of an order's path: at `at_ms` (ms since the epoch, UTC) this axis came to this state."""

    axis: Literal["order", "payment", "fulfilment"]
    state: str
    at_ms: int


class OrderView(msgspec.Struct):
    """One order: where it stands, why, what it wants and all that happened to it, in order.

    The order, its payment, its fulfilment and each of its returns (by return id) stand apart. `reference` is what the
    client calls the order. `amount_minor` is 0 until
    the order is reserved: the price of a line that was refused is not known. `shipping_minor` is part of it.
    """

    order_id: str
    state: OrderState = OrderState.UNKNOWN
    payment: PaymentState = PaymentState.NONE
    fulfilment: FulfilmentState = FulfilmentState.NONE
    returns: dict[str, ReturnState] = {}
    money: MoneyView = msgspec.field(default_factory=MoneyView)
    path: list[TimelineStep] = []
    reason: str = ""
    customer_id: str = ""
    reference: str = ""
    currency: str = ""
    amount_minor: int = 0
    shipping_minor: int = 0
    line_count: int = 0
    lines: list[LineView] = []
    events: list[TimelineEvent] = []

    @property
    def is_known(self) -> bool:
        """Whether anything but refused commands is known of the order: nobody may have placed it."""
        return self.state is not OrderState.UNKNOWN

    @property
    def is_explained(self) -> bool:
        """Whether there is something to show of it: an order of which only a dead letter is known is not known, but explained."""
        return self.is_known or any(event.type == DEAD_LETTERED for event in self.events)

    @property
    def is_final(self) -> bool:
        """Whether the order has come to its end, good or bad."""
        return self.state in FINAL_ORDER_STATES

    @property
    def is_decided(self) -> bool:
        """Whether it is known if the order is a sale; one that is paid parcel by parcel is, once it can be shipped."""
        return self.is_final or (self.state is OrderState.PLACED and self.fulfilment is FulfilmentState.OPEN)


def event_of(message: Message, *, event_id: str, at_ms: int, offset: int) -> TimelineEvent:
    """Return a message as an event of its order's timeline."""
    data = {
        name: value
        for name in message.__struct_fields__
        if name not in NOT_FOR_VIEWS and (value := getattr(message, name)) is not None
    }
    return TimelineEvent(event_id, type(message).__name__, at_ms, offset, data)


def view_of(order_id: str, events: Iterable[TimelineEvent]) -> OrderView:
    """Fold the events of one order, in the order of the log, each once however often it was published."""
    view = OrderView(order_id)
    seen: set[str] = set()
    lines: dict[tuple[int, str], LineView] = {}
    money = MoneyFold(view.money)
    for event in sorted(events, key=lambda event: event.offset):
        if event.event_id in seen:
            continue
        seen.add(event.event_id)
        view.events.append(event)
        before = (view.state, view.payment, view.fulfilment)
        _fold_order(view, event)
        view.payment = money.after(view.payment, event.type, event.data)
        _fold_goods(view, event)
        _fold_line(lines, event)
        after = (view.state, view.payment, view.fulfilment)
        for axis, was, state in zip(_AXES, before, after, strict=True):
            if state is not was:
                view.path.append(TimelineStep(axis, state.value, event.at_ms))
    view.lines = sorted(lines.values(), key=lambda line: (line.line, line.sku))
    return view


def _fold_order(view: OrderView, event: TimelineEvent) -> None:
    data = event.data
    is_first = view.state is OrderState.UNKNOWN and event.type not in _REFUSALS
    first = OrderState.PENDING if is_first else view.state
    view.state = STATE_AFTER.get(event.type, first)
    if event.type == "PaymentAuthorized" and view.state is OrderState.RESERVED:
        view.state = OrderState.COMMITTING
    view.customer_id = view.customer_id or data.get("customer_id", "")
    if event.type == "LineReserved" and not view.currency:
        view.shipping_minor = data.get("shipping_minor", 0)  # another one's counts only if it is the same
    view.currency = view.currency or data.get("currency", "")
    if event.type in _LINE_ANSWERS:
        view.reference = view.reference or data.get("reference", "")
    view.line_count = view.line_count or data.get("line_count", 0)
    if event.type == "OrderReserved":
        view.amount_minor = data["amount_minor"]
    if event.type in STATE_AFTER:
        view.reason = data.get("reason", "")


def _fold_goods(view: OrderView, event: TimelineEvent) -> None:
    if event.type == "OrderPlaced" and CAPTURE_AT_SHIPPING in event.data.get("terms", ""):
        view.fulfilment = FulfilmentState.OPEN
    view.fulfilment = _FULFILMENT_STATE_AFTER.get(event.type, view.fulfilment)
    if (state := _RETURN_STATE_AFTER.get(event.type)) is not None:
        view.returns[event.data["return_id"]] = state


def _fold_line(lines: dict[tuple[int, str], LineView], event: TimelineEvent) -> None:
    """A line is its number and its SKU: one number sent for two SKUs is two lines until orders gives one back."""
    state = _LINE_STATE_AFTER.get(event.type)
    if state is None:
        return
    data = event.data
    key = (data["line"], data["sku"])
    line = lines.setdefault(key, LineView(*key, data["quantity"], data.get("unit_price_minor"), state))
    line.state = state
    if line.unit_price_minor is None:
        line.unit_price_minor = data.get("unit_price_minor")
    line.discount_minor = line.discount_minor or data.get("discount_minor", 0)
    line.tax_minor = line.tax_minor or data.get("tax_minor", 0)


_REFUSALS: Final = frozenset({"OrderCommandRefused", "OrderCommandUnmatched", DEAD_LETTERED})
_LINE_ANSWERS: Final = frozenset({"LineReserved", "LineRejected"})
"""The events that carry what the client calls the order; in others a reference is a shipment, a refund or a return."""
_AXES: Final[tuple[Literal["order", "payment", "fulfilment"], ...]] = ("order", "payment", "fulfilment")
STATE_AFTER: Final = {message.__name__: state for message, state in ORDER_STATE_AFTER.items()}
"""The states of an order by the names of the events that lead to them."""
_FULFILMENT_STATE_AFTER: Final = {message.__name__: state for message, state in FULFILMENT_STATE_AFTER.items()}
_RETURN_STATE_AFTER: Final = {message.__name__: state for message, state in RETURN_STATE_AFTER.items()}
_LINE_STATE_AFTER: Final = {message.__name__: state for message, state in LINE_STATE_AFTER.items()}
