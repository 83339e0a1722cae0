"""Orders that a dead letter placed and that nobody has decided about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.ops.audit.outputs import placed_by

if TYPE_CHECKING:
    from infra.ops.audit.report import Tally
    from infra.ops.audit.retention import DroppedWeeks
    from schemas.messages import DeadLetter


class LostOrders:
    """Candidates are the orders of dead letters; each that has a row is none."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}

    def add(self, letter: DeadLetter) -> None:
        """Take in a dead letter; the first one that placed an order is the one that is named."""
        if (placed := placed_by(letter)) is not None:
            self._letters.setdefault(placed.order_id, letter)

    def exclude(self, order_id: str) -> None:
        """Note that the order was decided."""
        self._letters.pop(order_id, None)

    def report(self, dropped: DroppedWeeks, tally: Tally) -> None:
        """Name each lost order that is not of a dropped week."""
        for order_id, letter in self._letters.items():
            if not dropped.covers(order_id):
                tally.count(orders_lost=1)
                where = f"{letter.topic}/{letter.partition}/{letter.offset}"
                tally.breach(f"order {order_id} was never decided: {where} is a dead letter, {letter.detail}")
