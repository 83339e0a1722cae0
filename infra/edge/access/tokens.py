"""Tokens of another issuer (JWT, RFC 7519): who a request is from and what it may, by a signature that we can verify.

Audience, issuer, subject and end are demanded and checked. What a token says about how it is to be verified (alg, jku, x5u, jwk,
crit) chooses nothing: `alg` must be the one of the key that `kid` names, the others are never followed (RFC 8725).
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

import jwt
import msgspec

from infra.edge.access.principal import Principal, UnknownCallerError
from infra.edge.access.scopes import ALL_SCOPES

if TYPE_CHECKING:
    from infra.edge.access.key_set import KeySet, TokenKey

LEEWAY_SECONDS: Final = 30
"""By so much the issuer's clock may differ from ours."""
MAX_TOKEN: Final = 8_192
MAX_SUBJECT: Final = 200
MAX_REMEMBERED: Final = 1_000
"""Tokens whose signatures are not verified again as long as the keys stay what they are."""
_TYPES: Final = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
_DEMANDED: Final = ["exp", "iss", "aud", "sub"]


class _Verified(msgspec.Struct, frozen=True):
    principal: Principal
    generation: int


class Tokens:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, keys: KeySet, *, issuer: str, audience: str) -> None:
        self.keys = keys
        self._issuer, self._audience = issuer, audience
        self._verified: dict[bytes, _Verified] = {}

    async def find(self, text: str) -> Principal:
        """Return whose token it is. Raises UnknownCallerError, CannotTellError."""
        digest = hashlib.sha256(text.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known.generation == self.keys.generation:
            self.keys.require_fresh()
            return _still_good(known.principal)
        kid, algorithm = _named(text)
        key = await self.keys.find(kid, algorithm)
        if key is None:
            raise UnknownCallerError("No key of the issuer has the kid and the alg of this token.")
        principal = self._principal(text, key)
        while len(self._verified) >= MAX_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = _Verified(principal, self.keys.generation)
        return principal

    def _principal(self, text: str, key: TokenKey) -> Principal:
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _DEMANDED},
            )
            ends_at = float(claims["exp"]) + LEEWAY_SECONDS
        except (jwt.PyJWTError, ValueError, RecursionError, OverflowError) as error:
            raise UnknownCallerError(f"The token is not good: {error}.") from error
        subject, scope = claims["sub"], claims.get("scope")
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            raise UnknownCallerError(f"The token is not good: its sub is not 1 to {MAX_SUBJECT} printable characters.")
        scopes = frozenset(scope.split() if isinstance(scope, str) else ()) & ALL_SCOPES.keys()
        return _still_good(Principal(f"jwt:{subject}", scopes, ends_at))


def _named(text: str) -> tuple[str | None, str]:
    """Return the kid and the alg that a token names. Raises UnknownCallerError for what is no token that we take."""
    if len(text) > MAX_TOKEN:
        raise UnknownCallerError(f"The token has more than {MAX_TOKEN:,} characters.")
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise UnknownCallerError(f"This is neither an API key nor a token: {error}.") from error
    kind, kid, algorithm = header.get("typ"), header.get("kid"), header.get("alg")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        raise UnknownCallerError("The token is of another type than JWT or at+jwt.")
    if not isinstance(algorithm, str) or not (kid is None or isinstance(kid, str)):
        raise UnknownCallerError("The token names no key and algorithm.")
    return kid, algorithm


def _still_good(principal: Principal) -> Principal:
    if principal.expires_at is None or principal.expires_at <= time.time():
        raise UnknownCallerError("The token is not good: it is past its time.")
    return principal
