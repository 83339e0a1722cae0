"""Orders as their buyers see them: listed, looked at, and followed live."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Stream
from litestar.response.sse import ServerSentEventMessage

from infra.edge.shop.answers import PRIVATE, frame, html, json, wants_json
from infra.edge.shop.delivery import AddressesUnavailableError
from infra.edge.shop.html import render
from infra.edge.shop.order_view import shown_order
from producers.errors import CartsUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.edge.shop.ordering import Ordering
    from infra.edge.shop.watching import OrderWatch

RETRY: Final = b"retry: 1000\n\n"
QUIET: Final = b": nothing new\n\n"
LOOKS: Final = 40
"""How often a stream looks for news, or waits for them in vain, before it ends and its reader comes back."""


def order_routes(shared: Ordering, watch: OrderWatch) -> list[Any]:
    """Return the routes that read orders."""

    @get("/orders")
    async def history(request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = shared.visitors.of(request)
        orders = await shared.checkout.history(visitor.buyer_id)
        rows = [
            {"order_id": order_id, "address": shared.location(visitor, order_id), **shown_order(view)}
            for order_id, view in orders
        ]
        if wants_json(request):
            return json(rows, PRIVATE)
        more = {"customer": visitor.customer_id, "keeps_addresses": shared.addresses is not None}
        return html(render("orders.html", orders=rows, **more, **frame(shared.shop)), PRIVATE)

    @get("/orders/{order_id:str}")
    async def show(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Response[bytes]:
        values = await _values(shared, request, order_id)
        if wants_json(request):
            return json({"order_id": order_id, **values["order"]}, PRIVATE)
        return html(render("order.html", **values, **frame(shared.shop)), PRIVATE)

    @get("/orders/{order_id:str}/live")
    async def follow(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Stream:
        """Send the part of the page that changes: at once, and whenever it is another one."""
        await shared.order(request, order_id)
        return Stream(_news(shared, watch, request, order_id), media_type="text/event-stream", headers=dict(PRIVATE))

    return [history, show, follow]


async def _values(shared: Ordering, request: Request[Any, Any, Any], order_id: str) -> dict[str, Any]:
    """Return what the page of an order shows. Raises NotFoundException for somebody else's."""
    view = await shared.order(request, order_id)
    titles = await shared.checkout.titles([line.sku for line in view.lines]) if view is not None else {}
    order = shown_order(view, titles) | {"address": await _address(shared, order_id)}
    return {"order_id": order_id, "key": request.query_params.get("key", ""), "order": order}


async def _address(shared: Ordering, order_id: str) -> list[str]:
    """Return where an order goes, as it is written on a parcel; nothing where that is not known, or not now."""
    if shared.addresses is not None:
        with contextlib.suppress(AddressesUnavailableError):
            address = await shared.addresses.of_order(order_id)
            return [] if address is None else address.rows
    return []


async def _news(
    shared: Ordering, watch: OrderWatch, request: Request[Any, Any, Any], order_id: str
) -> AsyncIterator[bytes]:
    """Yield the page's part as events; the last one, of an order that changes no more, is called `end`."""
    yield RETRY
    sent = b""
    with watch.of(order_id) as watched, contextlib.suppress(CartsUnavailableError):
        for _ in range(LOOKS):
            values = await _values(shared, request, order_id)
            part = render("_order.html", **values)
            is_live = values["order"]["is_live"]
            if part != sent or not is_live:
                name = "message" if is_live else "end"
                yield ServerSentEventMessage(data=part.decode(), event=name, sep="\n").encode()
                sent = part
            else:
                yield QUIET
            if not is_live or not await watched.changed():
                return
