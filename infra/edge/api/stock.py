"""The routes of stock: what is there, what came in, what was counted, what may be sold.

A SKU is one segment of the path; a slash within it is written as %2F.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from litestar import Request, Response
from litestar.params import FromPath

from infra.edge.access.scopes import SALES_WRITE, STOCK_READ, STOCK_WRITE
from infra.edge.api.answers import Answer, StockAccepted, StockLinks, StockView
from infra.edge.api.bodies import (
    AdjustmentBody,
    Body,
    LimitBody,
    NamedBody,
    QuarantineBody,
    ReceiptBody,
    SuspensionBody,
)
from infra.edge.api.operations import REQUIRED, command, query
from infra.edge.api.problems import NOT_FOUND, ProblemError, unavailable
from infra.edge.api.requests import body_of, named_in_path
from producers.clients.stock import new_command_id
from schemas import messages as m

if TYPE_CHECKING:
    from infra.edge.api.service import Service
    from schemas.messages import SkuCommand

TAG = "Stock"
B = TypeVar("B", bound=Body)


def stock_routes(service: Service) -> list[Any]:
    """Return the routes of stock."""

    @query("/v1/stock/{sku:str}", "getStock", STOCK_READ, tag=TAG)
    async def show(sku: FromPath[str]) -> Response[StockView]:
        """Show the latest level of a SKU, and how old the knowledge of it is."""
        name = named_in_path("sku", sku)
        if not service.levels.is_ready:
            raise unavailable("The levels of stock are being read.")
        level = service.levels.get(name)
        if level is None:
            raise ProblemError(NOT_FOUND, f"SKU {name[:200]!r} has no stock here.")
        return Response(
            StockView(
                sku=name,
                on_hand=level.on_hand,
                reserved=level.reserved,
                allocated=level.allocated,
                quarantined=level.quarantined,
                available=level.available,
                at_ms=level.at_ms,
                age_ms=service.levels.age_ms,
            ),
            headers={"Cache-Control": "no-store"},
        )

    return [show, *_counts(service), *_sales(service)]


def _counts(service: Service) -> list[Any]:
    @_declared("receipts", "receiveStock", STOCK_WRITE, ReceiptBody, {"quantity": 10})
    async def receive(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """Add units that came in."""
        return await _obey(
            service, request, sku, ReceiptBody, lambda body, *ids: m.ReceiveStock(ids[0], ids[1], body.quantity)
        )

    @_declared("adjustments", "adjustStock", STOCK_WRITE, AdjustmentBody, {"change": -1, "reason": "broken"})
    async def adjust(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """Correct a count."""
        return await _obey(
            service,
            request,
            sku,
            AdjustmentBody,
            lambda body, *ids: m.AdjustStock(ids[0], ids[1], body.change, body.reason),
        )

    @_declared("quarantine", "clearQuarantine", STOCK_WRITE, QuarantineBody, {"quantity": 1, "disposition": "scrap"})
    async def clear(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """End the quarantine of units: they can be sold again, or are written off."""
        return await _obey(
            service,
            request,
            sku,
            QuarantineBody,
            lambda body, *ids: m.ClearQuarantine(ids[0], ids[1], body.quantity, body.disposition),
        )

    return [receive, adjust, clear]


def _sales(service: Service) -> list[Any]:
    @_declared("limits", "setPurchaseLimit", SALES_WRITE, LimitBody, {"limit": 2})
    async def limit(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """Limit what one customer may hold and buy."""
        return await _obey(
            service, request, sku, LimitBody, lambda body, *ids: m.SetPurchaseLimit(ids[0], ids[1], body.limit)
        )

    @_declared("suspensions", "suspendSale", SALES_WRITE, SuspensionBody, {"reason": "recalled"})
    async def suspend(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """Take a SKU off sale; what is held or allocated goes on."""
        return await _obey(
            service, request, sku, SuspensionBody, lambda body, *ids: m.SuspendSale(ids[0], ids[1], body.reason)
        )

    @_declared("resumptions", "resumeSale", SALES_WRITE, NamedBody, {})
    async def resume(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """Put a suspended SKU on sale again."""
        return await _obey(service, request, sku, NamedBody, lambda _, *ids: m.ResumeSale(*ids))

    @_declared("retirements", "retireSku", SALES_WRITE, NamedBody, {})
    async def retire(request: Request[Any, Any, Any], sku: FromPath[str]) -> Answer[StockAccepted]:
        """End a SKU of which nothing is left."""
        return await _obey(service, request, sku, NamedBody, lambda _, *ids: m.RetireSku(*ids))

    return [limit, suspend, resume, retire]


def _declared(path: str, name: str, scope: str, body: type[Body], example: dict[str, Any]) -> Callable[[Any], Any]:
    return command(
        f"/v1/stock/{{sku:str}}/{path}", name, scope, body, tag=TAG, example=example, key=REQUIRED, answer=StockAccepted
    )


async def _obey(
    service: Service,
    request: Request[Any, Any, Any],
    segment: str,
    kind: type[B],
    command_of: Callable[[B, str, str], SkuCommand],
) -> Answer[StockAccepted]:
    """Publish a command about a SKU; without an id of the caller's it has one that belongs to the request's key."""
    sku = named_in_path("sku", segment)
    body = body_of(request, kind)
    own = getattr(body, "command_id", None)
    async with service.keyed(request, body, lambda: new_command_id("api"), is_required=True) as claim:
        published = command_of(body, own or claim.subject_id, sku)
        if not claim.is_done:
            await service.published(service.stock.send([published]))
    links = StockLinks(self=f"/v1/stock/{quote(sku, safe='')}")
    answer = StockAccepted(sku, type(published).__name__, published.command_id, links)
    return Answer(answer, status_code=202, headers={"Location": links.self})
