"""Which route demands which scope, and what is answered to who may not: 401 and 403 with WWW-Authenticate (RFC 6750, 3), 429.

A route without a scope is served to nobody, unless its path is public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.edge.access.principal import (
    AccessError,
    CannotTellError,
    InsecureTransportError,
    Principal,
    UnknownCallerError,
)
from infra.edge.api.problems import FORBIDDEN, INSECURE, TOO_MANY, UNAUTHENTICATED, ProblemError, unavailable

if TYPE_CHECKING:
    from litestar import Request

    HttpRequest = Request[Any, Any, Any]

    from infra.edge.access.limits import Allowance

PUBLIC: Final = frozenset({"/docs", "/docs.css", "/openapi.json", "/healthz", "/readyz"})
"""What is served to anybody."""
PRINCIPAL: Final = "lastunit.principal"
"""Under this name a request's scope has who asks."""
ADMITTED: Final = "lastunit.admitted"
"""And under this one the function that checks whether a principal would still be admitted."""
SCOPE: Final = "scope"
"""Under this name a route's options have the scope that it demands."""
_REALM: Final = 'Bearer realm="lastunit"'


async def require_scope(request: HttpRequest) -> None:
    """Refuse a request whose sender lacks the scope of its route. Raises ProblemError.

    It runs before the route's own function (`before_request`). Litestar's guards would be the place, but for each one it copies
    the handler, which costs as much as all the rest of this.
    """
    principal: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    scope = request.route_handler.opt.get(SCOPE)
    if principal is not None and scope in principal.scopes:
        return
    if request.scope["path"].rstrip("/") in PUBLIC:
        return
    if principal is None or scope is None:
        raise ProblemError(FORBIDDEN, "Nobody may do this.")
    challenge = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
    raise ProblemError(
        FORBIDDEN, f"This key or token lacks the scope {scope}.", headers={"WWW-Authenticate": challenge}
    )


def refused(error: AccessError) -> ProblemError:
    """Return what is answered to a request that is not admitted."""
    detail = str(error)
    if isinstance(error, CannotTellError):
        return unavailable(detail)
    if isinstance(error, InsecureTransportError):
        return ProblemError(INSECURE, detail)
    code = error.error if isinstance(error, UnknownCallerError) else ""
    challenge = f'{_REALM}, error="{code}"' if code else _REALM
    return ProblemError(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})


def too_many(allowance: Allowance) -> ProblemError:
    """Return what is answered to a client whose quota is used up."""
    return ProblemError(
        TOO_MANY,
        f"The quota of requests is used up; it is whole again in {allowance.reset_s} s.",
        headers={"Retry-After": str(allowance.reset_s)},
    )
