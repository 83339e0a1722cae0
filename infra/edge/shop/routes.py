"""The shop's other pages: home, categories, search, suggestions, what goes with a product; HTML or JSON by Accept."""

from __future__ import annotations

import time
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException, NotFoundException, PermissionDeniedException
from litestar.params import FromPath

from consumers.pages.reader import PagesUnavailableError
from consumers.pages.tiles import draw_tile
from consumers.pages.view import crumbs_of, view_of
from infra.edge.shop.addresses import address_of, price_text, read_query
from infra.edge.shop.answers import LISTING, frame, html, json, problem, wants_json
from infra.edge.shop.delivery import AddressesUnavailableError
from infra.edge.shop.html import cards, related_cards, render
from infra.edge.shop.product_pages import RETRY_AFTER_S
from infra.edge.shop.shop import SearchNotReadyError
from infra.edge.shop.visitors import own_pages_only
from producers.errors import (
    CartChangedError,
    CartFullError,
    CartsUnavailableError,
    InvalidRequestError,
    PublishError,
)
from schemas.money import format_minor
from schemas.search import SearchQuery
from schemas.shop import Crumb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.edge.shop.shop import Shop
    from schemas.search import SearchAnswer

log = structlog.get_logger()

IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
NEW_PRODUCTS: Final = 12
MAX_BODY_BYTES: Final = 128 * 1024
_STATIC: Final = {
    name: (files("infra.edge.shop").joinpath("static", name).read_bytes(), media_type)
    for name, media_type in (
        ("shop.css", "text/css"),
        ("htmx.min.js", "text/javascript"),
        ("live.js", "text/javascript"),
    )
}


