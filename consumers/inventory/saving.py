"""What a batch changes, as the columns of `save`, and the levels that it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from consumers.inventory.parking import stored
from consumers.inventory.state import Ledger, Stock
from consumers.runtime.postgres.sql import columns
from consumers.runtime.room import Changes, Tombstone
from schemas import messages as m
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    pass


def changes(ledger: Ledger, at_ms: int) -> Changes:
    """Return the batch's changes as columns for `save`, and the latest level of each SKU it touched."""
    partition = ledger.partition
    placed = _placed(ledger)
    updated_holds = [(*key, int(hold.state)) for key, hold in ledger.changed_holds.items()]
    stocked: list[tuple[Any, ...]] = []
    levelled: list[tuple[Any, ...]] = []
    levels: list[m.StockLevel | Tombstone] = []
    for sku, before in ledger.before.items():
        stock = ledger.stocks[sku]
        level = (stock.on_hand, stock.reserved, stock.allocated, stock.quarantined)
        rules = (stock.purchase_limit, stock.is_suspended, stock.is_retired, stored(stock.parking))
        if stock.is_stored:
            levelled.append((sku, *(now - then for now, then in zip(level, before, strict=True)), *rules))
        else:
            stocked.append((sku, partition, *level, *rules))
            stock.is_stored = True
        levels.append(_level_of(sku, stock, at_ms))
    moved = [
        (uuid, command_id, sku, partition, *rest)
        for uuid, command_id, sku, *rest in map(msgspec.structs.astuple, ledger.movements)
    ]
    counted = [(*buyer, partition, units) for buyer, units in ledger.purchase_changes.items() if units]
    ledger.begin_batch()
    rows = ((updated_holds, 4), (stocked, 10), (levelled, 9), (moved, 11), (counted, 4))
    return Changes(placed + tuple(column for part, width in rows for column in columns(part, width)), records=levels)


def _level_of(sku: str, stock: Stock, at_ms: int) -> m.StockLevel | Tombstone:
    if stock.is_retired:
        return Tombstone(STOCK_LEVELS.name, sku.encode())
    return m.StockLevel(sku, stock.on_hand, stock.reserved, stock.allocated, stock.available, at_ms, stock.quarantined)


def _placed(ledger: Ledger) -> tuple[list[Any], ...]:
    """Return the new holds' columns one by one: most of a batch is here, and a tuple a row would double the work."""
    order_ids, lines, skus = columns(list(ledger.new_holds), 3)
    holds = ledger.new_holds.values()
    return (
        order_ids,
        lines,
        skus,
        [ledger.partition] * len(holds),
        [hold.quantity for hold in holds],
        [int(hold.state) for hold in holds],
        [hold.expires_at_ms for hold in holds],
        [hold.buyer or None for hold in holds],
        [hold.cart or None for hold in holds],
    )
