"""Messages in words, for the people who read a report. Never a payment token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.codec.wire import decode
from schemas.errors import DecodeError

if TYPE_CHECKING:
    from schemas.messages import Message

_SECRET: Final = frozenset({"payment_token", "customer_id"})
_FIRST_BYTES: Final = 16


def redacted(value: bytes | None) -> str:
    """Return the message in a Kafka value in words, or its first bytes where it cannot be read."""
    try:
        message = decode(value)
    except DecodeError as error:
        return f"{(value or b'')[:_FIRST_BYTES].hex()}... ({error.reason})"
    fields = ", ".join(f"{name}={field}" for name, field in public_fields(message).items())
    return f"{type(message).__name__}({fields})"


def public_fields(message: Message) -> dict[str, Any]:
    """Return a message's fields that may be shown, with bytes as text."""
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in msgspec.structs.asdict(message).items()
        if name not in _SECRET and not isinstance(value, dict)
    }
