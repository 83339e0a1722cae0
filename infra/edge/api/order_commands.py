"""The routes of what the outside asks of a placed order: cancel it, ship it, take it back, give money back.

What a command makes (a parcel, a return, a refund) has an id: the caller's, or one that belongs to the Idempotency-Key.
So a repeat is the same command, and is harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

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


def order_command_routes(service: Service) -> list[Any]:
    """Return the routes of commands about orders."""
    return [*_parcels(service), *_returns(service), *_money(service)]


def _parcels(service: Service) -> list[Any]:
    @_declared(
        "cancel", "cancelOrder", ORDERS_WRITE, CancelBody, {"requested_by": "customer", "reason": "changed my mind"}
    )
    async def cancel(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Ask for an order to end of which nothing was shipped. Whether it ends is an event."""
        return await _obey(
            service,
            request,
            order_id,
            CancelBody,
            lambda body, _: m.CancelOrder(order_id, body.requested_by, body.reason),
        )

    @_declared(
        "shipments", "shipOrder", FULFILMENT_WRITE, ShipmentBody, {"carrier": "Post", "tracking": "TR123"}, key=REQUIRED
    )
    async def ship(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Send lines out in one parcel."""
        return await _obey(
            service,
            request,
            order_id,
            ShipmentBody,
            lambda body, derived_id: m.ShipOrder(
                order_id, body.shipment_id or f"shipment-{derived_id}", tuple(body.lines), body.carrier, body.tracking
            ),
        )

    @_declared("deliveries", "confirmDelivery", FULFILMENT_WRITE, DeliveryBody, {"shipment_id": "shipment-1"})
    async def deliver(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Note that a parcel has arrived."""
        return await _obey(
            service, request, order_id, DeliveryBody, lambda body, _: m.ConfirmDelivery(order_id, body.shipment_id)
        )

    @_declared(
        "losses",
        "reportLostParcel",
        FULFILMENT_WRITE,
        LossBody,
        {"shipment_id": "shipment-1", "reason": "lost by the carrier"},
    )
    async def lose(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Note that a parcel will not arrive; what was paid for its lines goes back."""
        return await _obey(
            service,
            request,
            order_id,
            LossBody,
            lambda body, _: m.ReportLostParcel(order_id, body.shipment_id, body.reason),
        )

    return [cancel, ship, deliver, lose]


def _returns(service: Service) -> list[Any]:
    @_declared("returns", "requestReturn", FULFILMENT_WRITE, ReturnBody, {"reason": "too small"}, key=REQUIRED)
    async def request_return(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Ask to send delivered lines back."""
        return await _obey(
            service,
            request,
            order_id,
            ReturnBody,
            lambda body, derived_id: m.RequestReturn(
                order_id, body.return_id or f"return-{derived_id}", tuple(body.lines), body.reason
            ),
        )

    @_declared("returns/{return_id:str}/approval", "approveReturn", FULFILMENT_WRITE, NamedBody, {})
    async def approve(
        request: Request[Any, Any, Any], order_id: FromPath[str], return_id: FromPath[str]
    ) -> Answer[CommandAccepted]:
        """Allow a return."""
        return await _obey(
            service,
            request,
            order_id,
            NamedBody,
            lambda *_: m.ApproveReturn(order_id, named_in_path("return_id", return_id)),
        )

    @_declared("returns/{return_id:str}/refusal", "refuseReturn", FULFILMENT_WRITE, RefusalBody, {"reason": "worn"})
    async def refuse(
        request: Request[Any, Any, Any], order_id: FromPath[str], return_id: FromPath[str]
    ) -> Answer[CommandAccepted]:
        """Do not allow a return."""
        return await _obey(
            service,
            request,
            order_id,
            RefusalBody,
            lambda body, _: m.RefuseReturn(order_id, named_in_path("return_id", return_id), body.reason),
        )

    @_declared(
        "returns/{return_id:str}/receipt",
        "receiveReturn",
        FULFILMENT_WRITE,
        ReturnReceiptBody,
        {"disposition": "available"},
    )
    async def receive(
        request: Request[Any, Any, Any], order_id: FromPath[str], return_id: FromPath[str]
    ) -> Answer[CommandAccepted]:
        """Note that lines of an approved return are here."""
        return await _obey(
            service,
            request,
            order_id,
            ReturnReceiptBody,
            lambda body, _: m.ReceiveReturn(
                order_id, named_in_path("return_id", return_id), tuple(body.lines), body.disposition
            ),
        )

    return [request_return, approve, refuse, receive]


def _money(service: Service) -> list[Any]:
    @_declared(
        "refunds", "refundOrder", REFUNDS_WRITE, RefundBody, {"amount_minor": 100, "reason": "goodwill"}, key=REQUIRED
    )
    async def refund(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Give captured money back without goods; never more than is captured and not refunded."""
        return await _obey(
            service,
            request,
            order_id,
            RefundBody,
            lambda body, derived_id: m.RefundOrder(
                order_id, body.refund_id or f"refund-{derived_id}", body.amount_minor, body.reason
            ),
        )

    @_declared("retry", "retryOrder", REFUNDS_WRITE, RetryBody, {"requested_by": "operator"})
    async def retry(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Ask the processor again for a void or a refund that failed."""
        return await _obey(
            service, request, order_id, RetryBody, lambda body, _: m.RetryOrder(order_id, body.requested_by)
        )

    @_declared(
        "resolution",
        "resolveOrder",
        REFUNDS_WRITE,
        ResolutionBody,
        {"requested_by": "operator", "note": "paid back by hand"},
    )
    async def resolve(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Answer[CommandAccepted]:
        """Note that a failed void or refund was done by hand."""
        return await _obey(
            service,
            request,
            order_id,
            ResolutionBody,
            lambda body, _: m.ResolveOrder(order_id, body.requested_by, body.note),
        )

    return [refund, retry, resolve]


def _declared(
    path: str, name: str, scope: str, body: type[Body], example: dict[str, Any], *, key: str = OPTIONAL
) -> Callable[[Any], Any]:
    return command(
        f"/v1/orders/{{order_id:str}}/{path}",
        name,
        scope,
        body,
        tag=TAG,
        example=example,
        key=key,
        waits=True,
        answer=CommandAccepted,
    )


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