def application(shop: Shop, more: Sequence[Any] = ()) -> Litestar:
    """Return the application of a shop's pages; `more` are the routes of whoever sells."""

    def not_found(request: Request[Any, Any, Any], _: Exception) -> Response[bytes]:
        return problem(shop, request, 404, "There is no such page", "It may have been moved, or the product is gone.")

    def forbidden(request: Request[Any, Any, Any], _: Exception) -> Response[bytes]:
        return problem(shop, request, 403, "Not from here", "Another site asked for this; do it on our own pages.")

    def unavailable(request: Request[Any, Any, Any], _: Exception) -> Response[bytes]:
        response = problem(shop, request, 503, "The shop is busy", "Please try again in a moment; nothing was changed.")
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    def moved_on(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return problem(shop, request, 412, "The cart is another one by now", str(error))

    def unusable(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return problem(shop, request, 422, "That cannot be done", str(error)[:500])

    def refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        response = problem(
            shop, request, error.status_code, "That cannot be done", HTTPStatus(error.status_code).phrase
        )
        response.headers.update(error.headers or {})
        return response

    def failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        log.error("request_failed", path=request.scope["path"][:200], exc_info=error)
        return problem(shop, request, 500, "The shop failed", "Our log has the reason. Your cart is as it was.")

    handlers: dict[Any, Any] = {
        NotFoundException: not_found,
        404: not_found,
        PermissionDeniedException: forbidden,
        PagesUnavailableError: unavailable,
        CartsUnavailableError: unavailable,
        AddressesUnavailableError: unavailable,
        PublishError: unavailable,
        SearchNotReadyError: unavailable,
        CartChangedError: moved_on,
        CartFullError: unusable,
        InvalidRequestError: unusable,
        msgspec.ValidationError: unusable,
        msgspec.DecodeError: unusable,
        HTTPException: refused,
        Exception: failed,
    }
    return Litestar(
        route_handlers=[*_listings(shop), *_about_products(shop), *_files(shop), *more],
        exception_handlers=handlers,
        guards=[own_pages_only],
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )


def _listings(shop: Shop) -> list[Any]:
    """Return the pages that list products."""

    @get("/")
    async def home() -> Response[bytes]:
        newest = shop.search.search(SearchQuery(sort="newest", size=NEW_PRODUCTS))
        page = render(
            "home.html",
            hits=cards(newest.hits),
            trending=related_cards(await shop.trending()),
            **frame(shop, newest.total),
        )
        return html(page, LISTING)

    @get("/search", sync_to_thread=False)
    def search(request: Request[Any, Any, Any]) -> Response[bytes]:
        query = read_query(list(request.query_params.multi_items()))
        answer = shop.whole_search.search(query)  # as a page; JSON comes from search_answers.py
        heading = f"“{query.text}”" if query.text.strip() else "All products"
        return html(_listing(shop, "/search", query, answer, heading=heading, crumbs=()), LISTING)

    @get("/categories/{slug:str}", sync_to_thread=False)
    def category(request: Request[Any, Any, Any], slug: FromPath[str]) -> Response[bytes]:
        index = shop.whole_search
        path = shop.category(slug)
        if path is None:
            raise NotFoundException(f"There is no category {slug!r}.")
        asked = read_query(list(request.query_params.multi_items()))
        query = msgspec.structs.replace(asked, filters=asked.filters | {"category": (path,)})
        answer = index.search(query)
        if wants_json(request):
            return json(answer, LISTING)
        return html(
            _listing(
                shop, f"/categories/{slug}", query, answer, heading=path.rpartition("/")[2], crumbs=crumbs_of(path)
            ),
            LISTING,
        )

    @get("/suggest", sync_to_thread=False)
    def suggest(request: Request[Any, Any, Any]) -> Response[bytes]:
        typed = request.query_params.get("q", "")
        suggestions = shop.whole_search.suggest(typed)
        headers = {"Cache-Control": "public, max-age=10", "Vary": "Accept"}
        return (
            json(suggestions, headers)
            if wants_json(request)
            else html(render("_suggest.html", suggestions=suggestions, typed=typed), headers)
        )

    return [home, search, category, suggest]


def _about_products(shop: Shop) -> list[Any]:
    """Return what is asked about single products and visitors."""

    @get("/products/{product_id:str}/availability")
    async def availability(product_id: FromPath[str]) -> Response[bytes]:
        product = await shop.reader.product(product_id)
        if product is None or product.state != "published":
            raise NotFoundException(f"There is no product {product_id!r}.")
        levels = shop.reader.levels_of(product)
        view = view_of(product, levels, at_ms=int(time.time() * 1000), age_ms=shop.reader.age_ms())
        return html(render("_variants.html", view=view, numbers=True), {"Cache-Control": "no-store"})

    @get("/products/{product_id:str}/related")
    async def related(request: Request[Any, Any, Any], product_id: FromPath[str]) -> Response[bytes]:
        products, position = await shop.related(product_id)
        shop.signal("seen", product_id)
        headers = {"Cache-Control": "public, max-age=5", "Vary": "Accept, HX-Request"}
        if position:
            headers["X-Lastunit-Position"] = position
        if wants_json(request):
            return json(products, headers)
        if request.headers.get("hx-request"):
            return html(render("_related.html", hits=related_cards(products)), headers)
        return html(render("related.html", hits=related_cards(products), **frame(shop)), headers)

    @get("/me/suggestions")
    async def suggestions(request: Request[Any, Any, Any]) -> Response[bytes]:
        products = await shop.for_customer(
            request.query_params.get("customer", ""), request.query_params.getall("have", [])
        )
        headers = {"Cache-Control": "private, no-store"}
        return (
            json(products, headers)
            if wants_json(request)
            else html(render("related.html", hits=related_cards(products), **frame(shop)), headers)
        )

    return [availability, related, suggestions]


def _files(shop: Shop) -> list[Any]:
    """Return what is the same for everybody: tiles, styles, scripts, and whether the worker is ready."""

    @get("/tiles/{kind:str}/{colours:str}", sync_to_thread=False)
    def tile(kind: FromPath[str], colours: FromPath[str]) -> Response[bytes]:
        drawn = draw_tile(kind, colours.removesuffix(".svg")) if colours.endswith(".svg") else None
        if drawn is None:
            raise NotFoundException("There is no such tile.")
        return Response(drawn.encode(), media_type="image/svg+xml", headers=IMMUTABLE)

    @get("/static/{name:str}", sync_to_thread=False)
    def static(name: FromPath[str]) -> Response[bytes]:
        if name not in _STATIC:
            raise NotFoundException("There is no such file.")
        body, media_type = _STATIC[name]
        return Response(body, media_type=media_type, headers={"Cache-Control": "public, max-age=3600"})

    @get("/shop/readyz", sync_to_thread=False)
    def ready() -> Response[bytes]:
        return Response(
            msgspec.json.encode({"ready": shop.is_ready}),
            status_code=200 if shop.is_ready else 503,
            media_type="application/json",
        )

    return [tile, static, ready]


def _listing(
    shop: Shop, path: str, query: SearchQuery, answer: SearchAnswer, *, heading: str, crumbs: Sequence[Crumb]
) -> bytes:
    own = {name: values for name, values in query.filters.items() if not (crumbs and name == "category")}
    shown = msgspec.structs.replace(query, filters=own)
    chosen = (
        price_text(query.price_from, query.price_to)
        if query.price_from is not None or query.price_to is not None
        else ""
    )
    currency = answer.hits[0].currency if answer.hits else shop.currency
    ranges = [
        {
            "value": (value := price_text(price_range.price_from, price_range.price_to)),
            "text": f"{format_minor(price_range.price_from, currency)} to {format_minor(price_range.price_to, currency).partition(' ')[2]}",
            "count": price_range.count,
            "chosen": value == chosen,
        }
        for price_range in answer.price_ranges
    ]
    if chosen and not any(each["chosen"] for each in ranges):
        ranges.append({"value": chosen, "text": chosen, "count": answer.total, "chosen": True})
    return render(
        "listing.html",
        action=path,
        answer=answer,
        query=query,
        query_text=query.text,
        heading=heading,
        crumbs=crumbs,
        facets=[facet for facet in answer.facets if facet.values and not (crumbs and facet.name == "category")],
        ranges=ranges,
        chosen_price=chosen,
        filtered=bool(own or query.in_stock or chosen),
        clear=address_of(path, SearchQuery(text=query.text)),
        known_words=len(answer.interpretation.words) - len(answer.interpretation.unknown),
        hits=cards(answer.hits),
        previous=address_of(path, shown, page=query.page - 1) if query.page > 1 else "",
        next=address_of(path, shown, page=query.page + 1) if query.page < answer.pages else "",
        **frame(shop),
    )
