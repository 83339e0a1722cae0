"""What is answered where a request cannot be served: RFC 9457 documents that list every fault at once.

Each fault names its place by a JSON pointer (RFC 6901) into the body, or the header or parameter that is meant.
"""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response

MEDIA_TYPE: Final = "application/problem+json"


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a request: a JSON pointer into its body, or a header, or a parameter."""

    detail: str
    pointer: str | None = None
    header: str | None = None
    parameter: str | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A problem as RFC 9457 has it; `errors` lists all faults, where there are any to list."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class _Kind(msgspec.Struct, frozen=True):
    name: str
    status: int
    title: str


UNREADABLE: Final = _Kind("unreadable-body", 400, "The body is no JSON document")
BAD_HEADER: Final = _Kind("invalid-header", 400, "A header is missing or cannot be used")
BAD_PARAMETER: Final = _Kind("invalid-parameter", 400, "A parameter cannot be used")
UNAUTHENTICATED: Final = _Kind("unauthenticated", 401, "Who asks is not known")
INSECURE: Final = _Kind("insecure-transport", 403, "Credentials must not travel in the clear")
FORBIDDEN: Final = _Kind("forbidden", 403, "This may not be done by whoever asks")
NOT_FOUND: Final = _Kind("not-found", 404, "There is nothing here")
METHOD: Final = _Kind("method-not-allowed", 405, "This is not answered here by that method")
NOT_ACCEPTABLE: Final = _Kind("not-acceptable", 406, "There is no answer of the media type asked for")
IN_FLIGHT: Final = _Kind("request-in-flight", 409, "A request with this Idempotency-Key is being served")
TOO_LARGE: Final = _Kind("body-too-large", 413, "The body is too large")
MEDIA: Final = _Kind("unsupported-media-type", 415, "Only JSON is read here")
MISDIRECTED: Final = _Kind("misdirected", 421, "The Host header names another server")
INVALID: Final = _Kind("invalid-request", 422, "The request has faults")
KEY_REUSED: Final = _Kind("key-reused", 422, "The Idempotency-Key belongs to another request")
TOO_MANY: Final = _Kind("too-many-requests", 429, "Too many requests")
FAILED: Final = _Kind("internal-error", 500, "The server failed")
UNAVAILABLE: Final = _Kind("unavailable", 503, "This cannot be served now")

KINDS: Final = tuple(kind for kind in list(globals().values()) if isinstance(kind, _Kind))
"""Every kind of problem, for the documentation."""
_encode: Final = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """A request ends with a problem. `headers` go with the answer."""

    def __init__(
        self, kind: _Kind, detail: str, *, errors: list[Fault] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.headers = headers or {}
        self.problem = Problem(
            type=f"/docs#{kind.name}", title=kind.title, status=kind.status, detail=detail, errors=errors or []
        )

    @property
    def body(self) -> bytes:
        """The document."""
        return _encode(self.problem)

    def response(self) -> Response[bytes]:
        """Return the answer."""
        return Response(self.body, status_code=self.kind.status, media_type=MEDIA_TYPE, headers=self.headers)


def unavailable(detail: str, *, retry_after_s: int = 1) -> ProblemError:
    """Return the problem of what can be tried again after some seconds."""
    return ProblemError(UNAVAILABLE, detail, headers={"Retry-After": str(retry_after_s)})


def invalid(errors: list[Fault]) -> ProblemError:
    """Return the problem of a request with these faults."""
    return ProblemError(INVALID, "; ".join(_line(fault) for fault in errors[:3]), errors=errors)


def _line(fault: Fault) -> str:
    place = fault.pointer if fault.pointer is not None else fault.header or fault.parameter or ""
    return f"{place}: {fault.detail}" if place else fault.detail
