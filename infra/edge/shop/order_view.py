"""What an order's page shows of its view. Pure; a line is called by its SKU where no title is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from infra.edge.shop.ordering import charge_rows
from schemas.money import shown_minor
from topology.states import FulfilmentState, OrderState, ReturnState

if TYPE_CHECKING:
    from consumers.views.timeline import LineView, OrderView

_STATES: Final = {
    "unknown": "We have your order; it is being decided",
    "pending": "Your order is being decided",
    "reserved": "Your articles are reserved; the payment is under way",
    "committing": "Paid for; your articles are being set aside",
    "placed": "Your order is placed",
    "paid": "Your order is paid",
    "shipped": "Your order is on its way",
    "delivered": "Your order has arrived",
    "returned": "Everything came back",
    "rejected": "Your order could not be placed",
    "cancelled": "Your order is cancelled",
}
_LINE_STATES: Final = {
    "reserved": "held for you",
    "committed": "yours",
    "released": "given back",
    "shipped": "sent",
    "returned": "came back",
}
_RETURN_STATES: Final = {
    ReturnState.REQUESTED: "asked for",
    ReturnState.APPROVED: "approved: please send the articles",
    ReturnState.REFUSED: "refused",
    ReturnState.RECEIVED: "received",
}
_STEPS: Final = {
    "pending": "Ordered",
    "reserved": "Reserved for you",
    "placed": "Placed",
    "paid": "Paid",
    "shipped": "Sent",
    "delivered": "Delivered",
    "returned": "Came back",
    "rejected": "Could not be placed",
    "cancelled": "Cancelled",
}
_PARCEL_EVENTS: Final = {"ShipmentShipped": "sent", "ShipmentDelivered": "delivered", "ShipmentLost": "lost"}
_REFUSED: Final = {"CancelOrder": "It could not be cancelled", "RequestReturn": "It could not be sent back"}
NO_TITLES: Final[Mapping[str, str]] = MappingProxyType({})
OVER: Final = frozenset({OrderState.REJECTED, OrderState.CANCELLED, OrderState.RETURNED})
"""Where nothing of an order changes any more."""
_CANCELLABLE: Final = frozenset(
    {OrderState.PENDING, OrderState.RESERVED, OrderState.COMMITTING, OrderState.PLACED, OrderState.PAID}
)


def shown_order(view: OrderView | None, titles: Mapping[str, str] = NO_TITLES) -> dict[str, Any]:
    """Return what an order's pages show of it; None: nothing is known of it yet."""
    if view is None:
        return _NOTHING
    return {
        "state": view.state.value,
        "text": _STATES.get(view.state, f"Your order is {view.state}"),
        "reason": view.reason.replace("_", " "),
        "total": shown_minor(view.amount_minor, view.currency) if view.amount_minor else "",
        "lines": [_line(line, view.currency, titles) for line in view.lines],
        "charges": _charges(view) if view.amount_minor else [],
        "is_over": view.is_final,
        "is_live": view.state not in OVER,
        "is_lost": view.state in (OrderState.REJECTED, OrderState.CANCELLED),
        "can_be_cancelled": can_be_cancelled(view),
        "can_be_returned": [line.line for line in returnable(view)],
        "return_id": next_return_id(view),
        "returns": [_RETURN_STATES[state] for state in view.returns.values()],
        "parcels": _parcels(view),
        "steps": _steps(view),
        "refused": _refused(view),
        "refunded": shown_minor(view.money.refunded_minor, view.currency) if view.money.refunded_minor else "",
        "confirm_at": _confirmation(view),
        **_hold_of(view),
    }


def can_be_cancelled(view: OrderView) -> bool:
    """Tell whether a cancellation has a chance: nothing has left. Whether it is one, the rooms decide."""
    return view.state in _CANCELLABLE and view.fulfilment in (FulfilmentState.NONE, FulfilmentState.OPEN)


