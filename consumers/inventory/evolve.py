"""How each outcome changes the ledger: the only writer of stock, holds and counts in memory.

Decisions: docs/decisions, 018, 027.
"""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from consumers.inventory.parking import Parking
from consumers.inventory.runs import units_by_sku
from consumers.inventory.state import (
    QUARANTINE,
    RETURN,
    SHIPMENT,
    HeldForCart,
    Hold,
    HoldKey,
    HoldState,
    Ledger,
    Movement,
    Outcome,
    ParkingChanged,
    QuarantineCleared,
    RecordParked,
    SaleRulesChanged,
    SkuEvent,
    Stock,
    StockAdjusted,
    StockCommandRefused,
    StockReceived,
)
from schemas import messages as m
from schemas.ids import command_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

_HOLD: Final = attrgetter("order_id", "line", "sku", "quantity", "expires_at_ms")


def evolve(ledger: Ledger, message: Message, outcomes: Iterable[Outcome], now: Now) -> bool:
    """Change the ledger by what was decided; a rejected or refused line changes nothing. Return whether anything changed."""
    changed = False
    for outcome in outcomes:
        if (change := _CHANGES.get(type(outcome))) is not None:
            change(ledger, outcome, now.at_ms)
            changed = True
    if type(message) is m.ExpireHolds:
        ledger.expect_expiry(message.as_of_ms)
    return changed


# --- lines --------------------------------------------------------------------------------------------------------------


def _reserve(ledger: Ledger, event: m.LineReserved, _: int) -> None:
    key = (event.order_id, event.line, event.sku)
    hold = Hold(event.quantity, HoldState.HELD, event.expires_at_ms)
    stock = _stock_for_update(ledger, event.sku)
    stock.reserved += event.quantity
    if stock.purchase_limit:
        hold.buyer = event.customer_id
        _count_purchase(ledger, event.sku, hold, event.quantity)
    ledger.holds[key] = ledger.new_holds[key] = hold
    ledger.held.add(key)
    ledger.alarm.expect(event.expires_at_ms)


def reserve_run(ledger: Ledger, events: Sequence[m.LineReserved]) -> None:
    """Do what `_reserve` does for each of many events whose SKUs have no purchase limit."""
    order_ids, lines, skus, quantities, ends_ms = zip(*map(_HOLD, events), strict=True)
    keys = zip(order_ids, lines, skus, strict=True)
    holds: dict[HoldKey, Hold] = dict(zip(keys, map(Hold, quantities, repeat(HoldState.HELD), ends_ms), strict=False))
    for sku, units in units_by_sku(skus, quantities).items():
        _stock_for_update(ledger, sku).reserved += units
    ledger.holds.update(holds)
    ledger.new_holds.update(holds)
    ledger.held.update(holds)
    ledger.alarm.expect(min(ends_ms))


def _hold_for_cart(ledger: Ledger, event: HeldForCart, _: int) -> None:
    key = (event.order_id, event.line, event.sku)
    ledger.holds[key].cart = event.cart
    ledger.carts.setdefault((event.cart, event.sku), set()).add(key)


def _commit(ledger: Ledger, event: m.LineCommitted, _: int) -> None:
    stock, hold = _stock_for_update(ledger, event.sku), ledger.holds[event.order_id, event.line, event.sku]
    if hold.state is HoldState.HELD:
        stock.reserved -= event.quantity
    else:
        _count_purchase(ledger, event.sku, hold, event.quantity)
    stock.allocated += event.quantity
    _set_hold_state(ledger, event, HoldState.COMMITTED)


def _release(ledger: Ledger, event: m.LineReleased, _: int) -> None:
    _stock_for_update(ledger, event.sku).reserved -= event.quantity
    _count_purchase(ledger, event.sku, _set_hold_state(ledger, event, HoldState.RELEASED), -event.quantity)


def _expire(ledger: Ledger, event: m.LineExpired, _: int) -> None:
    _stock_for_update(ledger, event.sku).reserved -= event.quantity
    _count_purchase(ledger, event.sku, _set_hold_state(ledger, event, HoldState.EXPIRED), -event.quantity)


def _ship(ledger: Ledger, event: m.LineShipped, at_ms: int) -> None:
    stock = _stock_for_update(ledger, event.sku)
    stock.allocated -= event.quantity
    stock.on_hand -= event.quantity
    _set_hold_state(ledger, event, HoldState.SHIPPED)
    _record_line_movement(ledger, event, SHIPMENT, quantity=-event.quantity, quarantined=0, at_ms=at_ms)


def _return(ledger: Ledger, event: m.LineReturned, at_ms: int) -> None:
    stock, hold = _stock_for_update(ledger, event.sku), ledger.holds[event.order_id, event.line, event.sku]
    quarantined = event.quantity if event.disposition == QUARANTINE else 0
    came_back = event.quantity if hold.state is HoldState.SHIPPED else 0
    _change_on_hand(stock, came_back)
    stock.allocated -= event.quantity - came_back
    stock.quarantined += quarantined
    _count_purchase(ledger, event.sku, _set_hold_state(ledger, event, HoldState.RETURNED), -event.quantity)
    _record_line_movement(ledger, event, RETURN, quantity=came_back, quarantined=quarantined, at_ms=at_ms)


