"""What stands in front of the API's routes: how much is served at once, to whom, how large, and of which kind.

A browser cannot be made to post here: what changes something needs a JSON content type, which makes a foreign page ask first
(Fetch standard, CORS-preflight), and the answer to that is no, unless the operator names the page's origin (cors.py). Where nobody has to show who they are, the server is on
loopback only, and refuses a Host that is not: that is how a page reaches it through a name of its own (DNS rebinding).
Who asks is known before the body is read; whether they may is decided where the route is known (`permission.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from infra.edge.access.principal import AccessError
from infra.edge.access.transport import sender_of
from infra.edge.api.permission import ADMITTED, PRINCIPAL, PUBLIC, refused, too_many
from infra.edge.api.problems import (
    BAD_HEADER,
    FAILED,
    FORBIDDEN,
    MEDIA,
    MEDIA_TYPE,
    MISDIRECTED,
    TOO_LARGE,
    TOO_MANY,
    Fault,
    ProblemError,
    unavailable,
)
from infra.edge.authority import authority_of, hostname_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from infra.edge.access.authentication import Authentication
    from infra.edge.access.limits import RateLimits

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

log = structlog.get_logger()

MAX_BODY_BYTES: Final = 1024 * 1024
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ONCE: Final = (
    *(b"authorization", b"host", b"origin", b"sec-fetch-site", b"idempotency-key"),
    *(b"content-type", b"content-encoding", b"transfer-encoding"),
)
"""Headers that decide who asks and what for. Of two of them a proxy may have checked the other one than we read."""
RELEASE: Final = "lastunit.release"
"""Under this name a request's scope has the function by which it gives its place back before it waits for something."""
OPEN: Final = "lastunit.open"
"""And under this one, once something is, the stack of what is open for as long as it is answered."""
HEADERS: Final = "lastunit.headers"
"""And under this one its headers by name, of which each of ONCE came once."""
BODY: Final = "lastunit.body"
"""And under this one the whole body of what changes something."""
COUNT: Final = "lastunit.count"
"""And under this one the function that counts so many requests more, as a request of many commands is."""
_JSON: Final = b"application/json"
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
]


