"""The state that inventory decides on: one partition's stock, holds, purchase counts and carts, as far as loaded.

Decision: docs/decisions, 015.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import msgspec
from typing_extensions import override

from consumers.errors import RefusedError
from consumers.inventory.parking import Parking
from consumers.runtime.deciding.deadlines import DeadlineTimer
from consumers.runtime.room import InternalEvent
from schemas import messages as m

HoldKey = tuple[str, int, str]
"""(order_id, line, sku). The SKU belongs to it: one line sent for two SKUs meets two owners, who cannot see each
other; each decides for itself, and orders gives the second one back."""

Buyer = tuple[str, str]
"""(sku, customer_id): whose units a purchase limit counts."""

Cart = tuple[str, str]
"""(owner, sku): which holds a new checkout of the same cart replaces."""

QUARANTINE: Final = "quarantine"
AVAILABLE: Final = "available"
SCRAP: Final = "scrap"

REFUSAL: Final = "refusal"
"""The kind of a movement that moved nothing: the memory of a stock command that was refused."""
SHIPMENT: Final = "shipment"
RETURN: Final = "return"


class HoldState(IntEnum):
    """Where a line's units are. Stored as is in `holds.state`."""

    HELD = 0
    COMMITTED = 1
    RELEASED = 2
    EXPIRED = 3
    RETURNED = 4
    SHIPPED = 5


LIVE: Final = frozenset({HoldState.HELD, HoldState.COMMITTED})
"""Where a line has units of the stock; such a hold is never dropped."""


class Hold(msgspec.Struct, gc=False):
    """One order line's claim on stock; it stays as the memory of what happened to the line.

    `buyer` is the customer while a purchase limit counts the units, else empty; `cart` the owner of the cart, if any.
    """

    quantity: int
    state: HoldState
    expires_at_ms: int
    buyer: str = ""
    cart: str = ""


class Stock(msgspec.Struct, gc=False):
    """One SKU's level, in units, and whether it may be sold.

    Always 0 <= reserved, allocated, quarantined and reserved + allocated + quarantined <= on_hand, and nothing is on hand
    of a retired SKU. A `purchase_limit` of 0 is none. A SKU `is_known` from the first command that had an effect on it.
    """

    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    quarantined: int = 0
    purchase_limit: int = 0
    is_suspended: bool = False
    is_retired: bool = False
    parking: Parking | None = None
    is_known: bool = False
    is_stored: bool = False

    @property
    def available(self) -> int:
        """Units that can still be reserved."""
        return self.on_hand - self.reserved - self.allocated - self.quarantined

    @property
    def is_restricted(self) -> bool:
        """Tell whether a line can be rejected, or has to wait, although its units are there."""
        return self.is_suspended or self.is_retired or self.purchase_limit > 0 or self.parking is not None


class Movement(msgspec.Struct, frozen=True):
    """One row of the ledger: what a command changed of on_hand and quarantined, in units.

    `id` is the UUID by which the row is found and by which it goes: the order's, or the command's (`command_uuid`).
    What changes how a SKU is sold, a refused command, and a return of what never left are rows of zeros.
    """

    id: str
    command_id: str
    sku: str
    kind: str
    quantity: int
    quarantined: int
    order_id: str | None
    line: int | None
    note: str
    at_ms: int


Level = tuple[int, int, int, int]
"""(on_hand, reserved, allocated, quarantined)"""


