"""Orders as their buyers see them: listed, followed, cancelled, sent back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath

from infra.edge.shop.answers import PRIVATE, frame, html, json, see, wants_json
from infra.edge.shop.html import render
from infra.edge.shop.ordering import charge_rows
from producers.checkout.carts import CartLine
from schemas.money import shown_minor
from topology.states import OrderState

if TYPE_CHECKING:
    from consumers.views.timeline import LineView, OrderView
    from infra.edge.shop.ordering import Ordering

_SHOWN_STATES: Final = {
    "unknown": "We have your order; it is being decided",
    "pending": "Your order is being decided",
    "reserved": "Your articles are reserved; the payment is under way",
    "committing": "Paid for; your articles are being set aside",
    "placed": "Your order is placed",
    "paid": "Your order is paid",
    "rejected": "Your order could not be placed",
    "cancelled": "Your order is cancelled",
}


_LINE_STATES: Final = {"reserved": "held for you", "committed": "yours", "released": "given back"}
NO_TITLES: Final[Mapping[str, str]] = MappingProxyType({})


def order_routes(shared: Ordering) -> list[Any]:
    """Return the routes of orders."""

    @get("/orders")
    async def history(request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = shared.visitors.of(request)
        found = await shared.checkout.history(visitor.buyer_id)
        rows = [
            {"order_id": order_id, "address": shared.address(visitor, order_id), **_shown(view)}
            for order_id, view in found
        ]
        if wants_json(request):
            return json(rows, PRIVATE)
        return html(render("orders.html", orders=rows, customer=visitor.customer_id, **frame(shared.shop)), PRIVATE)

    @get("/orders/{order_id:str}")
    async def show(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        view = await shared.order(request, order_id)
        titles = await shared.checkout.titles([line.sku for line in view.lines]) if view is not None else {}
        shown = _shown(view, titles)
        if wants_json(request):
            return json({"order_id": order_id, **shown}, PRIVATE)
        values = {"order_id": order_id, "key": request.query_params.get("key", ""), "order": shown}
        if request.headers.get("hx-request"):
            return html(render("_order.html", **values), PRIVATE)
        return html(render("order.html", **values, **frame(shared.shop)), PRIVATE)

    @post("/orders/{order_id:str}/cancel")
    async def cancel(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        await shared.order(request, order_id)
        await shared.checkout.cancel(order_id)
        return see(shared.address(shared.visitors.of(request), order_id))

    @post("/orders/{order_id:str}/again")
    async def again(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        view = await shared.order(request, order_id)
        lines = [CartLine(line.sku, line.quantity) for line in (view.lines if view else ())]
        await shared.carts.restore(shared.visitors.of(request).cart_id, lines, f"again-{order_id}")
        return see("/cart")

    return [history, show, cancel, again]


def _shown(view: OrderView | None, titles: Mapping[str, str] = NO_TITLES) -> dict[str, Any]:
    """Return what an order's pages show of it; a line is called by its SKU where no title is known."""
    state = view.state.value if view is not None else "unknown"
    currency = view.currency if view is not None else ""
    lines = view.lines if view is not None else []
    return {
        "state": state,
        "text": _SHOWN_STATES.get(state, f"Your order is {state}"),
        "reason": view.reason.replace("_", " ") if view is not None else "",
        "total": shown_minor(view.amount_minor, view.currency) if view is not None and view.amount_minor else "",
        "lines": [
            {
                "sku": line.sku,
                "title": titles.get(line.sku, line.sku),
                "quantity": line.quantity,
                "price": _price(line, currency),
                "state": _LINE_STATES.get(line.state, line.state),
            }
            for line in lines
        ],
        "charges": _charges(view) if view is not None and view.amount_minor else [],
        "is_over": view is not None and view.is_final,
        "is_lost": state in ("rejected", "cancelled"),
        "can_be_cancelled": view is not None and view.state in _CANCELLABLE,
        "confirm_at": _confirmation(view) if view is not None else "",
        **_hold_of(view),
    }


def _price(line: LineView, currency: str) -> str:
    """Return what the units of a line cost; nothing where that is not known."""
    return "" if line.unit_price_minor is None else shown_minor(line.quantity * line.unit_price_minor, currency)


def _charges(view: OrderView) -> list[tuple[str, str]]:
    """Return what an order was charged beside its lines; what was not to be had is no part of it."""
    lines = [line for line in view.lines if line.unit_price_minor is not None]
    less, tax = sum(line.discount_minor for line in lines), sum(line.tax_minor for line in lines)
    return charge_rows("Discount", less, tax, view.shipping_minor, view.currency)


_CANCELLABLE: Final = (OrderState.PENDING, OrderState.RESERVED, OrderState.COMMITTING, OrderState.PLACED)


def _confirmation(view: OrderView) -> str:
    """Return where the customer confirms the payment, while that is what the order waits for."""
    address = ""
    for event in view.events:
        if event.type == "PaymentRequiresAction":
            address = event.data.get("action_url", "")
        elif event.type.startswith("Payment"):
            address = ""
    return address if address.startswith(("http://", "https://")) and not view.is_final else ""


def _hold_of(view: OrderView | None) -> dict[str, Any]:
    """Return until when an undecided order's units are held, by the events themselves; 0: nothing is held."""
    ends = []
    if view is not None and not view.is_decided:
        ends = [event.data.get("expires_at_ms", 0) for event in view.events if event.type == "LineReserved"]
    until_ms = min(filter(None, ends), default=0)
    text = datetime.fromtimestamp(until_ms / 1000, UTC).strftime("%H:%M:%S") if until_ms else ""
    return {"held_until_ms": until_ms, "held_until": text}
