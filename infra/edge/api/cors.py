"""What pages of other origins may do, where the operator names them (Fetch standard, CORS protocol); nobody's page otherwise.

Never with credentials: a browser adds neither cookies nor client certificates of its own, so what a page may is what the key
that it holds may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar.config.cors import CORSConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from infra.edge.api.guard import Application, Receive, Scope, Send

_READ: Final = ("location", "retry-after", "preference-applied", "ratelimit", "ratelimit-policy", "www-authenticate")
"""Headers of answers that a page may read, beside those that it always may."""
_SENT: Final = ("authorization", "content-type", "idempotency-key", "last-event-id", "prefer", "traceparent")


class Cors:
    """An ASGI application around the API's: answers preflights, and adds what a browser asks for to answers to `origins`."""

    def __init__(self, app: Application, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        config = CORSConfig(
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=list(_SENT),
            expose_headers=list(_READ),
            allow_credentials=False,
        )
        self._preflight = _raw(config.preflight_headers.items())
        self._simple = _raw([*config.simple_headers.items(), ("Vary", "Origin")])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. A preflight shows no key, so it is answered before anybody asks for one."""
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        origin = headers.get(b"origin", b"")
        allowed = [(b"access-control-allow-origin", origin)] if origin in self._origins else []
        if allowed and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *self._preflight]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def begin(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *allowed, *self._simple]
            await send(message)

        await self._app(scope, receive, begin)


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers]
