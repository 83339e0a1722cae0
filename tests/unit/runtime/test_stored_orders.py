"""Orders that cannot have a row are not looked up; what is decided must not depend on that.

An owner plays a log against a table. Between its batches the memory is emptied, another owner takes over, and the database goes
back to an earlier state. Ids are dated by clocks that are right, wrong, or ahead. Seeded, so a failure comes back.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Final, cast

import msgspec
import pytest

from consumers.errors import RefusedError
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.runtime import stored_orders
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.postgres.queries import QUERIES
from consumers.runtime.room import Changes
from consumers.runtime.stored_orders import StoredOrders
from schemas import messages as m
from schemas.ids import id_time, last_id, new_order_id
from tests.given_when_then import NOW_MS
from tests.samples import samples
from tests.unit.orders.message_generator import likely

CASES: Final = samples(600)
CAUGHT_WITHIN: Final = 600
ROOM: Final = OrdersRoom()
STEP_MS: Final = 10_000
HOUR_MS: Final = 3_600_000
DATED_MS: Final = (-3_000 * HOUR_MS, -HOUR_MS, -1, 0, STEP_MS, 9 * STEP_MS, 20 * HOUR_MS, 40 * HOUR_MS)
"""When ids are made, from the beginning of the log; the first and the last are outside the window."""
INSERTED: Final = (
    *("order_id", "partition", "state", "reason", "customer_id", "payment_token", "currency", "terms"),
    *("line_count", "amount_minor", "lines", "deadline_ms", "updated_at_ms"),
)
UPDATED: Final = tuple(name for name in INSERTED if name not in {"partition", "customer_id", "terms"})

Entry = tuple[m.Message, int]


class UniqueViolationError(Exception):
    """There is a row with this key; nothing was applied."""


class Database:
    """The table of orders and the claim, which change together; as a connection it answers the room's own queries."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.at_ms = 0
        self.position = 0
        self.looked_up = 0

    def save(self, changes: Changes, at_ms: int, position: int) -> None:
        columns = list(changes.columns)
        inserted = zip(*columns[: len(INSERTED)], strict=True)
        updated = zip(*columns[len(INSERTED) : len(INSERTED) + len(UPDATED)], strict=True)
        rows = {row[0]: dict(zip(INSERTED, row, strict=True)) for row in inserted}
        if rows.keys() & self.rows.keys():
            raise UniqueViolationError
        self.rows |= rows
        for row in updated:
            self.rows[row[0]] |= dict(zip(UPDATED, row, strict=True))
        self.at_ms, self.position = at_ms, position

    async def fetch(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        if query == ROOM.queries["dated_later"]:
            _, after, limit = arguments
            later = sorted((order_id for order_id in self.rows if order_id > after), reverse=True)
            return [{"order_id": order_id} for order_id in later[:limit]]
        assert query == ROOM.queries["load_orders"]
        wanted = json.loads(f"[{arguments[0][1:-1]}]")
        self.looked_up += len(wanted)
        return [self.rows[order_id] for order_id in wanted if order_id in self.rows]

    async def fetchval(self, query: str, *_: Any) -> int | None:
        if query == QUERIES["log_time"]:
            return self.at_ms
        assert query == ROOM.queries["earliest_deadline"]
        return None


class Owner:
    """Decides the log from where the database is. `looks_up_all` is the owner that takes no short cut."""

    def __init__(self, database: Database, *, looks_up_all: bool = False) -> None:
        self.database, self.looks_up_all = database, looks_up_all
        self.outcomes: dict[int, list[str]] = {}

    async def claim(self) -> None:
        self.state = ROOM.new_state(0)
        await ROOM.claimed(cast("Any", self.database), 0, self.state)
        if self.looks_up_all:
            self.state.stored = StoredOrders()

    async def take(self, log: Sequence[Entry], count: int, *, thorough: bool = False) -> None:
        position = self.database.position
        batch = log[position : position + count]
        messages = [message for message, _ in batch]
        await ROOM.load(cast("Any", self.database), [(self.state, messages)], thorough=thorough)
        outputs = [outcomes(self.state, message, at_ms) for message, at_ms in batch]
        at_ms = batch[-1][1]
        try:
            self.database.save(ROOM.close_batch(self.state, at_ms), at_ms, position + len(batch))
        except UniqueViolationError:
            assert not thorough
            await self.claim()
            await self.take(log, count, thorough=True)
        else:
            self.outcomes |= dict(enumerate(outputs, start=position))


def outcomes(state: OrderKeyedState[Order], message: m.Message, at_ms: int) -> list[str]:
    try:
        return list(map(repr, ROOM.decide(state, message, at_ms)))
    except RefusedError as refusal:
        return [repr(refusal)]


def log_of(dice: random.Random) -> list[Entry]:
    """Return what a few orders may hear, one among the other."""
    orders = [new_order_id(NOW_MS + dice.choice(DATED_MS)) for _ in range(dice.randint(1, 6))]
    state, log = ROOM.new_state(0), list[Entry]()
    for number in range(dice.randint(5, 40)):
        order_id, at_ms = dice.choice(orders), NOW_MS + number * STEP_MS
        while type(drawn := likely(state.by_order.get(order_id, Order(order_id)), dice)) is m.EndWaits:
            pass
        message = msgspec.structs.replace(drawn, order_id=order_id)
        outcomes(state, message, at_ms)
        log.append((message, at_ms))
    return log


async def played(seed: int, *, looks_up_all: bool = False) -> tuple[list[Entry], Owner]:
    """Play a log to its end, whatever happens meanwhile."""
    dice = random.Random(seed)
    log, database = log_of(dice), Database()
    owner, backups = Owner(database, looks_up_all=looks_up_all), [deepcopy(database.__dict__)]
    await owner.claim()
    restores = 2
    while database.position < len(log):
        await owner.take(log, dice.randint(1, 5))
        backups.append(deepcopy(database.__dict__))
        event = dice.random()
        if event < 0.3:
            ROOM.forget(owner.state)
        elif event < 0.5:
            await owner.claim()
        elif event < 0.6 and restores:
            restores -= 1
            looked_up = database.looked_up
            database.__dict__.update(deepcopy(dice.choice(backups)))
            database.looked_up = looked_up
            await owner.claim()
    return log, owner


def differs(seed: int) -> bool:
    """Tell whether an owner decides otherwise than one that remembers everything."""
    log, owner = asyncio.run(played(seed))
    state = ROOM.new_state(0)
    remembered = [outcomes(state, message, at_ms) for message, at_ms in log]
    return [owner.outcomes[number] for number in range(len(log))] != remembered


def test_it_decides_as_one_that_remembers_everything() -> None:
    assert [seed for seed in range(CASES) if differs(seed)] == []


def test_it_looks_up_less() -> None:
    spared, usual = (
        sum(asyncio.run(played(seed, looks_up_all=whole))[1].database.looked_up for seed in range(100))
        for whole in (False, True)
    )
    assert spared < usual


def forget_what_is_ahead(stored: StoredOrders, at_ms: int, in_memory: Iterable[str]) -> None:
    stored.begin(at_ms, ())


def look_at_nothing_ahead(stored: StoredOrders, at_ms: int, ahead: Iterable[str]) -> None:
    stored._horizon = id_time(at_ms)


def forget_nothing_of_the_horizon(stored: StoredOrders, at_ms: int, in_memory: Iterable[str]) -> None:
    """Take the memory's time for that of the claim still."""


@pytest.mark.parametrize(
    ("name", "careless"),
    [
        ("forget", forget_what_is_ahead),
        ("begin", look_at_nothing_ahead),
        ("forget", forget_nothing_of_the_horizon),
    ],
)
def test_a_careless_owner_is_caught(name: str, careless: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StoredOrders, name, careless)
    assert any(differs(seed) for seed in range(CAUGHT_WITHIN))


def test_where_many_are_dated_ahead_the_horizon_moves_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_orders, "MOST_AHEAD", 2)
    ahead = [new_order_id(NOW_MS + number) for number in (1, 2, 3)]
    unknown = [new_order_id(NOW_MS + number) for number in (0, 1, 3, 4)]
    few, many = StoredOrders(), StoredOrders()
    assert all(map(few.may_have, unknown))
    few.begin(NOW_MS, ahead[:2])
    assert list(map(few.may_have, [*ahead, *unknown])) == [True, True, False, True, False, False, False]
    many.begin(NOW_MS, ahead)
    assert list(map(many.may_have, [*ahead, *unknown])) == [True, True, True, True, True, True, False]


def test_the_last_id_of_a_time_sorts_behind_its_ids_only() -> None:
    assert new_order_id(NOW_MS) < last_id(NOW_MS) < new_order_id(NOW_MS + 1)