# --- stock itself -------------------------------------------------------------------------------------------------------


def _change_units(ledger: Ledger, event: StockReceived | StockAdjusted | QuarantineCleared, at_ms: int) -> None:
    stock, entry = _stock_for_update(ledger, event.sku), event.entry
    _change_on_hand(stock, entry.quantity)
    stock.quarantined += entry.quarantined
    _record_movement(ledger, event, at_ms)


def _change_sale_rules(ledger: Ledger, event: SaleRulesChanged, at_ms: int) -> None:
    stock = _stock_for_update(ledger, event.sku)
    match event.kind:
        case "purchase_limit":
            stock.purchase_limit = event.limit
        case "suspension":
            stock.is_suspended = True
        case "resumption":
            stock.is_suspended = False
        case "retirement":
            stock.is_retired = True
    _record_movement(ledger, event, at_ms)


def _change_parking(ledger: Ledger, event: ParkingChanged, at_ms: int) -> None:
    stock = _stock_for_update(ledger, event.sku)
    if event.kind in ("parking", "arming"):
        stock.parking = Parking(event.command_id, is_armed=event.kind == "arming")
    elif (parking := stock.parking) is not None and event.kind == "release":
        stock.parking = replace(parking, released=parking.released + event.count, is_open=True)
    elif parking is not None:
        stock.parking = replace(parking, is_open=False) if parking.waiting else None
    _record_movement(ledger, event, at_ms)


def _count_parked(ledger: Ledger, event: RecordParked, _: int) -> None:
    stock = _stock_for_update(ledger, event.sku)
    if stock.parking is not None:
        stock.parking = replace(stock.parking, counted=stock.parking.counted + 1)


def park_behind_letter(ledger: Ledger, sku: str) -> None:
    """Park a SKU of which the next dead letter was waited for, if this is one."""
    stock = ledger.stocks.get(sku)
    if stock is not None and stock.parking is not None and stock.parking.is_armed and not stock.parking.is_open:
        _stock_for_update(ledger, sku).parking = replace(stock.parking, is_armed=False)


def line_movement_id(order_id: str, line: int, kind: str) -> str:
    """Return the id under which a line's shipment or return stands in the ledger, once. No stock command may have it."""
    return f"{order_id}/{line}/{kind}"


# --- what all share -----------------------------------------------------------------------------------------------------


def _stock_for_update(ledger: Ledger, sku: str) -> Stock:
    stock = ledger.stocks.get(sku)
    if stock is None:
        stock = ledger.stocks[sku] = Stock()
    if sku not in ledger.before:
        stock.is_known = True
        ledger.before[sku] = (stock.on_hand, stock.reserved, stock.allocated, stock.quarantined)
    return stock


def _change_on_hand(stock: Stock, change: int) -> None:
    """Bring units in or take them out; a retired SKU of which units come in is retired no longer."""
    stock.on_hand += change
    if change > 0:
        stock.is_retired = False


def _set_hold_state(ledger: Ledger, event: Any, state: HoldState) -> Hold:
    key: HoldKey = (event.order_id, event.line, event.sku)
    hold = ledger.holds[key]
    hold.state = state
    ledger.held.discard(key)
    if hold.cart and (peers := ledger.carts.get((hold.cart, event.sku))) is not None:
        peers.discard(key)
        if not peers:
            del ledger.carts[hold.cart, event.sku]
    if key not in ledger.new_holds:
        ledger.changed_holds[key] = hold
    return hold


def _count_purchase(ledger: Ledger, sku: str, hold: Hold, units: int) -> None:
    """Add to what a purchase limit counts of the hold's buyer; their count so far is in memory, as `store.load` sees to."""
    if not hold.buyer:
        return
    buyer = (sku, hold.buyer)
    ledger.purchases[buyer] = ledger.purchases.get(buyer, 0) + units
    ledger.purchase_changes[buyer] = ledger.purchase_changes.get(buyer, 0) + units


def _record_movement(ledger: Ledger, event: SkuEvent, at_ms: int) -> None:
    entry = ledger.commands[event.command_id, event.sku] = event.entry
    uuid = command_uuid(event.command_id)
    ledger.movements.append(Movement(uuid, event.command_id, event.sku, *entry[:3], None, None, entry.note, at_ms))


def _record_line_movement(
    ledger: Ledger, event: m.LineShipped | m.LineReturned, kind: str, *, quantity: int, quarantined: int, at_ms: int
) -> None:
    command_id = line_movement_id(event.order_id, event.line, kind)
    order_id = event.order_id
    ledger.movements.append(
        Movement(order_id, command_id, event.sku, kind, quantity, quarantined, order_id, event.line, "", at_ms)
    )


_CHANGES: Final[Mapping[type, Callable[..., None]]] = {
    m.LineReserved: _reserve,
    HeldForCart: _hold_for_cart,
    m.LineCommitted: _commit,
    m.LineReleased: _release,
    m.LineExpired: _expire,
    m.LineShipped: _ship,
    m.LineReturned: _return,
    StockReceived: _change_units,
    StockAdjusted: _change_units,
    QuarantineCleared: _change_units,
    SaleRulesChanged: _change_sale_rules,
    ParkingChanged: _change_parking,
    RecordParked: _count_parked,
    StockCommandRefused: _record_movement,
}
