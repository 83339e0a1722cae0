"""Refuses what is malformed before it is decided on: the rules of schemas/validation.py as a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.errors import RefusedError
from schemas.ids import is_order_id
from schemas.texts import find_identifier_fault
from schemas.validation import find_fault

if TYPE_CHECKING:
    from schemas.messages import Message


def require_valid(message: Message) -> None:
    """Raise RefusedError for a command from outside that is malformed."""
    if (fault := find_fault(message)) is not None:
        raise RefusedError(*fault)


def require_identifier(name: str, text: str) -> None:
    """Raise RefusedError for a text that could be taken for another, and name the character at fault."""
    if (fault := find_identifier_fault(text)) is not None:
        raise RefusedError("invalid_text", f"{name} {text[:64]!r} {fault}")


def require_order_id(text: str) -> None:
    """Raise RefusedError for what is no order id."""
    if not is_order_id(text):
        raise RefusedError("invalid_order_id", f"{text!r} is no UUIDv7 in canonical form")
