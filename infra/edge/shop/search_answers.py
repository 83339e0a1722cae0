"""Searches of programs, answered before a framework is asked, as product pages are: its work costs as much as half a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog

from infra.edge.shop.addresses import read_query
from infra.edge.shop.answers import LISTING, accepts_json
from infra.edge.shop.product_pages import JSON_TYPE, RETRY_AFTER_S, SECURITY, send_answer
from infra.edge.shop.shop import SearchNotReadyError

if TYPE_CHECKING:
    from infra.edge.shop.product_pages import Application, Receive, Scope, Send
    from infra.edge.shop.shop import Shop

log = structlog.get_logger()

_PROBLEM: Final = (b"content-type", b"application/problem+json")
_NOT_READY: Final = [_PROBLEM, (b"retry-after", b"%d" % RETRY_AFTER_S), *SECURITY]
_encode: Final = msgspec.json.Encoder().encode
_HEADERS: Final = [
    JSON_TYPE,
    *((name.lower().encode(), value.encode()) for name, value in LISTING.items()),
    *SECURITY,
]


class SearchAnswers:
    """An ASGI application that answers GET of /search with JSON where that is accepted, and leaves the rest to another."""

    def __init__(self, shop: Shop, following: Application) -> None:
        self._shop, self._following = shop, following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or leave it to the application that follows."""
        if scope["type"] != "http" or scope["path"] != "/search" or scope["method"] != "GET":
            return await self._following(scope, receive, send)
        accept: bytes = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        if not accepts_json(accept.decode("latin-1")):
            return await self._following(scope, receive, send)
        scope["path_template"] = "/search"  # what Litestar notes of its own routes, for infra/edge/measured.py
        pairs: Any = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            body = _encode(self._shop.whole_search.search(read_query(pairs)))
        except SearchNotReadyError:
            return await send_answer(send, 503, _NOT_READY, b'{"title":"The index is being built","status":503}')
        except Exception:  # as the framework would
            log.exception("request_failed", path="/search")
            return await send_answer(send, 500, [_PROBLEM, *SECURITY], b'{"title":"The shop failed","status":500}')
        return await send_answer(send, 200, _HEADERS, body)
