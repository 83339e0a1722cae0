"""Calls the commands that most requests send without what Litestar does for a request: placing an order, alone and in batches.

For each request Litestar looks for its route, builds its parameters, looks for hooks, exception handlers, cookies and encoders.
That takes longer than all the rest of placing an order (docs/benchmarks.md, Publishing), and a command whose path has
no parameter needs none of it. The routes are still declared to Litestar, which documents them and serves every other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request
from litestar.routes import HTTPRoute

from infra.edge.api.operations import is_command
from infra.edge.api.permission import require_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Litestar
    from litestar.handlers import HTTPRouteHandler

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

_encode: Final = msgspec.json.Encoder().encode
_METHOD: Final = "POST"


class Direct:
    """An ASGI application around Litestar's. What its commands raise is for the application in front of it to answer."""

    def __init__(self, app: Litestar) -> None:
        self._app: Any = app
        self._handlers = _commands_by_path(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises ProblemError."""
        handler = self._handlers.get(scope["path"]) if scope["method"] == _METHOD else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["path_template"], scope["route_handler"] = scope["path"], handler
        request: Any = Request(scope)  # type: ignore[arg-type]
        await require_scope(request)
        answer = await handler.fn(request)
        body = _encode(answer.content)
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        headers += [(b"content-type", answer.media_type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _commands_by_path(app: Litestar) -> dict[str, HTTPRouteHandler]:
    routes = [route for route in app.routes if isinstance(route, HTTPRoute) and not route.path_parameters]
    handlers = {route.path: route.route_handler_map.get(_METHOD) for route in routes}
    return {
        path: declared[0] for path, declared in handlers.items() if declared is not None and is_command(declared[0])
    }
