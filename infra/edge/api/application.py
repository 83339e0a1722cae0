"""The API as one ASGI application."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import structlog
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig

from infra.edge.api.answers import Readiness
from infra.edge.api.batch import batch_routes
from infra.edge.api.direct import Direct
from infra.edge.api.document import DESCRIPTION, DocumentPage, json_document
from infra.edge.api.events import event_routes
from infra.edge.api.guard import Guard
from infra.edge.api.listing import OrderFinder, listing_routes
from infra.edge.api.order_commands import order_command_routes
from infra.edge.api.orders import order_routes
from infra.edge.api.permission import require_scope
from infra.edge.api.problems import BAD_PARAMETER, FAILED, METHOD, NOT_FOUND, ProblemError
from infra.edge.api.stock import stock_routes

if TYPE_CHECKING:
    from collections.abc import Collection

    from infra.edge.access.authentication import Authentication
    from infra.edge.access.limits import RateLimits
    from infra.edge.api.service import Service

log = structlog.get_logger()

_STYLES: Final = files("infra.edge.api").joinpath("static", "docs.css").read_bytes()
_KINDS: Final = {404: NOT_FOUND, 405: METHOD}


def api_application(
    service: Service,
    find_orders: OrderFinder,
    authentication: Authentication,
    limits: RateLimits,
    *,
    bootstrap: str,
    namespace: str,
    max_in_flight: int,
    origins: Collection[str] = (),
) -> Guard:
    """Return the application of the API."""
    app = routed(service, find_orders, bootstrap=bootstrap, namespace=namespace)
    return Guard(Direct(app), authentication, limits, max_in_flight=max_in_flight, origins=origins)


def routed(service: Service, find_orders: OrderFinder, *, bootstrap: str, namespace: str) -> Litestar:
    """Return the routes, without what stands in front of them."""
    return Litestar(
        route_handlers=[
            *order_routes(service),
            *listing_routes(find_orders),
            *batch_routes(service),
            *order_command_routes(service),
            *stock_routes(service),
            *event_routes(service, bootstrap, namespace),
            *_process_routes(service),
        ],
        before_request=require_scope,
        exception_handlers={ProblemError: _problem, HTTPException: _refused, Exception: _failed},
        openapi_config=OpenAPIConfig(
            title="Lastunit",
            version=version("lastunit"),
            description=DESCRIPTION,
            use_handler_docstrings=True,
            path="/docs",
            render_plugins=[DocumentPage()],
        ),
        logging_config=None,
    )


def _process_routes(service: Service) -> list[Any]:
    @get("/readyz", include_in_schema=False, sync_to_thread=False)
    def ready() -> Response[Readiness]:
        obstacles = dict(service.readiness.obstacles)
        return Response(Readiness(not obstacles, obstacles), status_code=503 if obstacles else 200)

    @get("/healthz", include_in_schema=False, sync_to_thread=False)
    def healthy() -> Response[bytes]:
        return Response(b"{}", media_type="application/json")

    @get("/docs.css", include_in_schema=False, sync_to_thread=False)
    def styles() -> Response[bytes]:
        return Response(_STYLES, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def document(request: Request[Any, Any, Any]) -> Response[bytes]:
        return Response(json_document(request.app), media_type="application/json")

    return [ready, healthy, styles, document]


def _problem(_: Request[Any, Any, Any], error: ProblemError) -> Response[bytes]:
    return error.response()


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what Litestar itself refuses: an unknown path, another method."""
    kind = _KINDS.get(error.status_code, FAILED if error.status_code >= 500 else BAD_PARAMETER)  # noqa: PLR2004
    return ProblemError(kind, kind.title, headers=dict(error.headers or {})).response()


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request_failed", path=request.scope["path"][:200], exc_info=error)
    return ProblemError(FAILED, "The log of the server has the reason.").response()
