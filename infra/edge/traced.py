"""An ASGI application around another that notes a span for each request, within the trace that the request names."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.trace import SpanKind

from producers.tracing import TRACEPARENT, parent_of, tracer

_NAME: Final = TRACEPARENT.encode()
ROUTES: Final = "/v1/"
"""What is traced: not who asks again and again whether the process lives, nor the documents."""


class Traced:
    """Commands that a request publishes belong to its span."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(ROUTES):
            await self._app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == _NAME), "")
        method = scope["method"]
        with tracer().start_as_current_span(method, parent_of(parent), SpanKind.SERVER) as span:

            async def noted(message: Any) -> None:
                if message["type"] == "http.response.start":
                    route = scope.get("path_template", "")
                    span.update_name(f"{method} {route}")
                    span.set_attributes(
                        {
                            "http.request.method": method,
                            "http.route": route,
                            "http.response.status_code": message["status"],
                        }
                    )
                await send(message)

            await self._app(scope, receive, noted)
