"""An API key as text: `lastunit_`, 32 random bytes, and a checksum, so that secret scanners know one and a mistyped one costs nothing.

The random bytes are 43 base62 digits, the checksum is the CRC-32 (as in zlib) of these digits, 6 base62 digits, as GitHub has it
("Behind GitHub's new authentication token formats", 2021). A scanner looks for `lastunit_[0-9A-Za-z]{49}`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

PREFIX: Final = "lastunit_"
PATTERN: Final = re.compile(r"lastunit_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", re.ASCII)
KEY_BYTES: Final = 32
HINT_LENGTH: Final = len(PREFIX) + 4
"""So many characters of a key are kept beside its digest, for whoever finds one and asks whose it is."""
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_DIGITS: Final = 43
_CHECK_DIGITS: Final = 6


def new_key() -> str:
    """Return a new key."""
    secret = _base62(int.from_bytes(secrets.token_bytes(KEY_BYTES)), _SECRET_DIGITS)
    return f"{PREFIX}{secret}{_checksum(secret)}"


def is_key(text: str) -> bool:
    """Return whether a text is a key by its form and its checksum; whether it is anybody's is another question."""
    match = PATTERN.fullmatch(text)
    return match is not None and _checksum(match[1]) == match[2]


def digest_of(key: str) -> bytes:
    """Return what is kept of a key: its SHA-256. A slow hash protects what can be guessed, and 256 random bits cannot."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    encoded = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        encoded.append(_DIGITS[digit])
    return "".join(reversed(encoded))
