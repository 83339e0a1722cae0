"""What every route does with a request: its headers, its body, its key, and how long it may wait."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote

import msgspec
from litestar import Request

from infra.edge.api.guard import BODY, COUNT, HEADERS, OPEN, RELEASE
from infra.edge.api.keys import MAX_KEY
from infra.edge.api.problems import BAD_HEADER, BAD_PARAMETER, Fault, ProblemError
from infra.edge.api.reading import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

HttpRequest: TypeAlias = "Request[Any, Any, Any]"
MAX_WAIT_SECONDS: Final = 30
KEY_HEADER: Final = "Idempotency-Key"
_KEY: Final = KEY_HEADER.lower().encode()
_PREFER: Final = b"prefer"
_PREFER_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)

T = TypeVar("T", bound=msgspec.Struct)
C = TypeVar("C")


def headers_of(request: HttpRequest) -> Mapping[bytes, bytes]:
    """Return the request's headers by their names in lower case."""
    headers: Mapping[bytes, bytes] = request.scope[HEADERS]  # type: ignore[typeddict-item]
    return headers


def body_of(request: HttpRequest, kind: type[T]) -> T:
    """Return the body as a struct. Raises ProblemError with all its faults."""
    return read(request.scope[BODY], kind)  # type: ignore[typeddict-item]


async def count_as(request: HttpRequest, requests: int) -> None:
    """Count a request as so many of its client's. Raises ProblemError where they are not left."""
    if requests > 1:
        await request.scope[COUNT](requests - 1)  # type: ignore[typeddict-item]


def key_of(headers: Mapping[bytes, bytes], *, is_required: bool) -> str | None:
    """Return the Idempotency-Key, bare or as a structured string. Raises ProblemError where it is missing or no key."""
    given = headers.get(_KEY)
    if given is None:
        if not is_required:
            return None
        raise _bad_key(
            "is missing: send a new random text, such as a UUID, with each new request, and again with a repeat"
        )
    key = given.decode("latin-1").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not key or len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise _bad_key(f"has to be 1 to {MAX_KEY} printable ASCII characters")
    return key


def _bad_key(detail: str) -> ProblemError:
    return ProblemError(BAD_HEADER, f"{KEY_HEADER} {detail}", errors=[Fault(detail, header=KEY_HEADER)])


def wait_seconds(request: HttpRequest) -> int:
    """Return how long the client prefers to wait for an outcome (RFC 7240), at most MAX_WAIT_SECONDS; 0: not at all."""
    if _PREFER not in headers_of(request):
        return 0
    preferences = b",".join(value for name, value in request.scope["headers"] if name == _PREFER)
    match = _PREFER_WAIT.search(preferences.decode("latin-1"))
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


def named_in_path(name: str, segment: str) -> str:
    """Return what a segment of the path names, in which a slash is %2F. Raises ProblemError for what is no UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise ProblemError(
            BAD_PARAMETER, f"{name} is no UTF-8", errors=[Fault("is no UTF-8", parameter=name)]
        ) from error


def release_place(request: HttpRequest) -> None:
    """Give this request's place among those being served back, before it waits for something that takes its time."""
    request.scope[RELEASE]()  # type: ignore[typeddict-item]


async def opened(request: HttpRequest, context: AbstractAsyncContextManager[C]) -> C:
    """Open something until the request is answered."""
    open_ones: AsyncExitStack = request.scope.setdefault(OPEN, AsyncExitStack())  # type: ignore[typeddict-item]
    return await open_ones.enter_async_context(context)