class Ledger:
    """One partition's stock and holds.

    An absent SKU has no stock, an absent hold was never made: `store.load` brings in what a batch touches, a replay
    starts from nothing and sees everything. Whose hold is in memory and counts, their count is in memory too. `carts` has
    the carts' lines that are held, as far as in memory; of `known_carts` it has all. What stands under `begin_batch`
    collects the open batch.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.alarm = DeadlineTimer()
        self.forget()
        self.begin_batch()

    def forget(self) -> None:
        """Empty the memory; what is needed again gets loaded."""
        self.stocks: dict[str, Stock] = {}
        self.holds: dict[HoldKey, Hold] = {}
        self.held: set[HoldKey] = set()
        self.commands: dict[tuple[str, str], LedgerEntry] = {}
        self.purchases: dict[Buyer, int] = {}
        self.carts: dict[Cart, set[HoldKey]] = {}
        self.known_carts: set[Cart] = set()

    def begin_batch(self) -> None:
        """Forget what changed; keep what is."""
        self.before: dict[str, Level] = {}
        self.new_holds: dict[HoldKey, Hold] = {}
        self.changed_holds: dict[HoldKey, Hold] = {}
        self.movements: list[Movement] = []
        self.purchase_changes: dict[Buyer, int] = {}

    def stock(self, sku: str) -> Stock:
        """Return a SKU's level; a SKU never received has none."""
        stock = self.stocks.get(sku)
        return stock if stock is not None else Stock()

    def due(self, as_of_ms: int, limit: int) -> list[HoldKey]:
        """Return the first `limit` holds whose time was over, ordered by (expires_at_ms, order_id, line, sku)."""
        over = [(self.holds[key].expires_at_ms, key) for key in self.held if self.holds[key].expires_at_ms <= as_of_ms]
        return [key for _, key in sorted(over)[:limit]]

    def expect_expiry(self, as_of_ms: int) -> None:
        """Ask again for holds that were over at `as_of_ms` but not yet by the log's own time (a clock ahead of it)."""
        if left := [end_ms for key in self.held if (end_ms := self.holds[key].expires_at_ms) <= as_of_ms]:
            self.alarm.expect(min(left))

    def size(self) -> int:
        """Return the number of entries in memory."""
        lines = len(self.holds) + len(self.carts) + len(self.known_carts)
        return lines + len(self.stocks) + len(self.commands) + len(self.purchases)


def cart_owner(customer_id: str, cart_id: str) -> str:
    """Return whose cart it is: one customer's cart is never another's, whatever the two are called. Empty without one.

    The sign between them (U+001F, the unit separator) is in neither: both are printable.
    """
    return f"{customer_id}\x1f{cart_id}" if cart_id else ""


# --- what is decided and stays inside the room ----------------------------------------------------------------------------


class HeldForCart(InternalEvent, frozen=True):
    """The line that was just reserved belongs to a cart of this owner."""

    order_id: str
    line: int
    sku: str
    cart: str


class LedgerEntry(NamedTuple):
    """What a command about a SKU leaves in its row of `movements`, in units: by this a repeat is held against it."""

    kind: str
    quantity: int = 0
    quarantined: int = 0
    note: str = ""


class SkuEvent(InternalEvent, frozen=True):
    """A command about a SKU was decided, for good: its id stands for this from now on."""

    command_id: str
    sku: str

    @property
    def entry(self) -> LedgerEntry:
        """What is written down of it."""
        raise NotImplementedError


class StockReceived(SkuEvent, frozen=True):
    """Units came in."""

    quantity: int

    @property
    @override
    def entry(self) -> LedgerEntry:
        return LedgerEntry("receipt", self.quantity)


class StockAdjusted(SkuEvent, frozen=True):
    """A count was corrected by `change` units."""

    change: int
    reason: str

    @property
    @override
    def entry(self) -> LedgerEntry:
        return LedgerEntry("adjustment", self.change, note=self.reason)


class QuarantineCleared(SkuEvent, frozen=True):
    """Quarantined units became available or were written off."""

    quantity: int
    disposition: str

    @property
    @override
    def entry(self) -> LedgerEntry:
        if self.disposition == SCRAP:
            return LedgerEntry("scrap", -self.quantity, -self.quantity)
        return LedgerEntry("restock", 0, -self.quantity)


class SaleRulesChanged(SkuEvent, frozen=True):
    """How a SKU may be sold changed; `kind` is `purchase_limit` (with the `limit`), `suspension`, `resumption`, `retirement`."""

    kind: str
    note: str = ""
    limit: int = 0

    @property
    @override
    def entry(self) -> LedgerEntry:
        return LedgerEntry(self.kind, note=str(self.limit) if self.kind == "purchase_limit" else self.note)


class StockCommandRefused(SkuEvent, frozen=True):
    """A command about a SKU was refused for good: whatever is sent under its id later stays refused."""

    kind: str
    reason: str

    @property
    @override
    def entry(self) -> LedgerEntry:
        return LedgerEntry(REFUSAL, note=f"{self.kind}: {self.reason}")


class ParkingChanged(SkuEvent, frozen=True):
    """A SKU was parked or armed, or what waits for it is let through; `count` records at a `release`."""

    kind: str
    note: str
    count: int = 0

    @property
    @override
    def entry(self) -> LedgerEntry:
        return LedgerEntry(self.kind, note=self.note)


class RecordParked(InternalEvent, frozen=True):
    """A record has to wait: it is counted, and its dead letter has its number."""

    sku: str


Outcome = m.Message | InternalEvent | RefusedError
"""Internal events end as rows of `movements`, or as what only the ledger needs to know; the outside sees stock.levels. A
RefusedError among the outcomes sends the command to dead.letters too."""
