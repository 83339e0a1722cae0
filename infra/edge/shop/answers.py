"""How routes answer: HTML or JSON by Accept, problems as either, each with the security headers of every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, Response

from infra.edge.shop.html import render
from infra.edge.shop.product_pages import SECURITY

if TYPE_CHECKING:
    from infra.edge.shop.shop import Shop

LISTING: Final = {"Cache-Control": "public, max-age=1, stale-if-error=60", "Vary": "Accept"}
"""Headers of what lists products: searches, categories."""
PRIVATE: Final = {"Cache-Control": "private, no-store", "Vary": "Accept, Cookie"}
FORM_ANSWER: Final = PRIVATE | {"Cache-Control": "private, no-cache"}
"""Of a page that answers a form: the back button leads to it, where one that is not stored would ask whether to send the form again."""
_encode: Final = msgspec.json.Encoder().encode
_SECURITY: Final = {name.decode(): value.decode() for name, value in SECURITY}


def accepts_json(accept: str) -> bool:
    """Return whether an Accept header asks for JSON and no page."""
    return "json" in accept and "text/html" not in accept


def wants_json(request: Request[Any, Any, Any]) -> bool:
    """Return whether the asker wants JSON and no page."""
    return accepts_json(request.headers.get("accept", ""))


def html(body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> Response[bytes]:
    """Return an HTML answer."""
    return Response(body, status_code=status, media_type="text/html", headers=_SECURITY | (headers or {}))


def json(value: Any, headers: dict[str, str] | None = None, status: int = 200) -> Response[bytes]:
    """Return a JSON answer."""
    return Response(
        _encode(value), status_code=status, media_type="application/json", headers=_SECURITY | (headers or {})
    )


def see(location: str) -> Response[bytes]:
    """Send a browser on after a change, so that a reload repeats nothing."""
    return Response(b"", status_code=303, headers=_SECURITY | PRIVATE | {"Location": location})


def frame(shop: Shop, products: int | None = None) -> dict[str, Any]:
    """Return what every page's frame shows."""
    return {"categories": shop.top_categories(), "product_count": f"{products:,}" if products else ""}


def problem(
    shop: Shop, request: Request[Any, Any, Any], status: int, title: str, detail: str, **more: Any
) -> Response[bytes]:
    """Return a problem: a page with a way back, or RFC 9457 for programs, where `more` are further members."""
    if wants_json(request):
        body = _encode({"type": "about:blank", "title": title, "status": status, "detail": detail, **more})
        return Response(body, status_code=status, media_type="application/problem+json", headers=dict(_SECURITY))
    return html(render("problem.html", title=title, detail=detail, **frame(shop)), status=status)
