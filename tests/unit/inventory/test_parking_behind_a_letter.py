"""An armed SKU is parked by its next dead letter, whatever that is; the same in a replay and from the tables."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.inventory import store
from consumers.inventory.parking import Parking, read_stored, stored
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger, Stock
from consumers.runtime.deciding.decision import decide_records
from schemas import messages as m
from tests.given_when_then import NOW_MS, PlaceOrderLine
from tests.unit.runtime.records import ARecord

ROOM = InventoryRoom()
ARMED = Parking("park", is_armed=True)
POISON = RefusedError("not_wire_format", "no message")


def ledger(parking: Parking | None = ARMED) -> Ledger:
    filled = Ledger(0)
    filled.stocks["MUG"] = Stock(on_hand=5, parking=parking, is_known=True, is_stored=True)
    return filled


def decided(state: Ledger, *readings: Any, key: bytes | None = b"MUG") -> list[str]:
    records = [(ARecord(0, at, NOW_MS, key, b""), reading) for at, reading in enumerate(readings)]
    return [output.topic for output in decide_records(ROOM, state, "inventory.commands", records, NOW_MS)[0]]


@pytest.mark.parametrize(
    "poison",
    [POISON, m.ReceiveStock("r", "MUG", -1), m.AdjustStock("a", "MUG", -99, "counted")],
    ids=["unreadable", "malformed", "refused"],
)
def test_a_dead_letter_parks_and_what_comes_behind_waits(poison: Any) -> None:
    state = ledger()
    assert decided(state, PlaceOrderLine(), poison) == ["order.events", "dead.letters"]
    assert state.stocks["MUG"].parking == Parking("park")
    assert decided(state, m.ReceiveStock("more", "MUG", 1)) == ["dead.letters"]
    assert state.stocks["MUG"].parking == Parking("park", counted=1)
    levelled = ROOM.close_batch(state, NOW_MS).columns[-24:-15]
    assert read_stored(levelled[-1][0]) == Parking("park", counted=1)


@pytest.mark.parametrize("key", [b"TEE", None, b"\xff", b"MUG\0"])
def test_a_dead_letter_of_another_key_parks_nothing(key: bytes | None) -> None:
    state = ledger()
    decided(state, POISON, key=key)
    assert state.stocks["MUG"].parking == ARMED


def test_a_dead_letter_parks_nothing_where_nobody_asked_for_it() -> None:
    state = ledger(None)
    decided(state, POISON)
    assert state.stocks["MUG"].parking is None
    assert not state.before


class Rows:
    """The table of levels, as far as `load_parked` asks for it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def fetch(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        assert query == store.QUERIES["load_parked"]
        self.asked.append(arguments)
        return [("MUG", 5, 0, 0, 0, 0, False, False, stored(ARMED))]


def test_the_level_of_an_unreadable_records_key_is_loaded_once() -> None:
    state, rows = Ledger(0), Rows()
    for _ in range(2):
        asyncio.run(store.load_parked(rows, state, [b"MUG", b"\xff", b"x" * 2_000]))  # type: ignore[arg-type]
    assert rows.asked == [('{"MUG"}', 0)]
    decided(state, POISON)
    assert state.stocks["MUG"].parking == Parking("park")
