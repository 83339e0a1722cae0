"""The cart: a page with forms that work without JavaScript, and signing in for the demonstration."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException

from infra.edge.shop.answers import PRIVATE, frame, html, see
from infra.edge.shop.cart_documents import document_routes
from infra.edge.shop.html import render
from infra.edge.shop.visitors import guest_cart, is_customer_id
from producers.checkout.carts import MAX_CART_UNITS, CartLine
from producers.errors import CartFullError
from schemas.limits import MAX_TEXT
from schemas.money import format_minor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.edge.shop.checkout import Checkout
    from infra.edge.shop.shop import Shop
    from infra.edge.shop.visitors import Visitor, Visitors
    from producers.checkout.carts import Cart, Carts
    from producers.checkout.quotes import Offer


def cart_routes(shop: Shop, carts: Carts, checkout: Checkout, visitors: Visitors, *, may_sign_in: bool) -> list[Any]:
    """Return the routes of carts and sessions; `may_sign_in` lets anybody be anybody, for a demonstration."""
    sessions = _sessions(shop, carts, visitors) if may_sign_in else []
    return [*_pages(shop, carts, checkout, visitors), *document_routes(carts, visitors), *sessions]


def _pages(shop: Shop, carts: Carts, checkout: Checkout, visitors: Visitors) -> list[Any]:
    async def added(visitor: Visitor, sku: str, units: int) -> None:
        offer = (await checkout.offers([sku])).get(sku)
        if offer is None or not 0 < units <= MAX_CART_UNITS:
            raise NotFoundException("There is no such article.")
        with contextlib.suppress(CartFullError):  # the page shows that it is not in it
            await carts.add(visitor.cart_id, [CartLine(sku, units, offer.price_minor)])
        shop.signal("added", offer.product_id)

    @get("/cart")
    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = visitors.of(request)
        if wanted := request.query_params.get("add"):
            sku, _, number = wanted.rpartition(":")
            await added(visitor, *((sku, _units(number)) if sku else (number, 1)))
            return _remembered(see("/cart"), visitors, visitor)
        cart = await carts.read(visitor.cart_id)
        skus = [line.sku for line in (*cart.lines, *cart.saved)]
        offers = await checkout.offers(skus, visitor.cart_id) if skus else {}
        return html(_cart_page(shop, cart, offers, visitor), PRIVATE)

    @post("/cart/lines")
    async def change(request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = visitors.of(request)
        form = await request.form()
        sku, verb, units = str(form.get("sku", "")), str(form.get("do", "add")), str(form.get("quantity", "1"))
        if not 0 < len(sku) <= MAX_TEXT:
            raise NotFoundException("There is no such article.")
        if verb == "add":
            await added(visitor, sku, _units(units))
        else:
            await _changed(carts, visitor.cart_id, sku, verb, _units(units))
        return _remembered(see("/cart"), visitors, visitor)

    return [show, change]


async def _changed(carts: Carts, cart_id: str, sku: str, verb: str, units: int) -> None:
    match verb:
        case "set":
            await carts.set(cart_id, CartLine(sku, units))
        case "remove":
            await carts.set(cart_id, CartLine(sku, 0))
        case "unsave":
            await carts.unsave(cart_id, sku)
        case "later":
            await carts.save_for_later(cart_id, sku)
        case "back":
            await carts.put_back(cart_id, sku)


def _cart_page(shop: Shop, cart: Cart, offers: dict[str, Offer], visitor: Visitor) -> bytes:
    total = sum(
        line.quantity * offer.price_minor
        for line in cart.lines
        if (offer := offers.get(line.sku)) is not None and offer.price_minor is not None
    )
    return render(
        "cart.html",
        lines=_rows(cart.lines, offers, shop.currency),
        saved=_rows(cart.saved, offers, shop.currency),
        total=format_minor(total, shop.currency),
        customer=visitor.customer_id,
        **frame(shop),
    )


def _units(text: str) -> int:
    """Return a number of units; what is none is 0, as is what no cart takes."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_CART_UNITS)) else 0


def _rows(lines: Sequence[CartLine], offers: dict[str, Offer], currency: str) -> list[dict[str, Any]]:
    rows = []
    for line in lines:
        offer = offers.get(line.sku)
        price = offer.price_minor if offer else None
        rows.append(
            {
                "sku": line.sku,
                "quantity": line.quantity,
                "title": offer.title if offer else line.sku,
                "slug": offer.slug if offer else "",
                "price": "" if price is None else format_minor(price, currency),
                "sum": "" if price is None else format_minor(price * line.quantity, currency),
                "before": format_minor(line.seen_minor, currency)
                if price is not None and line.seen_minor not in (None, price)
                else "",
                "note": _note(line, offer),
            }
        )
    return rows


def _note(line: CartLine, offer: Offer | None) -> str:
    if offer is None or offer.price_minor is None:
        return "No longer sold"
    if offer.available <= 0:
        return "Sold out"
    return f"Only {offer.available} left" if offer.available < line.quantity else ""


def _remembered(response: Response[bytes], visitors: Visitors, visitor: Visitor) -> Response[bytes]:
    response.cookies.append(visitors.remember(visitor))
    return response


def _sessions(shop: Shop, carts: Carts, visitors: Visitors) -> list[Any]:
    @get("/signin", sync_to_thread=False)
    def ask(request: Request[Any, Any, Any]) -> Response[bytes]:
        return html(render("signin.html", customer=visitors.of(request).customer_id, fault="", **frame(shop)), PRIVATE)

    @post("/signin")
    async def sign_in(request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = visitors.of(request)
        name = str((await request.form()).get("customer", "")).strip()
        if not is_customer_id(name):
            fault = "Use 1 to 64 letters, digits, and . _ -"
            return html(render("signin.html", customer="", fault=fault, **frame(shop)), PRIVATE, 422)
        with contextlib.suppress(CartFullError):
            await carts.merge(guest_cart(visitor.guest_id), visitor._replace(customer_id=name).cart_id)
        response = see("/cart")
        response.cookies.extend(visitors.sign_in(name))
        return response

    @post("/signout")
    async def sign_out() -> Response[bytes]:
        response = see("/")
        response.cookies.extend(visitors.sign_out())
        return response

    return [ask, sign_in, sign_out]
