"""What a line's money goes back under: once for each line, whatever the reason, and no more than is left. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas import messages as m
from schemas.ids import OF_A_LINE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from consumers.fulfilment.state import Fulfilment
    from schemas.messages import Message

GIVEN_BEFORE: Final = "given_before"


def refunds(
    fulfilment: Fulfilment, numbers: Iterable[int], reason: str, *, captured: Collection[int] = ()
) -> list[Message]:
    """Give back what was paid for lines, unless that was done. The money of `captured` lines has come in just now.

    What went back at the processor without us is not there for them any more. Neither is what a RefundOrder gave back, but
    that is for payments to see.
    """
    outcomes: list[Message] = []
    left_minor = _left_minor(fulfilment, captured)
    for number in numbers:
        line = fulfilment.lines[number]
        if line.is_refunded or not line.amount_minor or not (line.is_captured or number in captured):
            continue
        refund_id = f"{OF_A_LINE}{number}"
        back_minor = max(0, min(line.amount_minor, left_minor))
        left_minor -= back_minor
        if back_minor < line.amount_minor:
            outcomes.append(
                m.RefundReduced(fulfilment.order_id, refund_id, line.amount_minor, back_minor, GIVEN_BEFORE)
            )
        if back_minor:
            outcomes.append(m.RefundRequested(fulfilment.order_id, refund_id, back_minor, reason))
    return outcomes


def line_of_refund(refund_id: str) -> int:
    """Return the line that a refund is of."""
    return int(refund_id.removeprefix(OF_A_LINE))


def _left_minor(fulfilment: Fulfilment, captured: Collection[int]) -> int:
    paid = ((n, line) for n, line in fulfilment.lines.items() if line.is_captured or n in captured)
    left = sum(line.amount_minor for _, line in paid if not line.is_refunded)
    return left - max(0, fulfilment.gone_minor)
