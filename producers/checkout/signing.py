"""Texts that come back as they were given out: signed with HMAC-SHA256, each for one purpose."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_DIGEST_BYTES: Final = 32
MAX_TOKEN: Final = 64_000
"""Characters of the longest token that is looked at."""


class Signer:
    """Signs with one secret, which all processes of a shop share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, purpose: str, payload: bytes) -> str:
        """Return a token that holds the payload, for everybody to read and for nobody else to make."""
        return base64.urlsafe_b64encode(self._digest(purpose, payload) + payload).decode().rstrip("=")

    def opened(self, purpose: str, token: str) -> bytes | None:
        """Return the payload of a token that was signed here for this purpose; None for anything else."""
        if len(token) > MAX_TOKEN:
            return None
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (binascii.Error, UnicodeEncodeError):
            return None
        digest, payload = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        return payload if hmac.compare_digest(digest, self._digest(purpose, payload)) else None

    def _digest(self, purpose: str, payload: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + payload, hashlib.sha256)
