"""Loads what a batch of commands needs, and lists what it changed: set-based, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.inventory.decide import MAX_EXPIRIES
from consumers.inventory.ledger import Hold, HoldKey, HoldState, Ledger, Stock
from consumers.runtime.room import Changes
from consumers.runtime.sql import columns, load_queries
from schemas import messages as m
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.inventory")
_BY_LINE: Final = (m.ReleaseLine, m.CommitLine, m.ReturnLine)


async def load(
    connection: asyncpg.Connection, loads: Sequence[tuple[Ledger, Sequence[Message]]], *, thorough: bool
) -> None:
    """Bring in the levels, holds and command ids that these messages touch and memory lacks.

    A first PlaceOrderLine has no hold yet, so none is looked for where the stock is plenty: a duplicate then tries to
    insert its hold again, and the unique violation brings us back here, `thorough`. Where the stock is scarce a
    duplicate would be rejected instead, without a violation, so there its hold is looked for at once.
    """
    looked_up = (*_BY_LINE, m.PlaceOrderLine) if thorough else _BY_LINE
    skus: dict[str, Ledger] = {}
    keys: dict[HoldKey, Ledger] = {}
    commands: dict[tuple[str, str], Ledger] = {}
    for ledger, messages in loads:
        for message in messages:
            if isinstance(message, m.ExpireHolds):
                await _load_due(connection, ledger, message)
                continue
            if message.sku not in ledger.stocks:  # type: ignore[attr-defined]  # every other command has one
                skus[message.sku] = ledger  # type: ignore[attr-defined]
            if isinstance(message, looked_up) and (key := _key(message)) not in ledger.holds:
                keys[key] = ledger
            elif isinstance(message, m.ReceiveStock):
                commands[message.command_id, message.sku] = ledger
    await _load_holds(connection, keys, skus)
    await _load_stock(connection, skus)
    await _load_commands(connection, commands)
    if not thorough:
        await _load_holds(connection, _placed_where_scarce(loads), skus)


def _placed_where_scarce(loads: Sequence[tuple[Ledger, Sequence[Message]]]) -> dict[HoldKey, Ledger]:
    """Return the holds of the PlaceOrderLines that this batch may reject: all it wants of a SKU exceeds what is there."""
    wanted: dict[str, int] = {}
    for ledger, messages in loads:
        for message in messages:
            if isinstance(message, m.PlaceOrderLine):
                wanted[message.sku] = wanted.get(message.sku, 0) + max(message.demand, message.quantity)
            elif isinstance(message, m.CommitLine):
                hold = ledger.holds.get(_key(message))
                retakes = hold.quantity if hold is not None and hold.state is HoldState.EXPIRED else 0
                wanted[message.sku] = wanted.get(message.sku, 0) + retakes
    return {
        key: ledger
        for ledger, messages in loads
        for message in messages
        if isinstance(message, m.PlaceOrderLine)
        and wanted[message.sku] > ledger.stock(message.sku).available
        and (key := _key(message)) not in ledger.holds
    }


def _key(message: m.PlaceOrderLine | m.ReleaseLine | m.CommitLine | m.ReturnLine) -> HoldKey:
    return message.order_id, message.line, message.sku


async def load_earliest_expiry(connection: asyncpg.Connection, ledger: Ledger, after_ms: int = -1) -> None:
    """Learn when the next hold of this partition ends (only a hint of when to ask; decisions do not read it)."""
    ledger.earliest_expiry_ms = await connection.fetchval(QUERIES["earliest_expiry"], ledger.partition, after_ms)


async def _load_stock(connection: asyncpg.Connection, skus: dict[str, Ledger]) -> None:
    if not skus:
        return
    for sku, ledger in skus.items():
        ledger.stocks[sku] = Stock()
    for row in await connection.fetch(QUERIES["load_stock"], list(skus)):
        skus[row["sku"]].stocks[row["sku"]] = Stock(row["on_hand"], row["reserved"], row["allocated"], is_stored=True)


async def _load_holds(connection: asyncpg.Connection, keys: dict[HoldKey, Ledger], skus: dict[str, Ledger]) -> None:
    known = [key for key in keys if is_order_id(key[0])]
    if not known:
        return
    order_ids, lines, names = zip(*known, strict=True)
    for row in await connection.fetch(QUERIES["load_holds"], order_ids, lines, names):
        _keep(keys[str(row["order_id"]), row["line"], row["sku"]], row, skus)


async def _load_due(connection: asyncpg.Connection, ledger: Ledger, command: m.ExpireHolds) -> None:
    skus: dict[str, Ledger] = {}
    limit = max(0, min(command.limit, MAX_EXPIRIES))
    rows = await connection.fetch(QUERIES["load_due"], ledger.partition, command.as_of_ms, limit)
    for row in rows:
        _keep(ledger, row, skus)
    await _load_stock(connection, skus)
    if len(rows) < limit:
        await load_earliest_expiry(connection, ledger, command.as_of_ms)
    ledger.reminded_at_ms = 0


async def _load_commands(connection: asyncpg.Connection, commands: dict[tuple[str, str], Ledger]) -> None:
    unseen = [command for command, ledger in commands.items() if command not in ledger.commands]
    if not unseen:
        return
    for row in await connection.fetch(QUERIES["load_commands"], *zip(*unseen, strict=True)):
        command = (row["command_id"], row["sku"])
        commands[command].commands.add(command)


def _keep(ledger: Ledger, row: asyncpg.Record, skus: dict[str, Ledger]) -> None:
    key = (str(row["order_id"]), row["line"], row["sku"])
    if key in ledger.holds:
        return
    hold = ledger.holds[key] = Hold(row["quantity"], HoldState(row["state"]), row["expires_at_ms"])
    if hold.state is HoldState.HELD:
        ledger.held.add(key)
    if row["sku"] not in ledger.stocks:
        skus[row["sku"]] = ledger


def changes(ledger: Ledger, at_ms: int) -> Changes:
    """Return the batch's changes as columns for `save`, and the latest level of each SKU it touched."""
    partition = ledger.partition
    placed = [(*key, partition, *_fields(ledger.holds[key])) for key in ledger.new_holds]
    turned = [(*key, int(ledger.holds[key].state)) for key in ledger.changed_holds]
    stocked, levelled, levels = [], [], []
    for sku, (on_hand, reserved, allocated) in ledger.before.items():
        stock = ledger.stocks[sku]
        if stock.is_stored:
            levelled.append((sku, stock.on_hand - on_hand, stock.reserved - reserved, stock.allocated - allocated))
        else:
            stocked.append((sku, partition, stock.on_hand, stock.reserved, stock.allocated))
            stock.is_stored = True
        levels.append(m.StockLevel(sku, stock.on_hand, stock.reserved, stock.allocated, stock.available, at_ms))
    moved = [(it.command_id, it.sku, partition, "receipt", it.quantity, at) for it, at in ledger.received]
    ledger.begin_batch()
    return Changes(
        (*columns(placed, 7), *columns(turned, 4), *columns(stocked, 5), *columns(levelled, 4), *columns(moved, 6)),
        records=levels,
    )


def _fields(hold: Hold) -> tuple[int, int, int]:
    return hold.quantity, int(hold.state), hold.expires_at_ms
