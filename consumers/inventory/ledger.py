"""The state that inventory decides on, and how each outcome changes it: one partition's stock and holds."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

import msgspec

from schemas import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HoldKey = tuple[str, int, str]
"""(order_id, line, sku). The SKU belongs to it: one line sent for two SKUs meets two owners, who cannot see each
other; each decides for itself, and orders gives the second one back."""


class HoldState(IntEnum):
    """Where a line's units are. Stored as is in `holds.state`."""

    HELD = 0
    COMMITTED = 1
    RELEASED = 2
    EXPIRED = 3
    RETURNED = 4


class Hold(msgspec.Struct, gc=False):
    """One order line's claim on stock; it stays as the memory of what happened to the line."""

    quantity: int
    state: HoldState
    expires_at_ms: int


class Stock(msgspec.Struct, gc=False):
    """One SKU's level, in units. Always 0 <= reserved, 0 <= allocated, reserved + allocated <= on_hand."""

    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    is_stored: bool = False

    @property
    def available(self) -> int:
        """Units that can still be reserved."""
        return self.on_hand - self.reserved - self.allocated


class StockReceived(msgspec.Struct, frozen=True):
    """Units came in; becomes a row of `movements`. It stays inside the room: the outside sees stock.levels."""

    command_id: str
    sku: str
    quantity: int


Outcome = m.Message | StockReceived


class Ledger:
    """One partition's stock and holds.

    An absent SKU has no stock, an absent hold was never made: `store.load` brings in what a batch touches, a replay
    starts from nothing and sees everything. `before`, `new_holds`, `changed_holds` and `received` collect the open batch.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.earliest_expiry_ms: int | None = None
        self.reminded_at_ms = 0
        self.forget()
        self.begin_batch()

    def forget(self) -> None:
        """Empty the memory; what is needed again gets loaded."""
        self.stocks: dict[str, Stock] = {}
        self.holds: dict[HoldKey, Hold] = {}
        self.held: set[HoldKey] = set()
        self.commands: set[tuple[str, str]] = set()

    def begin_batch(self) -> None:
        """Forget what changed; keep what is."""
        self.before: dict[str, tuple[int, int, int]] = {}
        self.new_holds: set[HoldKey] = set()
        self.changed_holds: set[HoldKey] = set()
        self.received: list[tuple[StockReceived, int]] = []

    def stock(self, sku: str) -> Stock:
        """Return a SKU's level; a SKU never received has none."""
        found = self.stocks.get(sku)
        return found if found is not None else Stock()

    def due(self, as_of_ms: int, limit: int) -> list[HoldKey]:
        """Return the first `limit` holds whose time was over, ordered by (expires_at_ms, order_id, line, sku)."""
        over = [(self.holds[key].expires_at_ms, key) for key in self.held if self.holds[key].expires_at_ms <= as_of_ms]
        return [key for _, key in sorted(over)[:limit]]

    def expect_expiry(self, as_of_ms: int) -> None:
        """Ask again for holds that were over at `as_of_ms` but not yet by the log's own time (a clock ahead of it)."""
        waiting = [hold.expires_at_ms for key in self.held if (hold := self.holds[key]).expires_at_ms <= as_of_ms]
        if waiting:
            self.earliest_expiry_ms = min(waiting)

    def size(self) -> int:
        """Return the number of entries in memory."""
        return len(self.stocks) + len(self.holds) + len(self.commands)


def evolve(ledger: Ledger, outcome: Outcome, at_ms: int) -> None:
    """Change the ledger by one outcome; a refusal changes nothing. The only writer of stock and holds in memory."""
    change = _CHANGES.get(type(outcome))
    if change is not None:
        change(ledger, outcome, at_ms)


def _reserve(ledger: Ledger, event: m.LineReserved, _: int) -> None:
    key = (event.order_id, event.line, event.sku)
    ledger.holds[key] = Hold(event.quantity, HoldState.HELD, event.expires_at_ms)
    ledger.held.add(key)
    ledger.new_holds.add(key)
    _touch(ledger, event.sku).reserved += event.quantity
    if ledger.earliest_expiry_ms is None or event.expires_at_ms < ledger.earliest_expiry_ms:
        ledger.earliest_expiry_ms = event.expires_at_ms


def _commit(ledger: Ledger, event: m.LineCommitted, _: int) -> None:
    stock = _touch(ledger, event.sku)
    if ledger.holds[event.order_id, event.line, event.sku].state is HoldState.HELD:
        stock.reserved -= event.quantity
    stock.allocated += event.quantity
    _turn(ledger, event, HoldState.COMMITTED)


def _release(ledger: Ledger, event: m.LineReleased, _: int) -> None:
    _touch(ledger, event.sku).reserved -= event.quantity
    _turn(ledger, event, HoldState.RELEASED)


def _expire(ledger: Ledger, event: m.LineExpired, _: int) -> None:
    _touch(ledger, event.sku).reserved -= event.quantity
    _turn(ledger, event, HoldState.EXPIRED)


def _return(ledger: Ledger, event: m.LineReturned, _: int) -> None:
    _touch(ledger, event.sku).allocated -= event.quantity
    _turn(ledger, event, HoldState.RETURNED)


def _receive(ledger: Ledger, event: StockReceived, at_ms: int) -> None:
    _touch(ledger, event.sku).on_hand += event.quantity
    ledger.commands.add((event.command_id, event.sku))
    ledger.received.append((event, at_ms))


def _touch(ledger: Ledger, sku: str) -> Stock:
    stock = ledger.stocks.get(sku)
    if stock is None:
        stock = ledger.stocks[sku] = Stock()
    if sku not in ledger.before:
        ledger.before[sku] = (stock.on_hand, stock.reserved, stock.allocated)
    return stock


def _turn(
    ledger: Ledger, event: m.LineCommitted | m.LineReleased | m.LineExpired | m.LineReturned, state: HoldState
) -> None:
    key = (event.order_id, event.line, event.sku)
    ledger.holds[key].state = state
    ledger.held.discard(key)
    if key not in ledger.new_holds:
        ledger.changed_holds.add(key)


_CHANGES: Final[Mapping[type, Callable[..., None]]] = {
    m.LineReserved: _reserve,
    m.LineCommitted: _commit,
    m.LineReleased: _release,
    m.LineExpired: _expire,
    m.LineReturned: _return,
    StockReceived: _receive,
}
