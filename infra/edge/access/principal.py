"""Who a request is from, and why one may be refused."""

from __future__ import annotations

from typing import Final

import msgspec

from infra.edge.access.scopes import SCOPES


class Principal(msgspec.Struct, frozen=True):
    """Whoever asks. `client` is whose idempotency keys and whose share of requests it is; empty where nobody shows who they are.

    `expires_at` is when its key or token ends (s since the epoch), None if never; `digest` is that of an API key.
    """

    client: str
    scopes: frozenset[str]
    expires_at: float | None = None
    digest: bytes | None = None


ANYBODY: Final = Principal("", frozenset(SCOPES))
"""Whoever asks an API on loopback for which neither a key was made nor tokens are configured."""


class AccessError(Exception):
    """A request may not be served; its text is for who sent it."""


class UnknownCallerError(AccessError):
    """The request has no credentials, or ones that are not good (401). `error` is RFC 6750's code, empty where there are none."""

    def __init__(self, detail: str, error: str = "invalid_token") -> None:
        super().__init__(detail)
        self.error = error


class InsecureTransportError(AccessError):
    """Credentials were sent over plain HTTP from another machine (403)."""


class CannotTellError(AccessError):
    """Whether the credentials are good cannot be found out now (503)."""
