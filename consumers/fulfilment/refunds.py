"""What a line's money goes back under: once for each line, whatever the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas import messages as m

if TYPE_CHECKING:
    from consumers.fulfilment.state import Line
    from schemas.messages import Message

_OF_A_LINE: Final = "line:"


def refund(order_id: str, number: int, line: Line, reason: str, *, is_captured: bool = False) -> list[Message]:
    """Give back what was paid for a line, unless that was done, or nothing was paid."""
    if line.is_refunded or not line.amount_minor or not (line.is_captured or is_captured):
        return []
    return [m.RefundRequested(order_id, f"{_OF_A_LINE}{number}", line.amount_minor, reason)]


def line_of_refund(refund_id: str) -> int:
    """Return the line that a refund is of."""
    return int(refund_id.removeprefix(_OF_A_LINE))
