"""What must be true of inventory's rows by themselves: levels, holds and movements of one partition."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from consumers.inventory.ledger import HoldState

if TYPE_CHECKING:
    from infra.verify.report import Tallies, Tally
    from infra.verify.rows import InventoryRows, StockRow


class _Sums(NamedTuple):
    """Units by SKU, from the rows that a level sums up."""

    moved: Counter[str]
    held: Counter[str]
    committed: Counter[str]


def check_stock(rows: InventoryRows, tallies: Tallies) -> None:
    """Check every level against its bounds, its holds and its movements."""
    sums = _Sums(Counter(), Counter(), Counter())
    for movement in rows.movements:
        sums.moved[movement.sku] += movement.quantity
    for hold in rows.holds:
        if hold.state == HoldState.HELD:
            sums.held[hold.sku] += hold.quantity
        elif hold.state == HoldState.COMMITTED:
            sums.committed[hold.sku] += hold.quantity
    for row in rows.stock:
        _check_bounds(row, tallies["stock_within_bounds"])
        _check_sums(row, sums, tallies["on_hand_is_the_sum_of_movements"])
    _check_nothing_lost(rows, sums, tallies["nothing_oversold"])
    tallies["each_command_took_effect_once"].count(movements=len(rows.movements), holds=len(rows.holds))


def _check_bounds(row: StockRow, tally: Tally) -> None:
    tally.count(skus=1)
    if row.reserved < 0 or row.allocated < 0 or row.reserved + row.allocated > row.on_hand:
        tally.breach(f"{row.sku}: {row.reserved} reserved and {row.allocated} allocated of {row.on_hand} on hand")


def _check_sums(row: StockRow, sums: _Sums, tally: Tally) -> None:
    for name, level, total, source in (
        ("on_hand", row.on_hand, sums.moved[row.sku], "movements"),
        ("reserved", row.reserved, sums.held[row.sku], "holds that are held"),
        ("allocated", row.allocated, sums.committed[row.sku], "holds that are committed"),
    ):
        if level != total:
            tally.breach(f"{row.sku}: {name} is {level}, its {source} sum up to {total}")
    tally.count(on_hand=row.on_hand, reserved=row.reserved, allocated=row.allocated)


def _check_nothing_lost(rows: InventoryRows, sums: _Sums, tally: Tally) -> None:
    """Sold + held + available must be what came in; each term is counted from another kind of row."""
    available = {row.sku: row.on_hand - row.reserved - row.allocated for row in rows.stock}
    for sku in sorted(available.keys() | sums.moved.keys() | sums.held.keys() | sums.committed.keys()):
        received, held, sold = sums.moved[sku], sums.held[sku], sums.committed[sku]
        oversold = max(0, sold + held - received)
        tally.count(
            units_received=received,
            units_sold=sold,
            units_held=held,
            units_available=available.get(sku, 0),
            oversold_units=oversold,
        )
        if oversold:
            tally.breach(f"{sku}: {sold} units sold and {held} held, {received} received")
        elif (lost := received - sold - held - available.get(sku, 0)) != 0:
            tally.breach(f"{sku}: of {received} units received {lost} are neither sold, held nor available")
