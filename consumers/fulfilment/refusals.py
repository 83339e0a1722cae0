"""How a command about a fulfilment is refused, and what its list of lines may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.errors import RefusedError
from schemas import messages as m

if TYPE_CHECKING:
    from schemas.messages import Message


def refused(command: Message, reason: str) -> m.OrderCommandRefused:
    """Answer a command that changes nothing, with the reason."""
    order_id: str = command.order_id  # type: ignore[attr-defined]  # every command about an order has one
    reference = getattr(command, "shipment_id", "") or getattr(command, "return_id", "")
    return m.OrderCommandRefused(order_id, type(command).__name__, reference, reason)


def named_lines(asked: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lines that a command names, by number. Raises RefusedError where it names one twice."""
    lines = tuple(sorted(asked))
    if len(set(lines)) < len(lines):
        raise RefusedError("invalid_lines", "a line is named twice; name each once, or none for all of them")
    return lines
