"""The routes of orders: place one, see where it stands, follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from infra.edge.access.scopes import ORDERS_READ, ORDERS_WRITE
from infra.edge.api.answers import Answer, EventView, LineState, Links, Money, Order, OrderAccepted
from infra.edge.api.batch_ids import batch_of
from infra.edge.api.bodies import OrderBody
from infra.edge.api.checks import too_large_demand
from infra.edge.api.operations import REQUIRED, command, query
from infra.edge.api.problems import NOT_FOUND, Fault, ProblemError, invalid
from infra.edge.api.requests import body_of, wait_seconds
from infra.edge.api.service import event_view
from producers.clients.orders import OrderLine, OrderRequest
from schemas.charges import find_line_charge_fault, find_shipping_fault
from schemas.ids import is_order_id, new_order_id
from schemas.limits import MAX_QUANTITY
from schemas.terms import WORDS
from topology.states import FulfilmentState, OrderState, PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.views.timeline import OrderView
    from infra.edge.api.service import Service

TAG = "Orders"
EXAMPLE = {
    "customer_id": "customer-1",
    "currency": "GBP",
    "payment_token": "tok_ok",
    "lines": [{"sku": "MUG", "quantity": 2, "unit_price_minor": 350, "discount_minor": 70, "tax_minor": 126}],
    "shipping_minor": 495,
}


def order_routes(service: Service) -> list[Any]:
    """Return the routes of orders."""

    @command(
        "/v1/orders",
        "placeOrder",
        ORDERS_WRITE,
        OrderBody,
        tag=TAG,
        example=EXAMPLE,
        key=REQUIRED,
        waits=True,
        answer=OrderAccepted,
    )
    async def place(request: Request[Any, Any, Any]) -> Answer[OrderAccepted]:
        """Place an order.

        The order's lines are on the log when this is answered, and are decided within moments. With `Prefer: wait=N` the answer
        comes when it is known whether the order can be had and is paid, with 200, or after N seconds, with 202.

        Sent again with the same Idempotency-Key it is the same order, whether the first answer came or not.
        """
        seconds = wait_seconds(request)
        body = body_of(request, OrderBody)
        require_sums(body)
        async with service.keyed(request, body, new_order_id, is_required=True) as claim:
            order_id = claim.subject_id
            listener = await service.listener(request, order_id) if seconds else None
            if not claim.is_done:
                wanted = request_of(body, order_id, service.hold_seconds)
                await service.published(service.orders.place([wanted]))
        if listener is None:
            return accepted(order_id)
        view = await service.decided(request, order_id, listener, seconds, is_new=not claim.is_done)
        return accepted(order_id, view, seconds)

    @query("/v1/orders/{order_id:str}", "getOrder", ORDERS_READ, tag=TAG)
    async def show(order_id: FromPath[str]) -> Response[Order]:
        """Show where an order stands: on each of its axes, its money, its lines, and all that happened to it.

        Its events reach this view within a moment of the log; an order that was accepted here and has none yet is pending.
        """
        require_order_id(order_id)
        view = await service.timeline(order_id)
        if view is not None:
            return Response(order_of(view), headers={"Cache-Control": "no-store"})
        if await service.is_accepted(order_id, batch_of(order_id)):
            return Response(_accepted_only(order_id), headers={"Cache-Control": "no-store"})
        raise ProblemError(NOT_FOUND, f"No order {order_id} is known here.")

    return [place, show]


def require_order_id(order_id: str) -> None:
    """Raise ProblemError for what is no order id: there is no such order."""
    if not is_order_id(order_id):
        raise ProblemError(NOT_FOUND, f"{order_id[:64]!r} is no order id; it is a UUIDv7 of 36 lower-case characters.")


def require_sums(body: OrderBody) -> None:
    """Raise ProblemError for an order that wants more of a SKU, in all its lines, than one order may, or whose charges do not fit."""
    places = too_large_demand((line.sku, line.quantity) for line in body.lines)
    detail = f"the lines of this SKU want more than {MAX_QUANTITY:,} units together"
    faults = [Fault(detail, pointer=f"/lines/{place}/quantity") for place in places]
    faults += [Fault(text, pointer=pointer) for pointer, text in _charge_faults(body)]
    if faults:
        raise invalid(faults)


def _charge_faults(body: OrderBody) -> Iterator[tuple[str, str]]:
    """Yield where charges are that do not fit, and what is wrong with them."""
    for place, line in enumerate(body.lines):
        price_minor = line.quantity * line.unit_price_minor
        for name in ("discount_minor", "tax_minor"):
            if (fault := find_line_charge_fault(name, getattr(line, name), price_minor)) is not None:
                yield f"/lines/{place}/{name}", fault
    if (fault := find_shipping_fault(body.shipping_minor, " ".join(body.terms))) is not None:
        yield "/shipping_minor", fault


def request_of(body: OrderBody, order_id: str, hold_seconds: int) -> OrderRequest:
    """Return an order as the client publishes it."""
    return OrderRequest(
        order_id=order_id,
        lines=tuple(
            OrderLine(line.sku, line.quantity, line.unit_price_minor, line.discount_minor, line.tax_minor)
            for line in body.lines
        ),
        shipping_minor=body.shipping_minor,
        customer_id=body.customer_id,
        currency=body.currency,
        payment_token=body.payment_token,
        hold_seconds=body.hold_seconds or hold_seconds,
        cart_id=body.cart_id,
        reference=body.reference,
        terms=" ".join(word for word in WORDS if word in body.terms),
    )


def links_of(order_id: str) -> Links:
    """Return where to go on with an order."""
    return Links(self=f"/v1/orders/{order_id}", events=f"/v1/orders/{order_id}/events")


def accepted(order_id: str, view: OrderView | None = None, seconds: int = 0) -> Answer[OrderAccepted]:
    """Return the answer to an order that is on the log; 200 where it is known how it came out."""
    state = OrderState.PENDING if view is None or view.state is OrderState.UNKNOWN else view.state
    links = links_of(order_id)
    headers = {"Location": links.self} | ({"Preference-Applied": f"wait={seconds}"} if seconds else {})
    return Answer(
        OrderAccepted(order_id, state, links, view.reason if view else ""),
        status_code=200 if view is not None and view.is_decided else 202,
        headers=headers,
    )


def order_of(view: OrderView) -> Order:
    """Return an order as it is answered."""
    money = view.money
    return Order(
        order_id=view.order_id,
        state=view.state,
        payment=view.payment,
        fulfilment=view.fulfilment,
        returns=view.returns,
        reason=view.reason,
        customer_id=view.customer_id,
        currency=view.currency,
        amount_minor=view.amount_minor,
        money=Money(money.authorized_minor, money.captured_minor, money.voided_minor, money.refunded_minor),
        lines=[
            LineState(
                line.line,
                line.sku,
                line.quantity,
                line.unit_price_minor,
                line.state,
                line.discount_minor,
                line.tax_minor,
            )
            for line in view.lines
        ],
        shipping_minor=view.shipping_minor,
        events=_events(view),
        links=links_of(view.order_id),
    )


def _events(view: OrderView) -> list[EventView]:
    return [event_view(event) for event in view.events]


def _accepted_only(order_id: str) -> Order:
    return Order(
        order_id=order_id,
        state=OrderState.PENDING,
        payment=PaymentState.NONE,
        fulfilment=FulfilmentState.NONE,
        returns={},
        reason="",
        customer_id="",
        currency="",
        amount_minor=0,
        money=Money(0, 0, 0, 0),
        lines=[],
        shipping_minor=0,
        events=[],
        links=links_of(order_id),
    )
