"""The pages of one order, one SKU, one customer and the dead letters, each with the stream that follows it, and the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.response import Stream

from infra.base.errors import InfraError
from infra.edge.console import looking, owning
from infra.edge.console.actions import ACTIONS
from infra.edge.console.answers import Console, followed, page, see, visitor_of
from infra.edge.console.html import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    HttpRequest = Request[Any, Any, Any]
    Values = dict[str, Any] | None

MAX_TEXT: Final = 200


def page_routes(console: Console) -> list[Any]:
    """Return the routes of the pages."""
    settings, watch = console.settings, console.watch

    async def group(name: str) -> Values:
        return owning.group_values(settings, watch, name)

    async def letters(_: str) -> Values:
        return looking.letters_values(watch)

    async def letter(letter_id: str) -> Values:
        return looking.letter_values(watch, letter_id)

    return [
        *_page(console, "order", lambda order_id: looking.order_values(settings, watch, order_id)),
        *_page(console, "sku", lambda sku: looking.sku_values(settings, watch, sku)),
        *_page(console, "customer", lambda customer_id: looking.customer_values(settings, customer_id)),
        *_page(console, "group", group),
        _room(console),
        *_page(console, "letters", letters),
        *_page(console, "letter", letter),
        _search(console),
    ]


def _page(console: Console, name: str, values_of: Callable[[str], Awaitable[Values]]) -> list[Any]:
    """Return a page's route, and that of its stream; `values_of` looks up what an id shows, None where it is nobody's."""

    @get(f"/{name}", name=name)
    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
        wanted = _named(request)
        try:
            values = await values_of(wanted)
        except InfraError as error:
            return page(request, "problem.html", status=503, title="It cannot be looked up now", detail=str(error))
        if values is None:
            detail = f"There is no {name} {wanted!r} here. One placed a moment ago may not have been decided yet."
            return page(request, "problem.html", status=404, title="Not found", detail=detail)
        done = ACTIONS.get(request.query_params.get("done", ""))
        events = f"/{name}/events?id={quote(wanted, safe='')}"
        return page(request, "subject.html", part=f"_{name}.html", events=events, done=done, **values)

    @get(f"/{name}/events", name=f"{name} events")
    async def events(request: Request[Any, Any, Any]) -> Stream:
        visitor, wanted = visitor_of(request), _named(request)

        async def live() -> bytes:
            return render(f"_{name}.html", visitor=visitor, **(await values_of(wanted) or {"is_gone": True}))

        return followed(console, visitor, live)

    return [show, events]


def _room(console: Console) -> Any:
    @get("/room", sync_to_thread=False)
    def room(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Send whoever acted on a room, or on a partition of it, to the page of its group."""
        name, done = _named(request).partition("/")[0], str(request.query_params.get("done", ""))
        group = quote(console.settings.namespace + name, safe="")
        return see(f"/group?id={group}&done={quote(done, safe='')}")

    return room


def _search(console: Console) -> Any:
    @get("/search")
    async def search(request: Request[Any, Any, Any]) -> Response[bytes]:
        text = str(request.query_params.get("q", "")).strip()[:MAX_TEXT]
        if not text:
            return see("/")
        try:
            matches = await looking.search(console.settings, text)
        except InfraError as error:
            return page(request, "problem.html", status=503, title="Nothing can be sought now", detail=str(error))
        if len(matches.addresses) == 1:
            [(kind, name)] = matches.addresses
            return see(f"/{kind}?id={quote(name, safe='')}")
        return page(request, "found.html", status=200 if matches.addresses else 404, text=text, matches=matches)

    return search


def _named(request: HttpRequest) -> str:
    return str(request.query_params.get("id", ""))[:MAX_TEXT]
