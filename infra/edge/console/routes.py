"""The console's addresses. All of them read; nothing here changes anything, so there is no login yet.

Whoever is not on this machine is refused: the process listens on loopback only, and a request must name it by a loopback
name, so that a page of somebody else's cannot read it through the browser (DNS rebinding).
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.params import FromPath
from litestar.response import Stream
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from infra.edge.console.html import overview, page
from infra.edge.console.watching import shown
from infra.ops.exposition import SystemCollector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.edge.console.watching import Watch

KEEP_ALIVE_SECONDS: Final = 15.0
HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STATIC: Final = {
    name: (files("infra.edge.console").joinpath("static", name).read_bytes(), media_type)
    for name, media_type in (
        ("console.css", "text/css"),
        ("console.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}


def application(watch: Watch) -> Litestar:
    """Return the console of what `watch` sees."""
    registry = CollectorRegistry()
    registry.register(SystemCollector(lambda: watch.observed))

    @get("/", sync_to_thread=False)
    def home() -> Response[bytes]:
        return _html(page(watch))

    @get("/events")
    async def events() -> Stream:
        return Stream(_events(watch), media_type="text/event-stream", headers=SECURITY)

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

    @get("/static/{name:str}", sync_to_thread=False)
    def static(name: FromPath[str]) -> Response[bytes]:
        if name not in _STATIC:
            return Response(b"", status_code=404)
        content, media_type = _STATIC[name]
        return Response(content, media_type=media_type, headers=SECURITY | {"Cache-Control": "no-cache"})

    return Litestar(
        route_handlers=[home, events, status, metrics, live, ready, static],
        before_request=_refuse_strangers,
        openapi_config=None,
        logging_config=None,
    )


def _refuse_strangers(request: Request[Any, Any, Any]) -> Response[bytes] | None:
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name in HOSTS:
        return None
    return Response(b"This console is served on loopback only.\n", status_code=403, media_type="text/plain")


async def _events(watch: Watch) -> AsyncIterator[bytes]:
    """Yield the overview each time that it changes, and a comment while nothing does, so that a dead line is noticed."""
    version = -1
    while not watch.is_over:
        latest = await watch.until_changed(version, KEEP_ALIVE_SECONDS)
        if latest == version:
            yield b": nothing new\n\n"
            continue
        version = latest
        lines = overview(watch).decode().splitlines()
        yield ("event: overview\n" + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def _html(body: bytes) -> Response[bytes]:
    return Response(body, media_type="text/html; charset=utf-8", headers=SECURITY)
