"""What maintenance dropped: rows of whole weeks, which an audit leaves out on both sides, and what they must sum up to."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from consumers.inventory.state import RETURN, SHIPMENT, HoldState
from infra.base.weekly.ahead import FEW_WEEKS
from infra.ops.audit.rows import AttemptRow, BalanceRow, FulfilmentRow, HoldRow, MovementRow, OrderRow, PaymentRow
from schemas.ids import is_order_id, order_id_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from infra.ops.audit.report import Tally
    from infra.ops.audit.rows import InventoryRows

_ROWS_OF_A_WEEK: Final = (HoldRow, MovementRow, OrderRow, PaymentRow, AttemptRow, FulfilmentRow)


class DroppedWeeks:
    """Spans of time (from, until; ms since the epoch, in order, apart): what has an id of them was dropped."""

    def __init__(self, spans: Sequence[tuple[int, int]] = ()) -> None:
        self.spans = list(spans)
        self._begins = [begin for begin, _ in self.spans]

    def covers(self, uuid: str) -> bool:
        """Return whether the rows of this id were dropped; what has no UUIDv7 never is."""
        if not self.spans or not is_order_id(uuid):
            return False
        made_ms = order_id_ms(uuid)
        place = bisect_right(self._begins, made_ms) - 1
        return place >= 0 and made_ms < self.spans[place][1]

    def split(self, tables: Mapping[str, Iterable[Any]]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """Return tables without the rows that were dropped, and tables of these."""
        kept: dict[str, list[Any]] = {}
        gone: dict[str, list[Any]] = {}
        for name, rows in tables.items():
            kept[name], gone[name] = [], []
            for row in rows:
                (gone if self._has_row(row) else kept)[name].append(row)
        return kept, gone

    def _has_row(self, row: Any) -> bool:
        if not isinstance(row, _ROWS_OF_A_WEEK):
            return False
        return self.covers(row.id if isinstance(row, MovementRow) else row.order_id)


def check_balances(gone: Mapping[str, Sequence[Any]], rows: InventoryRows, tally: Tally) -> None:
    """Check that what stands for dropped rows is what the log gives for them, and that none of them was live."""
    expected: dict[str, Counter[str]] = {name: Counter() for name in BalanceRow._fields[1:]}
    for movement in gone["movements"]:
        expected["on_hand"][movement.sku] += movement.quantity
        expected["quarantined"][movement.sku] += movement.quarantined
        if movement.kind not in (SHIPMENT, RETURN):
            expected["brought"][movement.sku] += movement.quantity
    for hold in gone["holds"]:
        if hold.state in (HoldState.HELD, HoldState.COMMITTED):
            tally.breach(f"the hold {hold.order_id} {hold.line} {hold.sku} was dropped while it had stock")
        if hold.state == HoldState.SHIPPED:
            expected["shipped"][hold.sku] += hold.quantity
    for name, sums in expected.items():
        stored = {row.sku: getattr(row, name) for row in rows.balances}
        for sku in sorted(stored.keys() | sums.keys()):
            if stored.get(sku, 0) != sums[sku]:
                tally.breach(f"{sku}: {name} of what was dropped is {stored.get(sku, 0)}, the log gives {sums[sku]}")
    tally.count(dropped_movements=len(gone["movements"]))


def check_weeks_ahead(ahead: int, dropped: DroppedWeeks, tally: Tally) -> None:
    """Warn where few weeks ahead have partitions: maintenance makes them."""
    tally.count(weeks_ahead=ahead, dropped_spans=len(dropped.spans))
    if ahead < FEW_WEEKS:
        tally.example(f"{ahead} weeks ahead have partitions: maintenance has not run, `lastunit maintenance run`")
