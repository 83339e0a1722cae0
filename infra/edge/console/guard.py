"""What stands in front of the console's routes: who is let in, and that what changes something comes from its own forms.

On loopback a request must name the console by a loopback name, so that a page of somebody else's cannot read it through the
browser (DNS rebinding). What changes something needs a session's token in the form, and an origin that is ours.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from litestar import Response

from infra.edge.access.principal import AccessError, CannotTellError
from infra.edge.authority import authority_of, hostname_of
from infra.edge.console.answers import SECURITY, VISITOR, see
from infra.edge.console.gate import COOKIE, Visitor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Request

    from infra.edge.console.gate import Gate

    HttpRequest = Request[Any, Any, Any]

HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
PUBLIC: Final = frozenset({"/livez", "/readyz", "/signin"})
"""What is served to anybody, beside /static/."""


def guarded(gate: Gate) -> Callable[[HttpRequest], Awaitable[Response[bytes] | None]]:
    """Return what runs before each route: None lets the request pass, with its visitor noted."""

    async def before(request: HttpRequest) -> Response[bytes] | None:
        if gate.is_for_this_machine and hostname_of(request.headers.get("host", "")) not in HOSTS:
            return refused(403, "This console is served on loopback only.")
        if request.method not in {"GET", "HEAD"} and not _is_ours(request):
            return refused(403, "A page of another origin may not change anything here.")
        return await _admitted(gate, request)

    return before


async def _admitted(gate: Gate, request: HttpRequest) -> Response[bytes] | None:
    path = request.url.path
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    try:
        visitor = await gate.visitor(dict(request.scope), headers, request.cookies.get(COOKIE, ""))
    except AccessError as error:
        return refused(503 if isinstance(error, CannotTellError) else 401, str(error))
    if visitor is None and not (path in PUBLIC or path.startswith("/static/")):
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            here = path + (f"?{request.url.query}" if request.url.query else "")
            return see(f"/signin?next={quote(here, safe='')}")
        return refused(401, "Sign in, or send Authorization: Bearer KEY with a key that has console:read.")
    request.scope[VISITOR] = visitor or Visitor()  # type: ignore[typeddict-unknown-key]
    return None


def has_token(visitor: Visitor, token: str) -> bool:
    """Return whether a form is one that was made for this session."""
    return visitor.session is not None and secrets.compare_digest(visitor.session.token.encode(), token.encode())


def local_path(text: str) -> str:
    """Return a path of this console, "/" for any other text: nobody is sent elsewhere after signing in."""
    is_ours = (
        text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and authority_of(text) == ""
    )
    return text if is_ours else "/"


def refused(status: int, detail: str) -> Response[bytes]:
    """Return a refusal as a line of text."""
    return Response(f"{detail}\n".encode(), status_code=status, media_type="text/plain", headers=SECURITY)


def _is_ours(request: HttpRequest) -> bool:
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    return site == "same-origin" and (origin is None or authority_of(origin) == request.headers.get("host"))
