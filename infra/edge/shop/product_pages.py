"""Product pages, answered before anything else of the application is asked: they are most of a shop's traffic.

A page is rendered once for each state of its product that a reader can distinguish, and its bytes are kept; after that an
answer is two look-ups. A framework's routing would cost three times as much as all of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from consumers.pages.caching import cache_control, etag_of, is_known
from consumers.pages.reader import PagesUnavailableError
from consumers.pages.view import view_of
from infra.edge.shop.html import product_page
from schemas.products import next_price_change_ms, product_id_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumers.pages.reader import PageReader
    from schemas.messages import Product
    from schemas.shop import Level, ProductView

    Scope = dict[str, Any]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Application = Callable[..., Awaitable[None]]

PAGES: Final = 20_000
RETRY_AFTER_S: Final = 2
_HTML: Final = (b"content-type", b"text/html; charset=utf-8")
JSON_TYPE: Final = (b"content-type", b"application/json")
SECURITY: Final = (
    (
        b"content-security-policy",
        b"; ".join(
            (
                b"default-src 'none'",
                b"script-src 'self'",
                b"style-src 'self'",
                b"img-src 'self'",
                b"connect-src 'self'",
                b"form-action 'self'",
                b"base-uri 'none'",
                b"frame-ancestors 'none'",
            )
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
_encode: Final = msgspec.json.Encoder().encode


class Page(NamedTuple):
    """A rendered page and what it was made from: it is as good as new until the product, a level or a price changes."""

    product: Product
    levels: tuple[Level, ...]
    until_ms: float
    etag: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ProductPages:
    """An ASGI application that answers GET and HEAD of /p/{slug} and /products/{id}, and leaves the rest to another."""

    def __init__(
        self,
        reader: PageReader,
        following: Application,
        *,
        base_url: str = "",
        categories: Callable[[], Sequence[Any]] = tuple,
    ) -> None:
        self._reader, self._following = reader, following
        self._base_url, self._categories = base_url, categories
        self._pages: dict[str, Page] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or leave it to the application that follows."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            path: str = scope["path"]
            if path.startswith("/p/") and path.count("/") == 2:  # noqa: PLR2004  /p/{slug}
                scope["path_template"] = (
                    "/p/{slug}"  # what Litestar notes of its own routes, for infra/edge/measured.py
                )
                return await self._answer(path[3:], scope, receive, send)
            if path.startswith("/products/") and path.count("/") == 2:  # noqa: PLR2004  /products/{id}
                scope["path_template"] = "/products/{product_id}"
                return await self._answer(f"_{path[10:]}", scope, receive, send, by_id=True)
        return await self._following(scope, receive, send)

    async def _answer(self, slug: str, scope: Scope, receive: Receive, send: Send, *, by_id: bool = False) -> None:
        product_id = product_id_in(slug)
        product = self._reader.cached(product_id) if product_id else None
        if product is None and product_id:
            try:
                product = await self._reader.product(product_id)
            except PagesUnavailableError:
                return await send_answer(
                    send,
                    503,
                    [(b"retry-after", b"%d" % RETRY_AFTER_S), JSON_TYPE],
                    b'{"title":"unavailable","status":503}',
                )
        if product is None or product.state == "draft":
            return await self._following({**scope, "path": "/not-found", "raw_path": b"/not-found"}, receive, send)
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        as_json = b"json" in accept and b"text/html" not in accept
        if not by_id and product.slug != slug:
            location = f"/p/{product.slug}".encode()
            return await send_answer(
                send, 301, [(b"location", location), (b"cache-control", b"public, max-age=3600")], b""
            )
        if by_id and not as_json and b"text/html" in accept:
            return await send_answer(send, 302, [(b"location", f"/p/{product.slug}".encode())], b"")
        page = self._json(product) if as_json or by_id else self._html(product)
        known = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
        if known and is_known(page.etag, known.decode("latin-1")):
            return await send_answer(send, 304, page.headers, b"")
        status = 410 if product.state == "archived" else 200
        return await send_answer(send, status, page.headers, b"" if scope["method"] == "HEAD" else page.body)

    def _html(self, product: Product) -> Page:
        levels = self._reader.levels_of(product)
        now_ms = time.time() * 1000
        page = self._pages.get(product.product_id)
        latest = tuple(levels.values())
        if page is not None and page.product is product and page.levels == latest and now_ms < page.until_ms:
            return page
        page = self._render(product, levels, int(now_ms))
        if len(self._pages) >= PAGES:
            self._pages.pop(next(iter(self._pages)))
        self._pages[product.product_id] = page
        return page

    def _render(self, product: Product, levels: dict[str, Level], now_ms: int) -> Page:
        view = view_of(product, levels, at_ms=now_ms, age_ms=None)
        body = product_page(view, self._base_url, self._categories(), archived=product.state == "archived")
        control = cache_control(product, levels, now_ms)
        change_ms = next_price_change_ms(product, now_ms)
        # A max-age that runs into a change of price is counted in seconds, so such a page is made anew each second.
        until_ms = float("inf") if change_ms is None else min(now_ms + 1000, change_ms)
        return Page(product, tuple(levels.values()), until_ms, etag_of(view), _headers(view, control, _HTML), body)

    def _json(self, product: Product) -> Page:
        levels = self._reader.levels_of(product)
        now_ms = int(time.time() * 1000)
        view = view_of(product, levels, at_ms=now_ms, age_ms=self._reader.age_ms())
        # Numbers are true for a moment only, so nobody may keep an answer that has some.
        has_numbers = any(variant.available is not None for variant in view.variants)
        control = "no-cache" if has_numbers else cache_control(product, levels, now_ms)
        return Page(product, (), 0, etag_of(view), _headers(view, control, JSON_TYPE), _encode(view))


def _headers(view: ProductView, control: str, content_type: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    position = ", ".join(f"{sku}@{at}" for sku, at in view.position.items())[:2000]
    return [
        content_type,
        (b"cache-control", control.encode()),
        (b"etag", etag_of(view).encode()),
        (b"vary", b"Accept"),
        (b"x-lastunit-position", f"v{view.version} {position}".encode("latin-1", "replace")),
        *SECURITY,
    ]


async def send_answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole answer, with its length; a body that is not modified has none."""
    length = [] if status == 304 else [(b"content-length", b"%d" % len(body))]  # noqa: PLR2004  not modified
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
