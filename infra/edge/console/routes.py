"""The console's addresses that only read: the overview and its stream, pages, and what machines ask for."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Stream
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from infra.edge.console.acting import acting_routes
from infra.edge.console.answers import SECURITY, Console, followed, page, visitor_of
from infra.edge.console.guard import guarded
from infra.edge.console.html import overview_values, render
from infra.edge.console.pages import page_routes
from infra.edge.console.plotting import race
from infra.edge.console.watching import shown
from infra.ops.exposition import SystemCollector

if TYPE_CHECKING:
    from litestar.types import Scope

    from infra.edge.console.watching import Watch

log = structlog.get_logger()

MAX_BODY_BYTES: Final = 64 * 1024
_STATIC: Final = {
    name: (files("infra.edge.console").joinpath("static", name).read_bytes(), media_type)
    for name, media_type in (
        ("console.css", "text/css"),
        ("console.js", "text/javascript"),
        ("plots.js", "text/javascript"),
        ("uplot.css", "text/css"),
        ("uplot.min.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}


def application(console: Console) -> Litestar:
    """Return the console of what its watch sees."""
    return Litestar(
        route_handlers=[
            *_overview(console),
            *_machines(console.watch),
            _series(console.watch),
            *page_routes(console),
            *acting_routes(console),
            _static(),
        ],
        before_request=guarded(console.gate),
        after_exception=[note_failure],
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )


async def note_failure(error: Exception, scope: Scope) -> None:
    """Log why an answer is 500; what is refused on purpose is no failure."""
    if not isinstance(error, HTTPException):
        log.error("request_failed", path=scope["path"][:200], exc_info=error)


def _overview(console: Console) -> list[Any]:
    watch = console.watch
    latest = _Latest(watch)

    @get("/", sync_to_thread=False)
    def home(request: Request[Any, Any, Any]) -> Response[bytes]:
        return page(request, "page.html", events="/events", **overview_values(watch))

    @get("/events")
    async def events(request: Request[Any, Any, Any]) -> Stream:
        return followed(console, visitor_of(request), latest.part)

    return [home, events]


class _Latest:
    """The overview as of the latest look, rendered once for all who follow it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._version = -1
        self._body = b""

    async def part(self) -> bytes:
        """Return the part of the page that follows the system."""
        if self._version != self._watch.version:
            self._version = self._watch.version
            self._body = render("_overview.html", **overview_values(self._watch))
        return self._body


def _machines(watch: Watch) -> list[Any]:
    registry = CollectorRegistry()
    registry.register(SystemCollector(lambda: watch.observed))

    @get("/status.json", sync_to_thread=False)
    def status() -> Response[bytes]:
        return Response(msgspec.json.encode(shown(watch)), media_type="application/json", headers=SECURITY)

    @get("/metrics", sync_to_thread=False)
    def metrics() -> Response[bytes]:
        body: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
        return Response(body, media_type=CONTENT_TYPE_LATEST, headers=SECURITY)

    @get("/livez", sync_to_thread=False)
    def live() -> Response[bytes]:
        return Response(b"live\n", media_type="text/plain", headers=SECURITY)

    @get("/readyz", sync_to_thread=False)
    def ready() -> Response[bytes]:
        body, code = (b"ready\n", 200) if watch.is_ready else (b"nothing observed yet\n", 503)
        return Response(body, status_code=code, media_type="text/plain", headers=SECURITY)

    return [status, metrics, live, ready]


def _series(watch: Watch) -> Any:
    @get("/series/{kind:str}", sync_to_thread=False)
    def series(request: Request[Any, Any, Any], kind: FromPath[str]) -> Response[bytes]:
        """Return a chart's figures: kind is groups, or group, sku or race, which take an id."""
        name, now_ms = str(request.query_params.get("id", "")), time.time_ns() // 1_000_000
        match kind:
            case "groups":
                chart = watch.history.lag_of_groups(now_ms, watch.own_groups)
            case "group":
                chart = watch.history.lag_of(name, now_ms)
            case "sku":
                chart = watch.history.levels_of(name, now_ms)
            case "race":
                chart = race(watch, name, now_ms // 1000)
            case _:
                return Response(b"", status_code=404, headers=SECURITY)
        return Response(msgspec.json.encode(chart), media_type="application/json", headers=SECURITY)

    return series


def _static() -> Any:
    @get("/static/{name:str}", sync_to_thread=False)
    def static(name: FromPath[str]) -> Response[bytes]:
        if name not in _STATIC:
            return Response(b"", status_code=404)
        content, media_type = _STATIC[name]
        return Response(content, media_type=media_type, headers=SECURITY | {"Cache-Control": "no-cache"})

    return static
