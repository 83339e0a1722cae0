"""What buyers do about their orders: cancel, send back, order again, erase addresses. Each works as a plain form."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from infra.edge.shop.answers import PRIVATE, frame, html, json, problem, see, wants_json
from infra.edge.shop.delivery import GONE
from infra.edge.shop.html import render
from infra.edge.shop.order_view import next_return_id, returnable
from infra.edge.shop.placing import KEPT_SECONDS
from producers.checkout.carts import CartLine
from schemas.ids import order_id_ms

if TYPE_CHECKING:
    from consumers.views.timeline import OrderView
    from infra.edge.shop.ordering import Ordering


def action_routes(shared: Ordering) -> list[Any]:
    """Return the routes that change something about orders: of one's own alone, from our own pages alone."""
    return [*_order_actions(shared), _erasing(shared)]


def _order_actions(shared: Ordering) -> list[Any]:
    @post("/orders/{order_id:str}/cancel")
    async def cancel(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        await shared.order(request, order_id)
        await shared.checkout.cancel(order_id)
        return see(shared.location(shared.visitors.of(request), order_id))

    @post("/orders/{order_id:str}/returns")
    async def send_back(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        """Ask to send lines back; two clicks on one page are one return, as the page carries its id."""
        view = await shared.order(request, order_id)
        form = await request.form()
        asked = tuple(sorted({int(text) for text in map(str, form.getall("line", [])) if text.isdecimal()}))
        return_id, reason = str(form.get("return_id", "")), " ".join(str(form.get("reason", "")).split())
        is_repeat = view is not None and return_id in view.returns
        if not is_repeat and not _may_ask(view, return_id, asked):
            detail = "Choose articles that have arrived and are on no return yet."
            return problem(shared.shop, request, 422, "That cannot be sent back", detail)
        if not is_repeat:
            await shared.checkout.send_back(order_id, return_id, asked, reason or "no reason given")
        return see(shared.location(shared.visitors.of(request), order_id))

    @post("/orders/{order_id:str}/again")
    async def again(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        view = await shared.order(request, order_id)
        lines = [CartLine(line.sku, line.quantity) for line in (view.lines if view else ())]
        await shared.carts.restore(shared.visitors.of(request).cart_id, lines)
        return see("/cart")

    return [cancel, send_back, again]


def _may_ask(view: OrderView | None, return_id: str, lines: tuple[int, ...]) -> bool:
    if view is None or not lines or return_id != next_return_id(view):
        return False
    return set(lines) <= {line.line for line in returnable(view)}


def _erasing(shared: Ordering) -> Any:
    @post("/addresses/erase")
    async def erase(request: Request[Any, Any, Any]) -> Response[bytes]:
        if shared.addresses is None:
            raise NotFoundException("No addresses are kept here.")
        buyer_id = shared.visitors.of(request).buyer_id
        order_ids = await shared.addresses.order_ids(buyer_id)
        gone = [order_id for order_id, view in await shared.checkout.orders(order_ids) if _may_go(order_id, view)]
        erased = await shared.addresses.erase(buyer_id, gone)
        kept = len(order_ids) - erased
        if wants_json(request):
            return json({"erased": erased, "kept": kept}, PRIVATE)
        text = f"{erased} erased." + (f" {kept} of orders that are still to leave are kept until then." if kept else "")
        return html(render("problem.html", title="Addresses", detail=text, **frame(shared.shop)), PRIVATE)

    return erase


def _may_go(order_id: str, view: OrderView | None) -> bool:
    """Tell whether nobody needs an order's address any more; one of which nothing is known may be on its way for a day."""
    if view is not None and view.is_known:
        return view.state in GONE
    return time.time() * 1000 - order_id_ms(order_id) > KEPT_SECONDS * 1000
