"""A partition's memory may be emptied between batches; what it decides must not depend on that.

The owner is played as `consumers/runtime/owner.py` works: a batch is decided while the one before it is being saved; a
unique violation tells of a duplicate that nobody looked for, and then both are decided again with everything loaded.
Longer than other files, as the rule of what is loaded and the store are held to the same cases.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.inventory import store
from consumers.inventory.parking import read_stored, stored
from consumers.inventory.state import Hold, HoldState, Ledger, LedgerEntry, Stock, cart_owner
from consumers.runtime.room import Changes
from schemas import messages as m
from schemas.ids import is_order_id
from tests.given_when_then import (
    NOW_MS,
    A,
    AdjustStock,
    B,
    C,
    CommitLine,
    ExpireHolds,
    PlaceOrderLine,
    ReceiveStock,
    ReleaseLine,
    SetPurchaseLimit,
    SuspendSale,
)
from tests.samples import samples
from tests.unit.inventory.commands import ROOM, Decided, Entry, cut_logs, decided
from tests.unit.inventory.tables import Tables, UniqueViolationError

Load = Callable[[Tables, Ledger, Sequence[m.Message], bool], Awaitable[None]]


async def as_the_store_does(tables: Tables, ledger: Ledger, messages: Sequence[m.Message], thorough: bool) -> None:
    await store.load(cast("Any", tables), [(ledger, messages)], thorough=thorough)


async def load_by_the_rule(tables: Tables, ledger: Ledger, messages: Sequence[m.Message], thorough: bool) -> None:
    """Know, before deciding, all that a decision looks at; of first placements only what could be rejected.

    A placement whose hold is not looked for is either a first one, or its insert is refused and we come back here,
    `thorough`. That needs it to be reserved, so where the SKU could run out within the batch its hold is looked for.
    """
    for message in messages:
        _know_what_it_names(tables, ledger, message, thorough)
    wanted = Counter[str]()
    for message in messages:
        if isinstance(message, m.PlaceOrderLine):
            wanted[message.sku] += max(0, message.quantity, message.demand)
        elif isinstance(message, m.CommitLine) and (hold := ledger.holds.get(_key(message))) is not None:
            wanted[message.sku] += hold.quantity if hold.state is HoldState.EXPIRED else 0
    ruled = {message.sku for message in messages if isinstance(message, RULING)}
    for message in messages:
        if not isinstance(message, m.PlaceOrderLine):
            continue
        stock = ledger.stock(message.sku)
        # A line of a cart may come after a later order of it: here each is looked for, where the store is choosier.
        if message.sku in ruled or stock.is_restricted or message.cart_id or wanted[message.sku] > stock.available:
            _know_hold(tables, ledger, _key(message))
        _know_count(tables, ledger, (message.sku, message.customer_id))


def _know_what_it_names(tables: Tables, ledger: Ledger, message: Any, thorough: bool) -> None:
    if isinstance(message, m.ExpireHolds):
        for key, row in tables.holds.items():
            if row["state"] == HoldState.HELD and row["expires_at_ms"] <= message.as_of_ms:
                _know_hold(tables, ledger, key)
        return
    _know_stock(tables, ledger, message.sku)
    if not hasattr(message, "order_id"):
        if (stored := tables.movements.get((message.command_id, message.sku))) is not None:
            entry = LedgerEntry(*(stored[name] for name in LedgerEntry._fields))
            ledger.commands[message.command_id, message.sku] = entry
        return
    key = _key(message)
    if (thorough or not isinstance(message, m.PlaceOrderLine)) and is_order_id(key[0]):
        _know_hold(tables, ledger, key)
    if isinstance(message, m.PlaceOrderLine) and message.cart_id:
        owner = cart_owner(message.customer_id, message.cart_id)
        for held, row in tables.holds.items():
            if row["state"] == HoldState.HELD and (row["cart"], held[2]) == (owner, message.sku):
                _know_hold(tables, ledger, held)


RULING = (m.AdjustStock, m.SetPurchaseLimit, m.SuspendSale, m.RetireSku, m.ParkSku)


def _key(message: Any) -> tuple[str, int, str]:
    return message.order_id, message.line, message.sku


def _know_stock(tables: Tables, ledger: Ledger, sku: str) -> None:
    if sku not in ledger.stocks:
        row = tables.stock.get(sku)
        ledger.stocks[sku] = Stock() if row is None else _stored_level(**row)


def _know_hold(tables: Tables, ledger: Ledger, key: tuple[str, int, str]) -> None:
    row = tables.holds.get(key)
    if row is None or key in ledger.holds:
        return
    hold = Hold(row["quantity"], HoldState(row["state"]), row["expires_at_ms"], row["buyer"] or "", row["cart"] or "")
    ledger.holds[key] = hold
    if hold.state is HoldState.HELD:
        ledger.held.add(key)
        if hold.cart:
            ledger.carts.setdefault((hold.cart, key[2]), set()).add(key)
    if hold.buyer:
        _know_count(tables, ledger, (key[2], hold.buyer))
    _know_stock(tables, ledger, key[2])


def _stored_level(*, parking: str, **level: Any) -> Stock:
    return Stock(**level, parking=read_stored(parking), is_known=True, is_stored=True)


def _know_count(tables: Tables, ledger: Ledger, buyer: tuple[str, str]) -> None:
    ledger.purchases.setdefault(buyer, tables.purchases.get(buyer, 0))


class OwnerWithoutCache:
    """Decides batches as the partition owner does, on a memory that is emptied whenever `forgets` says so."""

    def __init__(self, load: Load) -> None:
        self.tables = Tables()
        self._load = load
        self._ledger = Ledger(0)
        self._in_flight: tuple[list[Entry], Decided, Changes] | None = None
        self.outcomes: Decided = []
        self.redone = 0

    async def take(self, batch: list[Entry], *, forgets: bool) -> None:
        if forgets or isinstance(batch[0][0], m.ExpireHolds):
            await self.settle()
        if forgets:
            self._ledger.forget()
        decision = await self._decide(batch)
        if not await self.settle():
            decision = await self._decide(batch)
        self._in_flight = (batch, *decision)

    async def settle(self) -> bool:
        if self._in_flight is None:
            return True
        (batch, outcomes, changes), self._in_flight = self._in_flight, None
        try:
            self.tables.save(changes)
        except UniqueViolationError:
            self.redone += 1
            self._ledger = Ledger(0)
            outcomes, changes = await self._decide(batch, thorough=True)
            self.tables.save(changes)
            self.outcomes += outcomes
            return False
        self.outcomes += outcomes
        return True

    async def _decide(self, batch: list[Entry], *, thorough: bool = False) -> tuple[Decided, Changes]:
        await self._load(self.tables, self._ledger, [command for command, _ in batch], thorough)
        outcomes = decided(self._ledger, batch)
        return outcomes, ROOM.close_batch(self._ledger, batch[-1][1])


async def _played(load: Load, batches: list[list[Entry]], forgets: Sequence[bool]) -> OwnerWithoutCache:
    owner = OwnerWithoutCache(load)
    for n, batch in enumerate(batches):
        await owner.take(batch, forgets=forgets[n % len(forgets)])
    await owner.settle()
    return owner


FULL = (ReceiveStock(command_id="d1", quantity=1), NOW_MS)
HOLD_A = (PlaceOrderLine(order_id=A), NOW_MS)
NONSENSE = (PlaceOrderLine(order_id=B, quantity=-10), NOW_MS)
STORE = pytest.param(as_the_store_does, id="store.load")
RULE = pytest.param(load_by_the_rule, id="the rule")


@pytest.mark.parametrize("load", [RULE, STORE])
@settings(max_examples=samples(400), deadline=None, derandomize=True)
@given(cut_logs(), st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_memory_that_forgets_decides_as_one_that_remembers_everything(
    load: Load, batches: list[list[Entry]], forgets: list[bool]
) -> None:
    owner = asyncio.run(_played(load, batches, forgets))
    remembers = Ledger(0)
    assert owner.outcomes == decided(remembers, [entry for batch in batches for entry in batch])
    assert owner.tables.sums_agree()


@settings(max_examples=samples(200), deadline=None, derandomize=True)
@given(cut_logs(), st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 1_000), st.integers(0, 1_000))
def test_what_waits_for_a_parked_sku_is_counted_in_the_tables_as_in_memory(
    batches: list[list[Entry]], forgets: list[bool], parked: int, released: int
) -> None:
    _insert(batches, parked, m.ParkSku("park", "MUG", "poisoned"))
    _insert(batches, released, m.ReleaseParked("go", "MUG", "park", 0, 1), m.EndRelease("end", "MUG", "park"))
    owner = asyncio.run(_played(as_the_store_does, batches, forgets))
    remembers = Ledger(0)
    assert owner.outcomes == decided(remembers, [entry for batch in batches for entry in batch])
    assert {sku: row["parking"] for sku, row in owner.tables.stock.items()} == {
        sku: stored(stock.parking) for sku, stock in remembers.stocks.items()
    }


def _insert(batches: list[list[Entry]], draw: int, *commands: m.Message) -> None:
    """Put commands somewhere into a log that is cut into batches."""
    batch = batches[draw % len(batches)]
    place = draw % (len(batch) + 1)
    at_ms = batch[max(0, place - 1)][1]
    batch[place:place] = [(command, at_ms) for command in commands]


@pytest.mark.parametrize("load", [RULE, STORE])
def test_nonsense_in_a_batch_does_not_hide_that_the_stock_is_scarce(load: Load) -> None:
    owner = asyncio.run(_played(load, [[FULL, HOLD_A], [HOLD_A, NONSENSE]], [True]))
    assert kinds(owner.outcomes)[2] == ["LineRepeated"], "a duplicate, whatever else is in its batch"


@pytest.mark.parametrize("load", [RULE, STORE])
def test_an_unseen_duplicate_where_stock_is_plenty_is_found_by_the_database(load: Load) -> None:
    plenty = (ReceiveStock(command_id="d1", quantity=9), NOW_MS)
    owner = asyncio.run(_played(load, [[plenty, HOLD_A], [HOLD_A], [HOLD_A]], [True]))
    assert owner.redone == 2
    assert kinds(owner.outcomes)[2:] == [["LineRepeated"], ["LineRepeated"]]


@pytest.mark.parametrize("load", [RULE, STORE])
def test_an_unseen_duplicate_where_stock_is_scarce_is_looked_for(load: Load) -> None:
    owner = asyncio.run(_played(load, [[FULL, HOLD_A], [HOLD_A]], [True]))
    assert owner.redone == 0
    assert kinds(owner.outcomes)[2:] == [["LineRepeated"]]


LOTS = (ReceiveStock(command_id="d9", quantity=99), NOW_MS)
LIMITED = (SetPurchaseLimit(command_id="limit", limit=1), NOW_MS)
RELEASE_A = (ReleaseLine(order_id=A), NOW_MS)
IN_CART_A = (PlaceOrderLine(order_id=A, cart_id="c"), NOW_MS)
IN_CART_B = (PlaceOrderLine(order_id=B, cart_id="c"), NOW_MS)


def kinds(decisions: Decided) -> list[list[str]]:
    return [[type(outcome).__name__ for outcome in each] for each in decisions]


@pytest.mark.parametrize("load", [RULE, STORE])
@pytest.mark.parametrize("forgets", [[True], [False, True, False, False]], ids=["always", "once"])
def test_what_is_given_back_while_the_count_is_only_in_the_table_is_given_back_once(
    load: Load, forgets: list[bool]
) -> None:
    more: list[list[Entry]] = [[(PlaceOrderLine(order_id=each), NOW_MS)] for each in (B, C)]
    owner = asyncio.run(_played(load, [[LOTS, LIMITED, HOLD_A], [RELEASE_A], *more], forgets))
    assert kinds(owner.outcomes)[3:] == [["LineReleased"], ["LineReserved"], ["LineRejected"]]
    assert owner.tables.sums_agree()


@pytest.mark.parametrize("load", [RULE, STORE])
def test_a_duplicate_of_a_replaced_line_is_known_although_its_successor_would_turn_it_away(load: Load) -> None:
    owner = asyncio.run(_played(load, [[LOTS, IN_CART_A], [IN_CART_B], [IN_CART_A]], [True]))
    assert kinds(owner.outcomes)[1:] == [["LineReserved"], ["LineReleased", "LineReserved"], ["LineRepeated"]]


@pytest.mark.parametrize("load", [RULE, STORE])
@pytest.mark.parametrize(
    "rule",
    [SetPurchaseLimit(command_id="r", limit=1), SuspendSale(command_id="r"), AdjustStock(command_id="r", change=-98)],
    ids=lambda rule: type(rule).__name__,
)
def test_a_duplicate_is_known_although_a_rule_of_its_own_batch_would_turn_it_away(load: Load, rule: m.Message) -> None:
    owner = asyncio.run(_played(load, [[LOTS, HOLD_A], [(rule, NOW_MS), HOLD_A]], [True]))
    assert kinds(owner.outcomes)[1:] == [["LineReserved"], [], ["LineRepeated"]]


@pytest.mark.parametrize("load", [RULE, STORE])
@pytest.mark.parametrize(
    "rule",
    [SetPurchaseLimit(command_id="r", limit=1), SuspendSale(command_id="r")],
    ids=lambda rule: type(rule).__name__,
)
def test_a_duplicate_is_known_although_a_rule_in_force_would_turn_it_away(load: Load, rule: m.Message) -> None:
    owner = asyncio.run(_played(load, [[LOTS, HOLD_A], [(rule, NOW_MS)], [HOLD_A]], [True]))
    assert kinds(owner.outcomes)[1:] == [["LineReserved"], [], ["LineRepeated"]]


@pytest.mark.parametrize("load", [RULE, STORE])
def test_what_an_earlier_limit_counted_is_known_when_a_new_one_comes(load: Load) -> None:
    lifted = (SetPurchaseLimit(command_id="lift", limit=0), NOW_MS)
    anew = (SetPurchaseLimit(command_id="anew", limit=1), NOW_MS)
    other = (PlaceOrderLine(order_id=B), NOW_MS)
    owner = asyncio.run(_played(load, [[LOTS, LIMITED, HOLD_A], [lifted], [anew, other]], [True]))
    assert kinds(owner.outcomes)[-1] == ["LineRejected"]


@pytest.mark.parametrize("load", [RULE, STORE])
def test_a_duplicate_is_known_although_a_retake_of_its_batch_leaves_nothing(load: Load) -> None:
    two = (ReceiveStock(command_id="d2", quantity=2), NOW_MS)
    brief = (PlaceOrderLine(order_id=A, hold_seconds=1), NOW_MS)
    hold_b = (PlaceOrderLine(order_id=B), NOW_MS)
    later_ms = NOW_MS + 2_000
    expiry = (ExpireHolds(as_of_ms=later_ms), later_ms)
    retake = (CommitLine(order_id=A), later_ms)
    owner = asyncio.run(_played(load, [[two, brief, hold_b], [expiry], [retake, hold_b]], [True]))
    assert kinds(owner.outcomes)[3:] == [["LineExpired"], ["LineCommitted"], ["LineRepeated"]]