class Guard:
    """An ASGI application around another. At most `max_in_flight` requests are served at once; the next one gets a 503.

    Pages of `origins` may send commands, beside those of the server's own.
    """

    def __init__(
        self,
        app: Application,
        authentication: Authentication,
        limits: RateLimits,
        *,
        max_in_flight: int,
        origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._authentication, self._limits = authentication, limits
        self._max_in_flight = max_in_flight
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if self.in_flight >= self._max_in_flight:
            await _answer(unavailable(f"{self._max_in_flight} requests are being served already"), send)
            return
        self.in_flight += 1
        scope[RELEASE] = release = self._once_released()
        try:
            await self._serve(scope, receive, send)
        finally:
            try:
                if (open_ones := scope.get(OPEN)) is not None:
                    await open_ones.aclose()
            finally:
                release()

    def _once_released(self) -> Callable[[], None]:
        held = True

        def release() -> None:
            nonlocal held
            self.in_flight -= held
            held = False

        return release

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        limits: list[tuple[bytes, bytes]] = []

        async def begin(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *_HEADERS, *limits]
            await send(message)

        try:
            scope[HEADERS] = headers = dict(scope["headers"])
            self._check(scope, headers)
            if _routed(scope)["path"].rstrip("/") not in PUBLIC:
                await self._admit(scope, headers, limits)
            if scope["method"] in CHANGING:
                scope[BODY] = body = await _body(headers, receive)
                receive = _replayed(body, receive)
            await self._app(scope, receive, begin)
        except ProblemError as problem:
            await _answer(problem, send, limits)
        except Exception:
            log.exception("request_failed", path=scope["path"][:200])
            if not started:
                await _answer(ProblemError(FAILED, "The log of the server has the reason."), send, limits)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes], limits: list[tuple[bytes, bytes]]) -> None:
        """Note who asks, and in `limits` how much they may ask still. Raises ProblemError.

        Who is not admitted counts by their address, so that keys cannot be guessed faster than they are used.
        """
        try:
            principal = await self._authentication.admit(scope, headers)
        except AccessError as error:
            await self._count(f"from:{sender_of(scope)}", limits)
            raise refused(error) from error
        client = principal.client or f"from:{sender_of(scope)}"
        await self._count(client, limits)
        scope[PRINCIPAL], scope[ADMITTED] = principal, self._authentication.still_admits
        scope[COUNT] = lambda requests: self._count(client, limits, requests)

    async def _count(self, client: str, limits: list[tuple[bytes, bytes]], requests: int = 1) -> None:
        if 0 < self._limits.quota < requests:
            raise ProblemError(TOO_MANY, f"nobody has as many as {requests:,} requests at once: send smaller batches")
        allowance = self._limits.take_at_hand(client, requests) or await self._limits.take(client, requests)
        if allowance is None:
            return
        limits[:] = self._limits.headers(allowance)
        if allowance.is_exceeded:
            raise too_many(allowance)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Refuse a request by its head alone. Raises ProblemError."""
        if len(headers) != len(scope["headers"]):
            _refuse_repeated([name for name, _ in scope["headers"]])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._authentication.is_open and hostname_of(host) not in LOOPBACK:
            raise ProblemError(MISDIRECTED, f"this server is called 127.0.0.1 or localhost, not {host[:100]!r}")
        if scope["method"] not in CHANGING:
            return
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site", b"none")
        is_foreign = site not in (b"none", b"same-origin") or (
            origin and authority_of(origin.decode("latin-1")) != host
        )
        if is_foreign and origin not in self._origins:
            raise ProblemError(FORBIDDEN, "a page of another origin may not send commands")
        if not _is_json(headers.get(b"content-type", b"")):
            raise ProblemError(
                MEDIA, "send Content-Type: application/json, in UTF-8", headers={"Accept": "application/json"}
            )
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProblemError(
                MEDIA, "send the body as it is, without Content-Encoding", headers={"Accept-Encoding": "identity"}
            )
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise ProblemError(BAD_HEADER, "Transfer-Encoding may be chunked and nothing else")


def _is_json(content_type: bytes) -> bool:
    """Return whether a Content-Type names JSON, and no other encoding of texts than JSON has (RFC 8259, 8.1)."""
    if content_type == _JSON:
        return True
    media_type, _, parameters = content_type.lower().partition(b";")
    charsets = [each.partition(b"=") for each in parameters.split(b";")]
    return media_type.strip() == _JSON and all(
        value.strip(b' \t"') == b"utf-8" for name, _, value in charsets if name.strip() == b"charset"
    )


def _refuse_repeated(names: Sequence[bytes]) -> None:
    """Raise ProblemError where a header that may come once comes again (RFC 9110, 5.3)."""
    if faults := [Fault("came more than once", header=name.decode()) for name in ONCE if names.count(name) > 1]:
        raise ProblemError(BAD_HEADER, "; ".join(f"{fault.header} {fault.detail}" for fault in faults), errors=faults)


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Return the body of a request. Raises ProblemError for one that is too large."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise ProblemError(TOO_LARGE, f"at most {MAX_BODY_BYTES:,} bytes", headers={"Connection": "close"})
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ProblemError(FAILED, "the client went away")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise ProblemError(TOO_LARGE, f"at most {MAX_BODY_BYTES:,} bytes", headers={"Connection": "close"})
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that has the whole body at once, then what the client does."""
    is_read = False

    async def replay() -> Any:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _routed(scope: Scope) -> Scope:
    """Return the scope with its path still encoded, so that a slash within a SKU (%2F) is none of the path's."""
    raw = scope.get("raw_path")
    if raw:
        scope["path"] = raw.decode("latin-1")
    return scope


async def _answer(problem: ProblemError, send: Send, limits: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()]
    headers += [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(problem.body)).encode()),
        *_HEADERS,
        *limits,
    ]
    await send({"type": "http.response.start", "status": problem.kind.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body, "more_body": False})
