"""How the console answers: HTML with the security headers of every page, and streams of pages that follow the system."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from litestar import Response
from litestar.datastructures import Cookie
from litestar.response import Stream

from infra.base.errors import InfraError
from infra.edge.console.gate import COOKIE, SESSION_SECONDS
from infra.edge.console.html import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from litestar import Request

    from infra.base.settings import Settings
    from infra.edge.console.gate import Gate, Visitor
    from infra.edge.console.watching import Watch

    HttpRequest = Request[Any, Any, Any]

log = structlog.get_logger()

KEEP_ALIVE_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.5
"""How often what an open page shows is looked at."""
VISITOR: Final = "lastunit.console.visitor"
"""Under this name a request's scope has who asks."""
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Console(NamedTuple):
    """What the routes share."""

    settings: Settings
    watch: Watch
    gate: Gate


def visitor_of(request: HttpRequest) -> Visitor:
    """Return who asks, as the gate has noted."""
    visitor: Visitor = request.scope[VISITOR]  # type: ignore[typeddict-item]
    return visitor


def page(request: HttpRequest, template: str, *, status: int = 200, **values: Any) -> Response[bytes]:
    """Return a whole page of one template."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = render(template, visitor=visitor_of(request), here=here, **values)
    return html(body, status)


def html(body: bytes, status: int = 200) -> Response[bytes]:
    """Return an HTML answer."""
    return Response(body, status_code=status, media_type="text/html", headers=SECURITY)


def see(location: str) -> Response[bytes]:
    """Send a browser on after a change, so that a reload repeats nothing."""
    return Response(b"", status_code=303, headers=SECURITY | {"Location": location})


def session_cookie(request: HttpRequest, session_id: str) -> Cookie:
    """Return the cookie of a session: no script reads it, and no other site's request carries it. "" ends it."""
    return Cookie(
        COOKIE,
        value=session_id,
        max_age=SESSION_SECONDS if session_id else 0,
        httponly=True,
        samesite="strict",
        secure=request.scope["scheme"] == "https",
    )


def followed(console: Console, visitor: Visitor, render_live: Callable[[], Awaitable[bytes]]) -> Stream:
    """Return a stream of the part of a page that follows the system; it ends with the console, and with its visitor's key."""
    return Stream(_changes(console, visitor, render_live), media_type="text/event-stream", headers=SECURITY)


async def _changes(
    console: Console, visitor: Visitor, render_live: Callable[[], Awaitable[bytes]]
) -> AsyncIterator[bytes]:
    """Yield the part each time that it changes, and a comment while it does not, so that a dead line is noticed."""
    loop = asyncio.get_running_loop()
    last, sent_at = b"", loop.time()
    with console.watch.followed():
        while not console.watch.is_over and console.gate.still_admits(visitor):
            try:
                body = await render_live()
            except InfraError as error:
                log.warning("page_not_followed", error=str(error))
                return
            if body != last:
                last, sent_at = body, loop.time()
                yield live_event(body)
            elif loop.time() - sent_at > KEEP_ALIVE_SECONDS:
                sent_at = loop.time()
                yield b": nothing new\n\n"
            await asyncio.sleep(LOOK_SECONDS)


def live_event(body: bytes) -> bytes:
    """Return a part of a page as a server-sent event."""
    lines = body.decode().splitlines()
    return ("event: live\n" + "".join(f"data: {line}\n" for line in lines) + "\n").encode()
