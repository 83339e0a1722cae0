"""Loads what a batch of commands needs: set-based, a batch at a time. What it changed, saving.py lists.

Decisions: docs/decisions, 014, 020.
"""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from consumers.inventory.decide import MAX_EXPIRIES
from consumers.inventory.parking import read_stored, sku_in
from consumers.inventory.runs import units_by_sku
from consumers.inventory.state import Buyer, Cart, Hold, HoldKey, HoldState, Ledger, LedgerEntry, Stock, cart_owner
from consumers.runtime.postgres.sql import array_literal, load_queries
from consumers.runtime.room import Tombstone
from schemas import messages as m
from schemas.ids import command_uuid, is_order_id
from schemas.limits import MAX_TEXT_BYTES
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.inventory", arrays_as_text=True)
_BY_COMMAND: Final = frozenset(m.SKU_COMMANDS)
_FIRST_LINES: Final = {m.PlaceOrderLine}
_sku: Final = attrgetter("sku")
_cart_id: Final = attrgetter("cart_id")
_wanted: Final = attrgetter("sku", "quantity", "demand")
_RESTRICTING: Final = (m.AdjustStock, m.SetPurchaseLimit, m.SuspendSale, m.RetireSku, m.ParkSku)
"""What may stand between a customer and units that are there, or take them away."""


class _Lacks(msgspec.Struct):
    """What memory lacks, and whose memory: SKUs' levels, and counts of buyers whose holds are in memory."""

    skus: dict[str, Ledger] = msgspec.field(default_factory=dict)
    buyers: dict[Buyer, Ledger] = msgspec.field(default_factory=dict)


async def load(
    connection: asyncpg.Connection, loads: Sequence[tuple[Ledger, Sequence[Message]]], *, thorough: bool
) -> None:
    """Bring in what these messages touch and memory lacks.

    A first PlaceOrderLine has no hold yet, so none is looked for where the stock is plenty: a duplicate then tries to
    insert its hold again, and the unique violation brings us back here, `thorough`. Where a line may be rejected, a
    duplicate would be rejected without a violation, so there its hold is looked for at once.
    """
    lacks = _Lacks()
    keys: dict[HoldKey, Ledger] = {}
    commands: dict[tuple[str, str], Ledger] = {}
    carts: dict[Cart, Ledger] = {}
    for ledger, messages in loads:
        if not thorough and set(map(type, messages)) == _FIRST_LINES:  # most batches: no need to look at each command
            _note_first_lines(ledger, cast("Sequence[m.PlaceOrderLine]", messages), lacks, carts)
            continue
        for message in messages:
            kind = type(message)
            if kind is m.ExpireHolds:
                await _load_due(connection, ledger, cast("m.ExpireHolds", message), lacks)
                continue
            command = cast("Any", message)  # each of the others has a SKU
            if command.sku not in ledger.stocks:
                lacks.skus[command.sku] = ledger
            if kind in _BY_COMMAND:
                commands[command.command_id, command.sku] = ledger
                continue
            if (kind is not m.PlaceOrderLine or thorough) and (key := _key(command)) not in ledger.holds:
                keys[key] = ledger
            if kind is m.PlaceOrderLine and command.cart_id:
                carts[_cart(command)] = ledger
    await _load_holds(connection, keys, lacks)
    await _load_carts(connection, carts, lacks)
    await _load_stock(connection, lacks.skus)
    await _load_commands(connection, commands)
    if not thorough:
        await _load_holds(connection, _may_be_rejected(loads), lacks)
    await _load_purchases(connection, loads, lacks.buyers)


def _note_first_lines(
    ledger: Ledger, lines: Sequence[m.PlaceOrderLine], lacks: _Lacks, carts: dict[Cart, Ledger]
) -> None:
    """Note what deciding these lines needs, as long as their holds are not asked for."""
    lacks.skus.update(dict.fromkeys(set(map(_sku, lines)) - ledger.stocks.keys(), ledger))
    if any(map(_cart_id, lines)):
        carts.update({_cart(line): ledger for line in lines if line.cart_id})


def _may_be_rejected(loads: Sequence[tuple[Ledger, Sequence[Message]]]) -> dict[HoldKey, Ledger]:
    """Return the holds of the PlaceOrderLines that this batch may reject.

    That is: where all that the batch wants of a SKU exceeds what is there; where a restriction is in force, or may come
    into force within the batch; and where a later order of the same cart is known.
    """
    holds: dict[HoldKey, Ledger] = {}
    for ledger, messages in loads:
        if not (placed := _placed(messages)):
            continue
        doubtful = _doubtful_skus(ledger, placed, messages)
        latest = _latest_orders(ledger, placed)
        if not doubtful and not latest:
            continue
        for message in placed:
            is_late = bool(message.cart_id) and latest[_cart(message)] > message.order_id
            if (message.sku in doubtful or is_late) and (key := _key(message)) not in ledger.holds:
                holds[key] = ledger
    return holds


