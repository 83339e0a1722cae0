"""What the texts of a message must be before a room takes them in."""

from __future__ import annotations

from consumers.errors import RefusedError
from schemas.ids import is_order_id
from schemas.limits import MAX_TEXT


def require_text(*texts: str) -> None:
    """Raise RefusedError for a text that is empty, too long or not printable."""
    together = "".join(texts)
    if len(together) <= MAX_TEXT and all(texts) and together.isprintable():
        return
    for text in texts:
        if not text or len(text) > MAX_TEXT or not text.isprintable():
            raise RefusedError("invalid_text", f"{text[:MAX_TEXT]!r}: send 1 to {MAX_TEXT} printable characters")


def require_order_id(text: str) -> None:
    """Raise RefusedError for what is no order id."""
    if not is_order_id(text):
        raise RefusedError("invalid_order_id", f"{text!r} is no UUIDv7 in canonical form")


def require_words(*texts: str) -> None:
    """Raise RefusedError for a text that is too long or not printable; one that is empty says nothing, which is allowed."""
    require_text(*(text for text in texts if text))
