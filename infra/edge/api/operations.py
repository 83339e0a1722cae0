"""How a route is declared: Litestar's handler, with what the document at /openapi.json needs beyond its signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import get, post
from litestar.openapi.datastructures import ResponseSpec

from infra.edge.api.permission import SCOPE
from infra.edge.api.problems import (
    BAD_HEADER,
    BAD_PARAMETER,
    FORBIDDEN,
    IN_FLIGHT,
    INSECURE,
    INVALID,
    MEDIA,
    MEDIA_TYPE,
    MISDIRECTED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNREADABLE,
    Problem,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec
    from litestar.handlers import HTTPRouteHandler


NONE, OPTIONAL, REQUIRED = "", "optional", "required"
"""Whether a request has an Idempotency-Key."""
_ALWAYS: Final = (UNAUTHENTICATED, INSECURE, FORBIDDEN, MISDIRECTED, TOO_MANY, UNAVAILABLE)
_CHANGING: Final = (UNREADABLE, BAD_HEADER, BAD_PARAMETER, TOO_LARGE, MEDIA, INVALID)


def command(
    path: str,
    name: str,
    scope: str,
    body: type[msgspec.Struct],
    *,
    tag: str,
    example: dict[str, Any],
    key: str = OPTIONAL,
    waits: bool = False,
    answer: type[msgspec.Struct],
) -> Callable[[Any], Any]:
    """Declare a POST that puts a command on the log: 202, or 200 with the outcome where it waits for one."""
    statuses = [*_ALWAYS, *_CHANGING, *((IN_FLIGHT,) if key else ()), *((NOT_FOUND,) if "{order_id" in path else ())]
    responses = _problems(statuses)
    if waits:
        responses[200] = ResponseSpec(
            answer, generate_examples=False, description="It is on the log, and has its outcome."
        )
    return post(
        path,
        operation_id=name,
        status_code=202,
        response_description="It is on the log, acknowledged by all replicas of Kafka in sync.",
        tags=[tag],
        responses=responses,
        opt={SCOPE: scope, "body": body, "example": example, "key": key, "waits": waits},
    )


def query(path: str, name: str, scope: str, *, tag: str, **options: Any) -> Callable[[Any], Any]:
    """Declare a GET that answers from the read models."""
    return get(
        path,
        operation_id=name,
        tags=[tag],
        responses=_problems([*_ALWAYS, BAD_PARAMETER, NOT_FOUND]),
        opt={SCOPE: scope, **options},
    )


def is_command(handler: HTTPRouteHandler) -> bool:
    """Return whether a route was declared by `command`."""
    return "body" in handler.opt


def _problems(kinds: list[Any]) -> dict[int, ResponseSpec]:
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    return {
        status: ResponseSpec(Problem, generate_examples=False, description="; ".join(each), media_type=MEDIA_TYPE)
        for status, each in titles.items()
    }