def returnable(view: OrderView) -> list[LineView]:
    """Return the lines that arrived and are on no return that is under way. Whether they may come back, fulfilment decides."""
    arrived: set[int] = set()
    parcels: dict[str, tuple[int, ...]] = {}
    asked: dict[str, tuple[int, ...]] = {}
    for event in view.events:
        if event.type == "ShipmentShipped":
            parcels[event.data["shipment_id"]] = tuple(event.data["lines"])
        elif event.type == "ShipmentDelivered":
            arrived.update(parcels.get(event.data["shipment_id"], ()))
        elif event.type == "ReturnRequested":
            asked[event.data["return_id"]] = tuple(event.data["lines"])
    for return_id, lines in asked.items():
        if view.returns.get(return_id) is not ReturnState.REFUSED:
            arrived.difference_update(lines)
    return [line for line in view.lines if line.line in arrived and line.state == "shipped"]


def next_return_id(view: OrderView) -> str:
    """Return the id of the next return: the same for two clicks on one page."""
    return f"shop-{len(view.returns) + 1}"


def _line(line: LineView, currency: str, titles: Mapping[str, str]) -> dict[str, Any]:
    price = "" if line.unit_price_minor is None else shown_minor(line.quantity * line.unit_price_minor, currency)
    return {
        "line": line.line,
        "sku": line.sku,
        "title": titles.get(line.sku, line.sku),
        "quantity": line.quantity,
        "price": price,
        "state": _LINE_STATES.get(line.state, line.state),
    }


def _charges(view: OrderView) -> list[tuple[str, str]]:
    """Return what an order was charged beside its lines; what was not to be had is no part of it."""
    lines = [line for line in view.lines if line.unit_price_minor is not None]
    less, tax = sum(line.discount_minor for line in lines), sum(line.tax_minor for line in lines)
    return charge_rows("Discount", less, tax, view.shipping_minor, view.currency)


def _parcels(view: OrderView) -> list[dict[str, str]]:
    parcels: dict[str, dict[str, str]] = {}
    for event in view.events:
        if (state := _PARCEL_EVENTS.get(event.type)) is not None:
            parcel = parcels.setdefault(event.data["shipment_id"], {"carrier": "", "tracking": ""})
            parcel["state"] = state
            for name in ("carrier", "tracking"):
                parcel[name] = event.data.get(name, parcel[name])
    return list(parcels.values())


def _steps(view: OrderView) -> list[tuple[str, str]]:
    """Return when (UTC) an order came how far, each step once."""
    steps: dict[str, str] = {}
    for step in view.path:
        if step.axis != "payment" and (text := _STEPS.get(step.state)) is not None:
            steps.setdefault(text, datetime.fromtimestamp(step.at_ms / 1000, UTC).strftime("%d %b %H:%M:%S"))
    return [(at, text) for text, at in steps.items()]


def _refused(view: OrderView) -> str:
    """Return what the customer asked for last and did not get, with the reason."""
    asked = [
        event.data for event in view.events if event.type == "OrderCommandRefused" and event.data["command"] in _REFUSED
    ]
    return f"{_REFUSED[asked[-1]['command']]}: {asked[-1]['reason'].replace('_', ' ')}." if asked else ""


def _confirmation(view: OrderView) -> str:
    """Return where the customer confirms the payment, while that is what the order waits for."""
    address = ""
    for event in view.events:
        if event.type == "PaymentRequiresAction":
            address = event.data.get("action_url", "")
        elif event.type.startswith("Payment"):
            address = ""
    return address if address.startswith(("http://", "https://")) and not view.is_final else ""


def _hold_of(view: OrderView) -> dict[str, Any]:
    """Return until when an undecided order's units are held, by the events themselves; 0: nothing is held."""
    ends = []
    if not view.is_decided:
        ends = [event.data.get("expires_at_ms", 0) for event in view.events if event.type == "LineReserved"]
    until_ms = min(filter(None, ends), default=0)
    text = datetime.fromtimestamp(until_ms / 1000, UTC).strftime("%H:%M:%S") if until_ms else ""
    return {"held_until_ms": until_ms, "held_until": text}


_NOTHING: Final[dict[str, Any]] = {
    **dict.fromkeys(("reason", "total", "return_id", "refused", "refunded", "confirm_at", "held_until"), ""),
    **dict.fromkeys(("is_over", "is_lost", "can_be_cancelled"), False),
    **dict.fromkeys(("lines", "charges", "can_be_returned", "returns", "parcels", "steps"), ()),
    "state": "unknown",
    "text": _STATES["unknown"],
    "is_live": True,
    "held_until_ms": 0,
}
