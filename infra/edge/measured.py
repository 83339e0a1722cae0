"""An ASGI application around another that counts its answers by route."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from infra.ops.process_metrics import RequestMetrics

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"


class Measured:
    """Counts when an answer begins, so a stream counts once, by the time that its first bytes took."""

    def __init__(self, app: Any, requests: RequestMetrics) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else OTHER
                route = scope.get("path_template", "")
                self._requests.answered(method, route, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, noted)
