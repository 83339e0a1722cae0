"""Checkout: a quote with its charges, placed once; and who may see which order."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from infra.edge.shop.answers import FORM_ANSWER, PRIVATE, frame, html, json, problem, see, wants_json
from infra.edge.shop.checkout import nothing
from infra.edge.shop.delivery import Address, AddressesUnavailableError, address_in, fields_of
from infra.edge.shop.html import render
from producers.checkout.quotes import opened_quote, sign_quote
from producers.clients.orders import ACCEPTED_TOKEN
from schemas.ids import is_order_id
from schemas.limits import MAX_TEXT
from schemas.money import format_minor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.views.timeline import OrderView
    from infra.edge.shop.checkout import Checkout
    from infra.edge.shop.delivery import Addresses
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


class PlaceBody(msgspec.Struct, frozen=True):
    """A quote as it was given out, with what it is paid, and where it goes; a program may leave that out."""

    quote: str
    payment_token: str = ACCEPTED_TOKEN
    address: Address | None = None


class Ordering:
    """What the routes share."""

    def __init__(
        self,
        shop: Shop,
        carts: Carts,
        checkout: Checkout,
        visitors: Visitors,
        signer: Signer,
        *,
        addresses: Addresses | None,
    ) -> None:
        self.shop, self.carts, self.checkout, self.visitors = shop, carts, checkout, visitors
        self.signer, self.addresses = signer, addresses

    async def quoted(
        self,
        request: Request[Any, Any, Any],
        quote: Quote,
        status: int,
        title: str = "",
        address: Address | None = None,
    ) -> Response[bytes]:
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
                 format_minor(line.price_minor, quote.currency))
                for line in quote.lines
            ],
            charges=_charges(quote),
            takes_codes=self.checkout.takes_codes,
            total=format_minor(quote.total_minor, quote.currency),
            problems=[(each, _text_of(each, quote.currency)) for each in quote.problems],
            fields=await self._fields(request, address),
            cards=CARDS,
            minutes=15,
            **frame(self.shop),
        )  # fmt: skip
        return html(page, PRIVATE if request.method == "GET" else FORM_ANSWER, status)

    async def _fields(self, request: Request[Any, Any, Any], address: Address | None) -> list[dict[str, str]]:
        """Return the fields of an address as they are asked for: with what was sent and its faults, or where the last order went."""
        if self.addresses is None:
            return []
        if address is not None:
            return fields_of(address, address.faults())
        with contextlib.suppress(AddressesUnavailableError):
            address = await self.addresses.latest(self.visitors.of(request).buyer_id)
        return fields_of(address, {})

    def location(self, visitor: Visitor, order_id: str) -> str:
        """Return where a buyer finds an order: a guest by a link that only they have."""
        if visitor.customer_id:
            return f"/orders/{order_id}"
        return f"/orders/{order_id}?key={self.signer.sign(_PURPOSE, order_id.encode())}"

    async def order(self, request: Request[Any, Any, Any], order_id: str) -> OrderView | None:
        """Return an order of whoever asks, None where nothing is known of it yet. Raises NotFoundException for others."""
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


def checkout_routes(shared: Ordering) -> list[Any]:
    """Return the routes of checkouts."""

    @post("/checkouts")
    async def check_out(request: Request[Any, Any, Any]) -> Response[bytes]:
        quote = await shared.checkout.quote(shared.visitors.of(request), _code_in(request))
        return await shared.quoted(request, quote, 201 if quote.can_be_placed and wants_json(request) else 200)

    @get("/checkout")
    async def look(request: Request[Any, Any, Any]) -> Response[bytes]:
        # A page of its own, so that the back button leads to it without sending a form again.
        quote = await shared.checkout.quote(shared.visitors.of(request), _code_in(request))
        return await shared.quoted(request, quote, 200)

    @post("/checkouts/{order_id:str}/orders")
    async def place(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        body = await _place_body(request)
        visitor = shared.visitors.of(request)
        quote = opened_quote(shared.signer, body.quote)
        if quote is None or quote.order_id != order_id:
            return problem(shared.shop, request, 422, "That cannot be placed", "The quote is none of ours.")
        if quote.customer_id != visitor.buyer_id:
            own = await shared.checkout.quote(visitor, quote.code)
            title = "You have signed in or out meanwhile: this is your cart"
            return await shared.quoted(request, own, 409, title, body.address)
        if (refusal := await _unusable_address(shared, request, quote, body.address)) is not None:
            return refusal
        changed = await shared.checkout.place(
            quote, body.payment_token, _storing(shared.addresses, quote, body.address)
        )
        if changed is not None:
            return await shared.quoted(request, changed, 409, "Something has changed meanwhile", body.address)
        location = shared.location(visitor, order_id)
        if wants_json(request):
            return json({"order_id": order_id, "links": {"self": location}}, PRIVATE | {"Location": location}, 202)
        return see(location)

    return [check_out, look, place]


def _code_in(request: Request[Any, Any, Any]) -> str:
    """Return the discount code that the address names."""
    return request.query_params.get("code", "").strip()[:MAX_TEXT]


async def _place_body(request: Request[Any, Any, Any]) -> PlaceBody:
    if "json" in request.headers.get("content-type", ""):
        return msgspec.json.decode(await request.body(), type=PlaceBody)
    form = await request.form()
    token = str(form.get("payment_token", ""))
    if token not in dict(CARDS):
        raise msgspec.ValidationError("Choose a card.")
    return PlaceBody(str(form.get("quote", "")), token, address_in(form))


async def _unusable_address(
    shared: Ordering, request: Request[Any, Any, Any], quote: Quote, address: Address | None
) -> Response[bytes] | None:
    """Return the answer to an address that no parcel can go to; None where there is nothing wrong with it."""
    if address is None or not (faults := address.faults()):
        return None
    title = "The address cannot be used"
    if wants_json(request):
        detail = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        return problem(shared.shop, request, 422, title, detail, errors=faults)
    return await shared.quoted(request, quote, 422, title, address)


def _storing(addresses: Addresses | None, quote: Quote, address: Address | None) -> Callable[[], Awaitable[None]]:
    if addresses is None or address is None:
        return nothing
    return lambda: addresses.store(quote.order_id, quote.customer_id, address)


def _text_of(each: Problem, currency: str) -> str:
    what = each.title or each.sku
    match each.kind:
        case "too_many_lines":
            return f"An order has at most {each.available} different articles; this one has {each.wanted}."
        case "price_changed":
            old, new = (format_minor(price or 0, currency) for price in (each.old_minor, each.new_minor))
            return f"{what} costs {new} now; it was {old} when you saw it."
        case "unknown_code":
            return f"There is no code {each.sku}; the prices are without it."
        case "too_few":
            return f"Of {what} only {each.available} are there; you want {each.wanted}."
        case _:
            return _PLAIN_TEXTS.get(each.kind, "{} is no longer sold.").format(what)


_PLAIN_TEXTS: Final = {"empty": "Your cart is empty.", "sold_out": "{} is sold out."}


def _charges(quote: Quote) -> list[tuple[str, str]]:
    """Return what a quote charges beside its lines, in words and amounts; nothing where that is nothing."""
    rows = charge_rows(
        f"Discount {quote.code}".strip(), quote.discount_minor, quote.tax_minor, quote.shipping_minor, quote.currency
    )
    if quote.included_minor:
        rows.append(("The total contains tax of", format_minor(quote.included_minor, quote.currency)))
    return rows


def charge_rows(
    discount: str, discount_minor: int, tax_minor: int, shipping_minor: int, currency: str
) -> list[tuple[str, str]]:
    """Return discount, tax and shipping as rows for people, those that are not nothing."""
    rows = ((discount, -discount_minor), ("Tax", tax_minor), ("Shipping", shipping_minor))
    return [(text, format_minor(minor, currency)) for text, minor in rows if minor]
