"""Who asks: a guest by an id that nobody can guess, or a customer by a signed cookie. And whether our own page asked."""

from __future__ import annotations

import re
import secrets
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar.datastructures import Cookie
from litestar.exceptions import PermissionDeniedException

from infra.edge.authority import authority_of

if TYPE_CHECKING:
    from litestar import Request
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    from producers.checkout.signing import Signer

GUEST: Final = "guest"
CUSTOMER: Final = "customer"
GUEST_DAYS: Final = 90
SESSION_SECONDS: Final = 12 * 3600
_PURPOSE: Final = "session"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_is_guest_id: Final = re.compile(r"[A-Za-z0-9_-]{22,64}").fullmatch
_is_customer_id: Final = re.compile(r"(?!guest-)[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch


class Visitor(NamedTuple):
    """A guest, or a customer who has signed in."""

    guest_id: str
    customer_id: str = ""

    @property
    def cart_id(self) -> str:
        """Whose cart it is: nobody else's id leads to it."""
        return f"u:{self.customer_id}" if self.customer_id else guest_cart(self.guest_id)

    @property
    def buyer_id(self) -> str:
        """The customer id of orders: of a guest one from which no guest id can be found."""
        return self.customer_id or f"guest-{blake2b(self.guest_id.encode(), digest_size=12).hexdigest()}"


def guest_cart(guest_id: str) -> str:
    """Return the id of a guest's cart."""
    return f"c:{guest_id}"


def new_guest_id() -> str:
    """Return an id of 128 random bits."""
    return secrets.token_urlsafe(16)


def is_guest_id(text: str) -> bool:
    """Return whether a text can be an id that was made here."""
    return _is_guest_id(text) is not None


def is_customer_id(text: str) -> bool:
    """Return whether a text can be a customer's id."""
    return _is_customer_id(text) is not None


class Visitors:
    """Reads and writes cookies: HttpOnly, SameSite=Lax, and where the shop's address is https Secure and by names of this host alone.

    Whoever can set cookies from a neighbour's name (another subdomain), or from plain HTTP, cannot set one that begins with `__Host-`, so
    nobody is given a guest's id that somebody else knows.
    """

    def __init__(self, signer: Signer, *, is_secure: bool = False) -> None:
        self._signer, self._is_secure = signer, is_secure
        self._guest, self._customer = (f"__Host-{name}" if is_secure else name for name in (GUEST, CUSTOMER))

    def of(self, request: Request[Any, Any, Any]) -> Visitor:
        """Return who asks; who brings no id of a guest gets a new one, which `remember` gives out."""
        guest_id = request.cookies.get(self._guest, "")
        customer_id = self._customer_in(request.cookies.get(self._customer, ""))
        return Visitor(guest_id if is_guest_id(guest_id) else new_guest_id(), customer_id)

    def _customer_in(self, token: str) -> str:
        payload = self._signer.opened(_PURPOSE, token) if token else None
        until, _, customer_id = (payload or b"").decode(errors="replace").partition(" ")
        return customer_id if until.isdigit() and int(until) > time.time() else ""

    def remember(self, visitor: Visitor) -> Cookie:
        """Return the cookie that brings a guest back to their cart."""
        return self._cookie(self._guest, visitor.guest_id, GUEST_DAYS * 24 * 3600)

    def sign_in(self, customer_id: str) -> list[Cookie]:
        """Return the cookies of a customer; the guest's id is a new one, so whoever knew the old one knows nothing now."""
        until = int(time.time()) + SESSION_SECONDS
        token = self._signer.sign(_PURPOSE, f"{until} {customer_id}".encode())
        return [
            self._cookie(self._customer, token, SESSION_SECONDS),
            self._cookie(self._guest, new_guest_id(), GUEST_DAYS * 24 * 3600),
        ]

    def sign_out(self) -> list[Cookie]:
        """Return the cookies of somebody who is nobody now."""
        return [self._cookie(self._customer, "", 0), self._cookie(self._guest, new_guest_id(), GUEST_DAYS * 24 * 3600)]

    def _cookie(self, name: str, value: str, max_age: int) -> Cookie:
        return Cookie(
            key=name, value=value, max_age=max_age, path="/", httponly=True, samesite="lax", secure=self._is_secure
        )


def own_pages_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse a change that a page of another site asks for (CSRF). Raises PermissionDeniedException.

    Browsers name who asks in Sec-Fetch-Site or Origin; what sends neither is no browser and has no cookies of one.
    """
    if connection.scope["method"] in _SAFE_METHODS:  # type: ignore[typeddict-item]  # of HTTP
        return
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    host = connection.headers.get("host", "")
    if site not in (None, "same-origin", "none") or (
        site is None and origin is not None and authority_of(origin) != host
    ):
        raise PermissionDeniedException("Another site asked for this.")