def _doubtful_skus(ledger: Ledger, placed: Sequence[m.PlaceOrderLine], messages: Sequence[Message]) -> set[str]:
    """Return the SKUs of which this batch may reject lines, whoever wants them."""
    skus, quantities, demands = zip(*map(_wanted, placed), strict=True)
    # Nonsense is rejected before its hold is asked for; it must not hide how scarce the stock is.
    wanted = units_by_sku(skus, map(max, quantities, demands, repeat(0)))
    doubtful: set[str] = set()
    if len(placed) < len(messages):
        for message in messages:
            if isinstance(message, m.CommitLine):
                hold = ledger.holds.get(_key(message))
                retakes = hold.quantity if hold is not None and hold.state is HoldState.EXPIRED else 0
                wanted[message.sku] = wanted.get(message.sku, 0) + retakes
            elif isinstance(message, _RESTRICTING):
                doubtful.add(message.sku)
    for sku, units in wanted.items():
        stock = ledger.stock(sku)
        if units > stock.available or stock.is_restricted:
            doubtful.add(sku)
    return doubtful


def _latest_orders(ledger: Ledger, placed: Sequence[m.PlaceOrderLine]) -> dict[Cart, str]:
    """Return the latest order that is known of each cart: among these lines, and among what carts hold."""
    latest: dict[Cart, str] = {}
    if not any(map(_cart_id, placed)):
        return latest
    for line in placed:
        if line.cart_id:
            cart = _cart(line)
            held = (key[0] for key in ledger.carts.get(cart, ()))
            latest[cart] = max(latest.get(cart, ""), line.order_id, *held)
    return latest


def _placed(messages: Sequence[Message]) -> Sequence[m.PlaceOrderLine]:
    if set(map(type, messages)) == _FIRST_LINES:
        return cast("Sequence[m.PlaceOrderLine]", messages)
    return [message for message in messages if type(message) is m.PlaceOrderLine]


def _key(message: m.PlaceOrderLine | m.ReleaseLine | m.CommitLine | m.ShipLine | m.ReturnLine) -> HoldKey:
    return message.order_id, message.line, message.sku


def _cart(message: m.PlaceOrderLine) -> Cart:
    return cart_owner(message.customer_id, message.cart_id), message.sku


async def load_earliest_expiry(connection: asyncpg.Connection, ledger: Ledger, after_ms: int = -1) -> None:
    """Learn when the next hold of this partition ends (only a hint of when to ask; decisions do not read it)."""
    ledger.alarm.earliest_ms = await connection.fetchval(QUERIES["earliest_expiry"], ledger.partition, after_ms)


async def _load_stock(connection: asyncpg.Connection, skus: dict[str, Ledger]) -> None:
    if not skus:
        return
    for sku, ledger in skus.items():
        ledger.stocks[sku] = Stock()
    for sku, *level, parking in await connection.fetch(QUERIES["load_stock"], array_literal(list(skus))):
        skus[sku].stocks[sku] = _stored_level(level, parking)
    skus.clear()


async def load_parked(connection: asyncpg.Connection, ledger: Ledger, keys: Sequence[bytes]) -> None:
    """Bring in the levels of those SKUs of this partition, of these keys and not in memory, that are parked or to be."""
    unseen = {sku for key in keys if (sku := sku_in(key)) and len(key) <= MAX_TEXT_BYTES} - ledger.stocks.keys()
    if not unseen:
        return
    for sku, *level, parking in await connection.fetch(
        QUERIES["load_parked"], array_literal(sorted(unseen)), ledger.partition
    ):
        ledger.stocks[sku] = _stored_level(level, parking)


def _stored_level(level: Sequence[Any], parking: str) -> Stock:
    stock = Stock(*level)
    stock.parking = read_stored(parking)
    stock.is_known = stock.is_stored = True
    return stock


async def _load_holds(connection: asyncpg.Connection, keys: dict[HoldKey, Ledger], lacks: _Lacks) -> None:
    known = [key for key in keys if is_order_id(key[0])]
    if not known:
        return
    for row in await connection.fetch(QUERIES["load_holds"], *map(array_literal, zip(*known, strict=True))):
        _keep(keys[str(row["order_id"]), row["line"], row["sku"]], row, lacks)


