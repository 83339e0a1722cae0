"""What must be true of inventory's rows by themselves: levels, holds and movements of one partition."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.inventory.state import RETURN, SHIPMENT, HoldState

if TYPE_CHECKING:
    from infra.ops.audit.report import Tallies, Tally
    from infra.ops.audit.rows import InventoryRows, StockRow


_COUNTED: Final = frozenset({HoldState.HELD, HoldState.COMMITTED, HoldState.SHIPPED})
_AWAY_AND_BACK: Final = frozenset({SHIPMENT, RETURN})
"""Movements by orders; all others bring units in or take them out for good."""


class _Sums(NamedTuple):
    """Units by SKU, from the rows that a level sums up; `brought` leaves out what orders moved."""

    moved: Counter[str]
    brought: Counter[str]
    quarantined: Counter[str]
    held: Counter[str]
    committed: Counter[str]
    shipped: Counter[str]


def check_stock(rows: InventoryRows, tallies: Tallies) -> None:
    """Check every level against its bounds, its holds and its movements, and every count against its holds."""
    sums = _sums(rows)
    for row in rows.stock:
        _check_bounds(row, tallies["stock_within_bounds"])
        _check_sums(row, sums, tallies["on_hand_is_the_sum_of_movements"])
    _check_counts(rows, tallies["on_hand_is_the_sum_of_movements"])
    _check_nothing_lost(rows, sums, tallies["nothing_oversold"])
    tallies["each_command_took_effect_once"].count(movements=len(rows.movements), holds=len(rows.holds))


def _sums(rows: InventoryRows) -> _Sums:
    sums = _Sums(*(Counter() for _ in _Sums._fields))
    for balance in rows.balances:
        sums.moved[balance.sku] += balance.on_hand
        sums.quarantined[balance.sku] += balance.quarantined
        sums.brought[balance.sku] += balance.brought
        sums.shipped[balance.sku] += balance.shipped
    for movement in rows.movements:
        sums.moved[movement.sku] += movement.quantity
        sums.quarantined[movement.sku] += movement.quarantined
        if movement.kind not in _AWAY_AND_BACK:
            sums.brought[movement.sku] += movement.quantity
    by_state = {HoldState.HELD: sums.held, HoldState.COMMITTED: sums.committed, HoldState.SHIPPED: sums.shipped}
    for hold in rows.holds:
        if (units := by_state.get(HoldState(hold.state))) is not None:
            units[hold.sku] += hold.quantity
    return sums


def _check_bounds(row: StockRow, tally: Tally) -> None:
    tally.count(skus=1)
    parts = (row.reserved, row.allocated, row.quarantined)
    if min(parts) < 0 or sum(parts) > row.on_hand:
        tally.breach(
            f"{row.sku}: {row.reserved} reserved, {row.allocated} allocated and {row.quarantined} quarantined of "
            f"{row.on_hand} on hand"
        )
    if row.is_retired and row.on_hand:
        tally.breach(f"{row.sku} is retired, but {row.on_hand} units are on hand")


def _check_sums(row: StockRow, sums: _Sums, tally: Tally) -> None:
    for name, level, total, source in (
        ("on_hand", row.on_hand, sums.moved[row.sku], "movements"),
        ("quarantined", row.quarantined, sums.quarantined[row.sku], "movements"),
        ("reserved", row.reserved, sums.held[row.sku], "holds that are held"),
        ("allocated", row.allocated, sums.committed[row.sku], "holds that are committed"),
    ):
        if level != total:
            tally.breach(f"{row.sku}: {name} is {level}, its {source} sum up to {total}")
    tally.count(on_hand=row.on_hand, reserved=row.reserved, allocated=row.allocated, quarantined=row.quarantined)


def _check_counts(rows: InventoryRows, tally: Tally) -> None:
    """Check that a purchase limit has counted what its customers hold and bought, and nothing else."""
    bought: Counter[tuple[str, str]] = Counter(rows.carried)
    for hold in rows.holds:
        if hold.buyer is not None and HoldState(hold.state) in _COUNTED:
            bought[hold.sku, hold.buyer] += hold.quantity
    counted = {(row.sku, row.customer_id): row.units for row in rows.purchases}
    tally.count(counted_by_limits=sum(counted.values()))
    for sku, customer_id in sorted(counted.keys() | bought.keys()):
        units, should = counted.get((sku, customer_id), 0), bought[sku, customer_id]
        if units != should:
            tally.breach(f"{sku}: a limit has counted {units} of one customer, whose holds sum up to {should}")


def _check_nothing_lost(rows: InventoryRows, sums: _Sums, tally: Tally) -> None:
    """Sold + held + quarantined + available must be what came in; each term is counted from another kind of row."""
    available = {row.sku: row.on_hand - row.reserved - row.allocated - row.quarantined for row in rows.stock}
    for sku in sorted(available.keys() | sums.moved.keys() | sums.held.keys() | sums.committed.keys()):
        received, held, sold = sums.brought[sku], sums.held[sku], sums.committed[sku] + sums.shipped[sku]
        quarantined = sums.quarantined[sku]
        oversold = max(0, sold + held + quarantined - received)
        tally.count(
            units_received=received,
            units_sold=sold,
            units_held=held,
            units_available=available.get(sku, 0),
            units_quarantined=quarantined,
            oversold_units=oversold,
        )
        if oversold:
            tally.breach(f"{sku}: {sold} units sold, {held} held and {quarantined} quarantined, {received} received")
        elif (lost := received - sold - held - quarantined - available.get(sku, 0)) != 0:
            tally.breach(
                f"{sku}: of {received} units received {lost} are neither sold, held, quarantined nor available"
            )
