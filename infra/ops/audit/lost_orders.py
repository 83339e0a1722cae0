"""Orders that a dead letter placed and that nobody has decided about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.inventory.parking import PARKED, Parking, read_place, read_stored
from infra.ops.audit.outputs import placed_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.ops.audit.report import Tally
    from infra.ops.audit.retention import DroppedWeeks
    from infra.ops.audit.rows import StockRow
    from schemas.messages import DeadLetter


class LostOrders:
    """Candidates are the orders of dead letters; each that has a row is none, nor one that waits for a parked SKU."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self._parked: dict[str, Parking] = {}

    def add(self, letter: DeadLetter) -> None:
        """Take in a dead letter; the first one that placed an order is the one that is named."""
        if (placed := placed_by(letter)) is not None:
            self._letters.setdefault(placed.order_id, letter)

    def exclude(self, order_id: str) -> None:
        """Note that the order was decided."""
        self._letters.pop(order_id, None)

    def follow(self, rows: Iterable[StockRow]) -> None:
        """Take in which SKUs are parked."""
        self._parked |= {row.sku: parking for row in rows if (parking := read_stored(row.parking)) is not None}

    def _waits(self, letter: DeadLetter) -> bool:
        parking = self._parked.get((letter.key or b"").decode(errors="replace"))
        place = read_place(letter.detail) if letter.reason == PARKED else None
        return parking is not None and place is not None and place[1] == parking.by and place[0] > parking.released

    def report(self, dropped: DroppedWeeks, tally: Tally) -> None:
        """Name each lost order that is not of a dropped week."""
        for order_id, letter in self._letters.items():
            if self._waits(letter):
                tally.count(orders_parked=1)
            elif not dropped.covers(order_id):
                tally.count(orders_lost=1)
                where = f"{letter.topic}/{letter.partition}/{letter.offset}"
                tally.breach(f"order {order_id} was never decided: {where} is a dead letter, {letter.detail}")