async def _load_carts(connection: asyncpg.Connection, carts: dict[Cart, Ledger], lacks: _Lacks) -> None:
    """Bring in every line that these carts hold; from then on memory follows them."""
    unknown = {cart: ledger for cart, ledger in carts.items() if cart not in ledger.known_carts}
    if not unknown:
        return
    for row in await connection.fetch(QUERIES["load_carts"], *map(array_literal, zip(*unknown, strict=True))):
        if (ledger := unknown.get((row["cart"], row["sku"]))) is not None:
            _keep(ledger, row, lacks)
    for cart, its_ledger in unknown.items():
        its_ledger.known_carts.add(cart)


async def _load_due(connection: asyncpg.Connection, ledger: Ledger, command: m.ExpireHolds, lacks: _Lacks) -> None:
    limit = max(0, min(command.limit, MAX_EXPIRIES))
    rows = await connection.fetch(QUERIES["load_due"], ledger.partition, command.as_of_ms, limit)
    for row in rows:
        _keep(ledger, row, lacks)
    if len(rows) < limit:
        await load_earliest_expiry(connection, ledger, command.as_of_ms)
    ledger.alarm.answered()


async def _load_commands(connection: asyncpg.Connection, commands: dict[tuple[str, str], Ledger]) -> None:
    unseen = [command for command, ledger in commands.items() if command not in ledger.commands]
    if not unseen:
        return
    keys = [(command_uuid(command_id), command_id, sku) for command_id, sku in unseen]
    for row in await connection.fetch(QUERIES["load_commands"], *map(array_literal, zip(*keys, strict=True))):
        command = (row["command_id"], row["sku"])
        entry = LedgerEntry(row["kind"], row["quantity"], row["quarantined"], row["note"])
        commands[command].commands[command] = entry


async def _load_purchases(
    connection: asyncpg.Connection, loads: Sequence[tuple[Ledger, Sequence[Message]]], buyers: dict[Buyer, Ledger]
) -> None:
    """Bring in what purchase limits have counted of `buyers`, and of the customers whom these messages put to the test.

    A count changes only with a hold in memory, and stands there from then on: the table may be a batch behind.
    """
    for ledger, messages in loads:
        placed = _placed(messages)
        others = messages if len(placed) < len(messages) else ()
        limits = {message.sku for message in others if type(message) is m.SetPurchaseLimit}
        limited = {sku for sku in set(map(_sku, placed)) if sku in limits or ledger.stock(sku).purchase_limit}
        if limited:
            buyers.update({(command.sku, command.customer_id): ledger for command in placed if command.sku in limited})
    unseen = {buyer: ledger for buyer, ledger in buyers.items() if buyer not in ledger.purchases}
    if not unseen:
        return
    for buyer, ledger in unseen.items():
        ledger.purchases[buyer] = 0
    for row in await connection.fetch(QUERIES["load_purchases"], *map(array_literal, zip(*unseen, strict=True))):
        buyer = (row["sku"], row["customer_id"])
        unseen[buyer].purchases[buyer] = row["units"]


def _keep(ledger: Ledger, row: asyncpg.Record, lacks: _Lacks) -> None:
    """Take a stored hold into memory, unless memory knows better; note what else has to be known of it then."""
    key = (str(row["order_id"]), row["line"], row["sku"])
    if key in ledger.holds:
        return
    hold = ledger.holds[key] = Hold(
        row["quantity"], HoldState(row["state"]), row["expires_at_ms"], row["buyer"] or "", row["cart"] or ""
    )
    if hold.state is HoldState.HELD:
        ledger.held.add(key)
        if hold.cart:
            ledger.carts.setdefault((hold.cart, row["sku"]), set()).add(key)
    if hold.buyer:
        lacks.buyers[row["sku"], hold.buyer] = ledger
    if row["sku"] not in ledger.stocks:
        lacks.skus[row["sku"]] = ledger


async def levels(
    connection: asyncpg.Connection, partition: int, at_ms: int, keys: Sequence[bytes] | None
) -> list[m.StockLevel | Tombstone]:
    """Return the levels of a partition's SKUs as they are stored, of these keys or of all."""
    skus = None if keys is None else array_literal([key.decode() for key in keys])
    rows = await connection.fetch(QUERIES["levels"], partition, skus)
    return [
        Tombstone(STOCK_LEVELS.name, sku.encode())
        if is_retired
        else m.StockLevel(
            sku, on_hand, reserved, allocated, on_hand - reserved - allocated - quarantined, at_ms, quarantined
        )
        for sku, on_hand, reserved, allocated, quarantined, is_retired in rows
    ]
