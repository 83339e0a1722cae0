"""Who may see the console, and who may act: by a key of the HTTP API, shown once for a session.

A viewer sees every page; an operator may act as well. On loopback everybody is a viewer, and nobody an operator without a key,
since what is done is noted with who did it. A session lives in this process, for `SESSION_SECONDS` at most, and ends with its key.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from infra.edge.access.principal import ANYBODY, AccessError, Principal, UnknownCallerError
from infra.edge.access.scopes import CONSOLE_OPERATE, CONSOLE_READ
from infra.edge.access.transport import sender_of

if TYPE_CHECKING:
    from infra.edge.access.authentication import Authentication

log = structlog.get_logger()

SESSION_SECONDS: Final = 8 * 3600
MAX_SESSIONS: Final = 1_000
"""Sessions beyond which the oldest ends."""
COOKIE: Final = "lastunit_console"
_MAKE_ONE: Final = "`lastunit keys create NAME --scope console:read --scope console:operate` makes one"


class Session(msgspec.Struct, frozen=True):
    """Somebody who has signed in. `token` goes into each form that changes something; `ends_at` is in s since the epoch."""

    principal: Principal
    token: str
    ends_at: float


class Visitor(msgspec.Struct, frozen=True):
    """Whoever asks for a page; `session` is None for whoever has not signed in."""

    session: Session | None = None
    principal: Principal | None = None

    @property
    def name(self) -> str:
        """The client of the key or token; empty where nobody has shown one."""
        return self.principal.client if self.principal else ""

    @property
    def may_act(self) -> bool:
        """Whether this is an operator: only in a session, whose token a page of somebody else's cannot know."""
        return self.session is not None and CONSOLE_OPERATE in self.session.principal.scopes

    @property
    def role(self) -> str:
        """What the pages call it."""
        return "operator" if self.may_act else "viewer"


class Gate:
    """Admits visitors. `is_for_this_machine`: nobody from elsewhere reaches the console, so reading needs no key."""

    def __init__(self, authentication: Authentication, *, is_for_this_machine: bool) -> None:
        self.is_for_this_machine = is_for_this_machine
        self._authentication = authentication
        self._sessions: dict[str, Session] = {}

    async def visitor(self, scope: dict[str, Any], headers: dict[bytes, bytes], session_id: str) -> Visitor | None:
        """Return who asks; None where it has to sign in first. Raises AccessError for an Authorization that is not good."""
        session = self._sessions.get(session_id)
        if session is not None and self._holds(session):
            return Visitor(session, session.principal)
        if b"authorization" in headers:
            principal = await self._authentication.admit(scope, headers)
            if CONSOLE_READ in principal.scopes:
                return Visitor(principal=principal)
        return Visitor() if self.is_for_this_machine else None

    def still_admits(self, visitor: Visitor) -> bool:
        """Return whether a visitor would be admitted still: a page that follows the system ends with its key."""
        if visitor.session is not None:
            return self._holds(visitor.session)
        return visitor.principal is None or self._authentication.still_admits(visitor.principal)

    async def sign_in(self, scope: dict[str, Any], key: str) -> str:
        """Return the id of a new session for whoever has this key or token. Raises AccessError."""
        try:
            principal = await self._authentication.admit(scope, {b"authorization": b"Bearer " + key.strip().encode()})
            if principal is ANYBODY:
                raise UnknownCallerError(f"This is no key that was made here; {_MAKE_ONE}.")
            if CONSOLE_READ not in principal.scopes:
                raise UnknownCallerError(f"This key lacks the scope {CONSOLE_READ}; {_MAKE_ONE}.")
        except AccessError as error:
            log.warning("console_sign_in_refused", sender=sender_of(scope), error=str(error))
            raise
        session_id = secrets.token_urlsafe(32)
        self._sessions = {known: session for known, session in self._sessions.items() if session.ends_at > time.time()}
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[session_id] = Session(principal, secrets.token_urlsafe(32), time.time() + SESSION_SECONDS)
        log.info("console_signed_in", client=principal.client, may_act=CONSOLE_OPERATE in principal.scopes)
        return session_id

    def sign_out(self, session_id: str) -> None:
        """End a session."""
        self._sessions.pop(session_id, None)

    def _holds(self, session: Session) -> bool:
        return session.ends_at > time.time() and self._authentication.still_admits(session.principal)
