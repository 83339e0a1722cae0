"""The checks that every request shares. A producer that asks for what inventory must refuse is told so at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.limits import MAX_QUANTITY, MAX_TEXT

if TYPE_CHECKING:
    from producers.errors import InvalidRequestError


def require_text(error: type[InvalidRequestError], name: str, text: str) -> None:
    """Raise `error` unless `text` is one that may become a key or an id."""
    if not text or len(text) > MAX_TEXT or not text.isprintable():
        raise error(f"{name} is {text[:MAX_TEXT]!r}; give 1 to {MAX_TEXT} printable characters")


def require_quantity(error: type[InvalidRequestError], name: str, quantity: int) -> None:
    """Raise `error` unless `quantity` is a number of units that one command may carry."""
    if not 0 < quantity <= MAX_QUANTITY:
        raise error(f"{name} is {quantity}; give 1 to {MAX_QUANTITY:,} whole units")
