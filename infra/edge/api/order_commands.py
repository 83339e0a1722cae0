"""The routes of what the outside asks of a placed order: cancel it, ship it, take it back, give money back.

What a command makes (a parcel, a return, a refund) has an id: the caller's, or one that belongs to the Idempotency-Key.
So a repeat is the same command, and is harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from litestar import Request
from litestar.params import FromPath

from infra.edge.access.scopes import FULFILMENT_WRITE, ORDERS_WRITE, REFUNDS_WRITE
from infra.edge.api.answers import Answer, CommandAccepted
from infra.edge.api.bodies import (
    Body,
    CancelBody,
    DeliveryBody,
    LossBody,
    NamedBody,
    RefundBody,
    RefusalBody,
    ResolutionBody,
    RetryBody,
    ReturnBody,
    ReturnReceiptBody,
    ShipmentBody,
)
from infra.edge.api.operations import OPTIONAL, REQUIRED, command
from infra.edge.api.orders import links_of, require_order_id
from infra.edge.api.requests import body_of, named_in_path, wait_seconds
from schemas import messages as m
from schemas.ids import new_order_id
from topology.answers import reference_of

if TYPE_CHECKING:
    from infra.edge.api.service import Service
    from producers.clients.order_commands import OrderCommand

TAG = "Commands about orders"
B = TypeVar("B", bound=Body)


class _Command(NamedTuple):
    """How a command is asked for: below the path of its order, `make` makes it of the order's id, the body and a third text.

    That is the return's id where the path has one, else an id that belongs to the request's key.
    """

    path: str
    name: str
    scope: str
    body: type[Body]
    example: dict[str, Any]
    key: str
    make: Callable[[str, Any, str], OrderCommand]


_COMMANDS: Final[list[_Command]] = []


def order_command_routes(service: Service) -> list[Any]:
    """Return the routes of commands about orders."""
    return [_route(service, each) for each in _COMMANDS]


def _asked_for(
    path: str, name: str, scope: str, body: type[B], example: dict[str, Any], *, key: str = OPTIONAL
) -> Callable[[Callable[[str, B, str], OrderCommand]], Callable[[str, B, str], OrderCommand]]:
    def declare(make: Callable[[str, B, str], OrderCommand]) -> Callable[[str, B, str], OrderCommand]:
        _COMMANDS.append(_Command(path, name, scope, body, example, key, make))
        return make

    return declare


@_asked_for(
    "cancel", "cancelOrder", ORDERS_WRITE, CancelBody, {"requested_by": "customer", "reason": "changed my mind"}
)
def cancel(order_id: str, body: CancelBody, _: str) -> OrderCommand:
    """Ask for an order to end of which nothing was shipped. Whether it ends is an event."""
    return m.CancelOrder(order_id, body.requested_by, body.reason)


@_asked_for(
    "shipments", "shipOrder", FULFILMENT_WRITE, ShipmentBody, {"carrier": "Post", "tracking": "TR123"}, key=REQUIRED
)
def ship(order_id: str, body: ShipmentBody, derived_id: str) -> OrderCommand:
    """Send lines out in one parcel."""
    shipment_id = body.shipment_id or f"shipment-{derived_id}"
    return m.ShipOrder(order_id, shipment_id, tuple(body.lines), body.carrier, body.tracking)


@_asked_for("deliveries", "confirmDelivery", FULFILMENT_WRITE, DeliveryBody, {"shipment_id": "shipment-1"})
def deliver(order_id: str, body: DeliveryBody, _: str) -> OrderCommand:
    """Note that a parcel has arrived."""
    return m.ConfirmDelivery(order_id, body.shipment_id)


@_asked_for(
    "losses",
    "reportLostParcel",
    FULFILMENT_WRITE,
    LossBody,
    {"shipment_id": "shipment-1", "reason": "lost by the carrier"},
)
def lose(order_id: str, body: LossBody, _: str) -> OrderCommand:
    """Note that a parcel will not arrive; what was paid for its lines goes back."""
    return m.ReportLostParcel(order_id, body.shipment_id, body.reason)


@_asked_for("returns", "requestReturn", FULFILMENT_WRITE, ReturnBody, {"reason": "too small"}, key=REQUIRED)
def request_return(order_id: str, body: ReturnBody, derived_id: str) -> OrderCommand:
    """Ask to send delivered lines back."""
    return m.RequestReturn(order_id, body.return_id or f"return-{derived_id}", tuple(body.lines), body.reason)


@_asked_for("returns/{return_id:str}/approval", "approveReturn", FULFILMENT_WRITE, NamedBody, {})
def approve(order_id: str, _: NamedBody, return_id: str) -> OrderCommand:
    """Allow a return."""
    return m.ApproveReturn(order_id, return_id)


@_asked_for("returns/{return_id:str}/refusal", "refuseReturn", FULFILMENT_WRITE, RefusalBody, {"reason": "worn"})
def refuse(order_id: str, body: RefusalBody, return_id: str) -> OrderCommand:
    """Do not allow a return."""
    return m.RefuseReturn(order_id, return_id, body.reason)


@_asked_for(
    "returns/{return_id:str}/receipt",
    "receiveReturn",
    FULFILMENT_WRITE,
    ReturnReceiptBody,
    {"disposition": "available"},
)
def receive(order_id: str, body: ReturnReceiptBody, return_id: str) -> OrderCommand:
    """Note that lines of an approved return are here."""
    return m.ReceiveReturn(order_id, return_id, tuple(body.lines), body.disposition)


@_asked_for(
    "refunds", "refundOrder", REFUNDS_WRITE, RefundBody, {"amount_minor": 100, "reason": "goodwill"}, key=REQUIRED
)
def refund(order_id: str, body: RefundBody, derived_id: str) -> OrderCommand:
    """Give captured money back without goods; never more than is captured and not refunded."""
    return m.RefundOrder(order_id, body.refund_id or f"refund-{derived_id}", body.amount_minor, body.reason)


@_asked_for("retry", "retryOrder", REFUNDS_WRITE, RetryBody, {"requested_by": "operator"})
def retry(order_id: str, body: RetryBody, _: str) -> OrderCommand:
    """Ask the processor again for a void or a refund that failed."""
    return m.RetryOrder(order_id, body.requested_by)


@_asked_for(
    "resolution",
    "resolveOrder",
    REFUNDS_WRITE,
    ResolutionBody,
    {"requested_by": "operator", "note": "paid back by hand"},
)
def resolve(order_id: str, body: ResolutionBody, _: str) -> OrderCommand:
    """Note that a failed void or refund was done by hand."""
    return m.ResolveOrder(order_id, body.requested_by, body.note)


def _route(service: Service, asked: _Command) -> Any:
    async def of_order(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        return await _obey(service, request, order_id, asked.body, partial(asked.make, order_id))

    async def of_return(
        request: Request[Any, Any, Any], order_id: FromPath[str], return_id: FromPath[str]
    ) -> Answer[CommandAccepted]:
        make = lambda body, _: asked.make(order_id, body, named_in_path("return_id", return_id))  # noqa: E731
        return await _obey(service, request, order_id, asked.body, make)

    handler = of_return if "{return_id" in asked.path else of_order
    handler.__name__, handler.__doc__ = asked.make.__name__, asked.make.__doc__
    return command(
        f"/v1/orders/{{order_id:str}}/{asked.path}",
        asked.name,
        asked.scope,
        asked.body,
        tag=TAG,
        example=asked.example,
        key=asked.key,
        waits=True,
        answer=CommandAccepted,
    )(handler)


async def _obey(
    service: Service,
    request: Request[Any, Any, Any],
    order_id: str,
    kind: type[B],
    command_of: Callable[[B, str], OrderCommand],
) -> Answer[CommandAccepted]:
    """Publish a command; `command_of` makes it of the body and an id that belongs to the request's key."""
    require_order_id(order_id)
    seconds = wait_seconds(request)
    body = body_of(request, kind)
    is_required = request.route_handler.opt["key"] == REQUIRED
    async with service.keyed(request, body, new_order_id, is_required=is_required) as claim:
        published = command_of(body, claim.subject_id)
        listener = await service.listener(request, order_id) if seconds else None
        if not claim.is_done:
            await service.published(service.order_commands.send([published]))
    outcome = await service.answered(request, published, listener, seconds) if listener else None
    links = links_of(order_id)
    headers = {"Location": links.self} | ({"Preference-Applied": f"wait={seconds}"} if seconds else {})
    answer = CommandAccepted(order_id, type(published).__name__, links, reference_of(published), outcome)
    return Answer(answer, status_code=200 if outcome else 202, headers=headers)
