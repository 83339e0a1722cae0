"""What a text must be before it becomes part of stock's keys."""

from __future__ import annotations

from consumers.errors import RefusedError
from schemas.limits import MAX_TEXT


def require_text(*texts: str) -> None:
    """Raise RefusedError for a text that is empty, too long or not printable."""
    together = "".join(texts)
    if len(together) <= MAX_TEXT and all(texts) and together.isprintable():
        return
    for text in texts:
        if not text or len(text) > MAX_TEXT or not text.isprintable():
            raise RefusedError("invalid_text", f"{text[:MAX_TEXT]!r}: send 1 to {MAX_TEXT} printable characters")
