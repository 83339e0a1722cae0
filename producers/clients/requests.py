"""The check that every request shares. A producer whose ids inventory must refuse learns so before anything is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.texts import find_identifier_fault

if TYPE_CHECKING:
    from producers.errors import InvalidRequestError


def require_text(error: type[InvalidRequestError], name: str, text: str) -> None:
    """Raise `error` unless `text` is one that may become a key or an id: what is wrong is named with its place."""
    if (fault := find_identifier_fault(text)) is not None:
        raise error(f"{name} {text[:64]!r} {fault}")
