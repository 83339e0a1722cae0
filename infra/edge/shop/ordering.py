"""Checkout, and orders as their buyer sees them: quoted, placed once, followed, cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from infra.edge.shop.answers import PRIVATE, frame, html, json, problem, see, wants_json
from infra.edge.shop.html import render
from producers.checkout.carts import CartLine
from producers.checkout.quotes import opened_quote, sign_quote
from producers.clients.orders import ACCEPTED_TOKEN
from schemas.ids import is_order_id
from schemas.money import format_minor, shown_minor
from topology.states import OrderState

if TYPE_CHECKING:
    from consumers.views.timeline import OrderView
    from infra.edge.shop.checkout import Checkout
    from infra.edge.shop.shop import Shop
    from infra.edge.shop.visitors import Visitor, Visitors
    from producers.checkout.carts import Carts
    from producers.checkout.quotes import Problem, Quote
    from producers.checkout.signing import Signer

CARDS: Final = (
    (ACCEPTED_TOKEN, "A card that pays"),
    ("tok_3ds", "A card that asks for a confirmation"),
    ("tok_declined", "A card that is declined"),
)
"""What the sandbox processor takes for cards; a real one's form puts its own token here."""
_PURPOSE: Final = "order"
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


class PlaceBody(msgspec.Struct, frozen=True):
    """A quote as it was given out, and with what it is paid."""

    quote: str
    payment_token: str = ACCEPTED_TOKEN


class Ordering:
    """What the routes share."""

    def __init__(self, shop: Shop, carts: Carts, checkout: Checkout, visitors: Visitors, signer: Signer) -> None:
        self.shop, self.carts, self.checkout, self.visitors = shop, carts, checkout, visitors
        self.signer = signer

    def quoted(self, request: Request[Any, Any, Any], quote: Quote, status: int, title: str = "") -> Response[bytes]:
        """Return a quote for people or programs, with the token that places it where it can be placed."""
        token = sign_quote(self.signer, quote) if quote.can_be_placed else ""
        if wants_json(request):
            shown = msgspec.to_builtins(quote) | {"total_minor": quote.total_minor, "quote": token}
            shown["place"] = f"/checkouts/{quote.order_id}/orders" if token else None
            if title:
                return problem(self.shop, request, status, title, "Look at the new quote.", quote=shown)
            return json(shown, PRIVATE, status)
        page = render(
            "checkout.html",
            quote=quote,
            token=token,
            heading=title,
            lines=[
                (line, format_minor(line.unit_price_minor, quote.currency),
                 format_minor(line.unit_price_minor * line.quantity, quote.currency))
                for line in quote.lines
            ],
            total=format_minor(quote.total_minor, quote.currency),
            problems=[(each, _text_of(each, quote.currency)) for each in quote.problems],
            cards=CARDS,
            minutes=15,
            **frame(self.shop),
        )  # fmt: skip
        return html(page, PRIVATE, status)

    def address(self, visitor: Visitor, order_id: str) -> str:
        """Return where a buyer finds an order: a guest by a link that only they have."""
        if visitor.customer_id:
            return f"/orders/{order_id}"
        return f"/orders/{order_id}?key={self.signer.sign(_PURPOSE, order_id.encode())}"

    async def order(self, request: Request[Any, Any, Any], order_id: str) -> OrderView | None:
        """Return an order of whoever asks, None where nothing was heard of it yet. Raises NotFoundException for others."""
        if not is_order_id(order_id):
            raise NotFoundException("There is no such order.")
        buyer_id = self.visitors.of(request).buyer_id
        view = await self.checkout.order(order_id)
        key = request.query_params.get("key", "")
        has_key = bool(key) and self.signer.opened(_PURPOSE, key) == order_id.encode()
        is_own = view is not None and view.customer_id == buyer_id
        if not has_key and not is_own and not await self.checkout.is_buyer(buyer_id, order_id):
            raise NotFoundException("There is no such order.")
        return view


def ordering_routes(ordering: Ordering) -> list[Any]:
    """Return the routes of checkouts and orders."""
    return [*_checkouts(ordering), *_orders(ordering)]


def _checkouts(shared: Ordering) -> list[Any]:
    @post("/checkouts")
    async def check_out(request: Request[Any, Any, Any]) -> Response[bytes]:
        quote = await shared.checkout.quote(shared.visitors.of(request))
        return shared.quoted(request, quote, 201 if quote.can_be_placed and wants_json(request) else 200)

    @get("/checkout")
    async def look(request: Request[Any, Any, Any]) -> Response[bytes]:
        # A page of its own, so that the back button leads to it without sending a form again.
        return shared.quoted(request, await shared.checkout.quote(shared.visitors.of(request)), 200)

    @post("/checkouts/{order_id:str}/orders")
    async def place(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        body = await _place_body(request)
        visitor = shared.visitors.of(request)
        quote = opened_quote(shared.signer, body.quote)
        if quote is None or quote.order_id != order_id or quote.customer_id != visitor.buyer_id:
            return problem(
                shared.shop, request, 422, "That cannot be placed", "The quote is none of ours, or not yours."
            )
        changed = await shared.checkout.place(quote, body.payment_token)
        if changed is not None:
            return shared.quoted(request, changed, 409, "Something has changed meanwhile")
        location = shared.address(visitor, order_id)
        if wants_json(request):
            return json({"order_id": order_id, "links": {"self": location}}, PRIVATE | {"Location": location}, 202)
        return see(location)

    return [check_out, look, place]


async def _place_body(request: Request[Any, Any, Any]) -> PlaceBody:
    if "json" in request.headers.get("content-type", ""):
        return msgspec.json.decode(await request.body(), type=PlaceBody)
    form = await request.form()
    token = str(form.get("payment_token", ""))
    if token not in dict(CARDS):
        raise msgspec.ValidationError("Choose a card.")
    return PlaceBody(str(form.get("quote", "")), token)


def _orders(shared: Ordering) -> list[Any]:
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
                "state": _LINE_STATES.get(line.state, line.state),
            }
            for line in lines
        ],
        "is_over": view is not None and view.is_final,
        "is_lost": state in ("rejected", "cancelled"),
        "can_be_cancelled": view is not None and view.state in _CANCELLABLE,
        "confirm_at": _confirmation(view) if view is not None else "",
        **_hold_of(view),
    }


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


def _text_of(each: Problem, currency: str) -> str:
    what = each.title or each.sku
    match each.kind:
        case "empty":
            return "Your cart is empty."
        case "too_many_lines":
            return f"An order has at most {each.available} different articles; this one has {each.wanted}."
        case "price_changed":
            old, new = (format_minor(price or 0, currency) for price in (each.old_minor, each.new_minor))
            return f"{what} costs {new} now; it was {old} when you saw it."
        case "sold_out":
            return f"{what} is sold out."
        case "too_few":
            return f"Of {what} only {each.available} are there; you want {each.wanted}."
        case _:
            return f"{what} is no longer sold."
