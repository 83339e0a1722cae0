"""The catalogue's administration over HTTP: products put, priced, published and archived by programs on this machine.

There is no authentication, so it is served on loopback only, and answers only to names of loopback: a page of another site
cannot reach it by a name of its own that leads here. Each answer is 202: the outcome is an event on catalogue.events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, Response, delete, post, put
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath

from infra.edge.authority import hostname_of
from infra.edge.shop.answers import PRIVATE, json
from producers.clients.catalogue import (
    ANY_VERSION,
    CatalogueClient,
    ProductDraft,
    archive_product,
    publish_product,
    put_product,
    set_price,
)
from producers.errors import InvalidProductError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    from producers.clients.catalogue import CatalogueCommand
    from producers.publisher import Publisher

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class PriceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a SKU costs from a moment on: minor units, ms since the epoch (UTC), 0 for now."""

    sku: str
    amount_minor: int
    currency: str
    from_ms: int = 0


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a product leaves the shop; it stays in the log."""

    reason: str


def administration_routes(publisher: Publisher) -> list[Any]:
    """Return the routes. They raise InvalidProductError, PublishError and msgspec.ValidationError."""
    client = CatalogueClient(publisher)

    async def sent(product_id: str, commands: Sequence[CatalogueCommand]) -> Response[bytes]:
        await client.send(commands)
        accepted = {"product_id": product_id, "commands": [command.command_id for command in commands]}
        return json(accepted, PRIVATE | {"Location": f"/products/{product_id}"}, 202)

    @put("/admin/products/{product_id:str}", guards=[loopback_only])
    async def put_(request: Request[Any, Any, Any], product_id: FromPath[str]) -> Response[bytes]:
        draft = msgspec.json.decode(await request.body(), type=ProductDraft)
        if draft.product_id != product_id:
            raise InvalidProductError(f"the address names {product_id!r}, the product {draft.product_id[:64]!r}")
        version = request.headers.get("if-match", "").strip('"')
        expected = int(version) if version.isascii() and version.isdigit() else ANY_VERSION
        prices = [set_price(product_id, sku, amount, draft.currency) for sku, amount in draft.prices.items()]
        return await sent(product_id, [put_product(draft, expected), *prices])

    @post("/admin/products/{product_id:str}/prices", guards=[loopback_only])
    async def price(request: Request[Any, Any, Any], product_id: FromPath[str]) -> Response[bytes]:
        body = msgspec.json.decode(await request.body(), type=PriceBody)
        command = set_price(product_id, body.sku, body.amount_minor, body.currency, body.from_ms)
        return await sent(product_id, [command])

    @put("/admin/products/{product_id:str}/publication", guards=[loopback_only])
    async def publish(product_id: FromPath[str]) -> Response[bytes]:
        return await sent(product_id, [publish_product(product_id)])

    @delete("/admin/products/{product_id:str}/publication", status_code=202, guards=[loopback_only])
    async def archive(request: Request[Any, Any, Any], product_id: FromPath[str]) -> Response[bytes]:
        reason = msgspec.json.decode(await request.body(), type=ReasonBody).reason
        return await sent(product_id, [archive_product(product_id, reason)])

    return [put_, price, publish, archive]


def loopback_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse requests under any other name than loopback's. Raises PermissionDeniedException."""
    if hostname_of(connection.headers.get("host", "")) not in LOOPBACK:
        raise PermissionDeniedException("The catalogue is administered on this machine only.")
