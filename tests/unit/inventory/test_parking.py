"""What waits behind a dead letter of a SKU, and how it is let through: in order, once, and nothing else with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumers.errors import RefusedError
from consumers.inventory.parking import Parking, place_in_words, read_place, read_stored, stored
from consumers.inventory.state import Ledger, ParkingChanged, RecordParked, StockReceived
from schemas import messages as m
from tests.given_when_then import (
    NOW_MS,
    AdjustStock,
    B,
    C,
    ClearQuarantine,
    CommitLine,
    LineReserved,
    PlaceOrderLine,
    ReceiveStock,
    ReleaseLine,
    RetireSku,
    SetPurchaseLimit,
    SuspendSale,
)
from tests.samples import samples
from tests.unit.inventory.commands import SKUS, Entry, logs, outcomes_of
from tests.unit.inventory.dsl import given, ruled, stock, story, then, then_refused, when

PARK = m.ParkSku("park", "MUG", "mended soon")
PARKED = ParkingChanged("park", "MUG", "parking", "mended soon")
ARMED = ParkingChanged("park", "MUG", "arming", "mended soon")
OPENED = ParkingChanged("open", "MUG", "release", "1 after 0 of park", 1)
ENDED = ParkingChanged("end", "MUG", "end of release", "park")
WAITS = RecordParked("MUG")
WAITS_FOR_ALL = (m.PlaceOrderLine, m.ReceiveStock, m.AdjustStock, m.ClearQuarantine, m.SetPurchaseLimit)


def release(released: int = 0, count: int = 1, by: str = "park") -> m.ReleaseParked:
    return m.ReleaseParked("open", "MUG", by, released, count)


def outcomes() -> list[Any]:
    assert isinstance(story.outcomes, list)
    return story.outcomes


def then_it_waits(number: int = 1) -> None:
    counted, letter = outcomes()
    assert counted == WAITS
    assert isinstance(letter, RefusedError)
    assert (letter.reason, read_place(letter.detail)) == ("parked", (number, "park"))


def parking() -> Parking | None:
    parked: Parking | None = story.state.stock("MUG").parking
    return parked


WAITING = [
    PlaceOrderLine(order_id=B),
    ReceiveStock(command_id="r", quantity=1),
    AdjustStock(command_id="a", change=-1),
    AdjustStock(command_id="a", change=-99),
    ClearQuarantine(command_id="q", quantity=1),
    SetPurchaseLimit(command_id="l", limit=1),
    RetireSku(command_id="end"),
]


@pytest.mark.parametrize("command", WAITING, ids=lambda command: type(command).__name__)
def test_what_the_outside_asks_of_a_parked_sku_waits_with_its_number(command: m.Message) -> None:
    given(stock(on_hand=5), PARKED)
    when(command)
    then_it_waits()
    given(stock(on_hand=5), PARKED, WAITS, WAITS)
    when(command)
    then_it_waits(3)


@pytest.mark.parametrize("before", [[], [ARMED]], ids=["not parked", "armed"])
def test_what_is_not_parked_waits_for_nothing(before: list[Any]) -> None:
    given(stock(on_hand=5), *before)
    when(ReceiveStock(command_id="r", quantity=1))
    then(StockReceived("r", "MUG", 1))
    when(PlaceOrderLine(order_id=B))
    assert isinstance(outcomes()[0], m.LineReserved)


def test_orders_that_were_decided_go_on_while_their_sku_is_parked() -> None:
    given(stock(on_hand=5), LineReserved(), PARKED)
    when(CommitLine())
    assert isinstance(outcomes()[0], m.LineCommitted)
    when(ReleaseLine())
    assert isinstance(outcomes()[0], m.LineReleased)
    when(PlaceOrderLine())
    assert isinstance(outcomes()[0], m.LineRepeated)


def test_a_line_that_makes_no_sense_or_is_off_sale_is_rejected_and_waits_for_nothing() -> None:
    given(stock(on_hand=5), PARKED)
    when(PlaceOrderLine(order_id=B, quantity=0))
    assert outcomes()[0].reason == "invalid_quantity"
    when(SuspendSale(command_id="s"))
    assert len(outcomes()) == 1
    given(stock(on_hand=5), PARKED, ruled("suspension", "s"))
    when(PlaceOrderLine(order_id=B))
    assert outcomes()[0].reason == "sale_suspended"


def test_what_waited_is_decided_as_it_stood_although_the_sale_was_suspended_since() -> None:
    given(stock(on_hand=5), PARKED, WAITS, ruled("suspension", "s"), OPENED)
    when(PlaceOrderLine(order_id=B))
    assert isinstance(outcomes()[0], m.LineReserved)
    given(stock(on_hand=5), PARKED, WAITS, ruled("suspension", "s"), OPENED, ENDED)
    when(PlaceOrderLine(order_id=C))
    assert outcomes()[0].reason == "sale_suspended"


def test_a_repeat_of_what_was_decided_does_not_wait() -> None:
    given(stock(on_hand=5), StockReceived("r", "MUG", 1), PARKED)
    when(ReceiveStock(command_id="r", quantity=1))
    then()
    when(ReceiveStock(command_id="r", quantity=2))
    then_refused("conflicting_duplicate")


def test_a_sku_is_free_once_all_that_waited_was_let_through() -> None:
    given(stock(on_hand=5), PARKED, WAITS, WAITS)
    when(release(count=1))
    then(OPENED)
    given(stock(on_hand=5), PARKED, WAITS, WAITS, OPENED)
    assert parking() == Parking("park", counted=2, released=1, is_open=True)
    when(m.EndRelease("end", "MUG", "park"))
    then(ENDED)
    given(stock(on_hand=5), PARKED, WAITS, WAITS, OPENED, ENDED)
    assert parking() == Parking("park", counted=2, released=1)
    when(PlaceOrderLine(order_id=B))
    then_it_waits(3)
    given(stock(on_hand=5), PARKED, WAITS, OPENED, ENDED)
    assert parking() is None
    when(PlaceOrderLine(order_id=B))
    assert isinstance(outcomes()[0], m.LineReserved)


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ([], release()),
        ([PARKED, WAITS], release(released=1)),
        ([PARKED, WAITS], release(count=2)),
        ([PARKED, WAITS], release(by="another")),
        ([PARKED, WAITS, WAITS, OPENED], m.ReleaseParked("again", "MUG", "park", 1, 1)),
        ([PARKED, WAITS], m.EndRelease("end", "MUG", "park")),
        ([], m.EndRelease("end", "MUG", "park")),
        ([PARKED], m.ParkSku("another", "MUG", "why not")),
        ([PARKED], m.ParkSku("another", "MUG", "why not", 1)),
        (
            [ARMED, ParkingChanged("open", "MUG", "release", "0 after 0 of park")],
            m.ParkSku("another", "MUG", "why not"),
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(before: list[Any], command: m.SkuCommand) -> None:
    given(stock(on_hand=5), *before)
    was = parking()
    when(command)
    assert [getattr(outcome, "reason", "") for outcome in outcomes()][1:] == [f"{type(command).__name__}_refused"]
    assert parking() == was


def test_an_armed_sku_can_be_parked_at_once_and_an_unknown_one_not_at_all() -> None:
    given(stock(on_hand=5), ARMED)
    when(m.ParkSku("now", "MUG", "mended soon"))
    then(ParkingChanged("now", "MUG", "parking", "mended soon"))
    given()
    when(PARK)
    assert outcomes()[1].reason == "ParkSku_refused"


def test_the_stored_form_and_the_words_are_read_as_they_were_written() -> None:
    full = Parking('p "1"', is_armed=True, counted=9, released=2, is_open=True)
    assert read_stored(stored(full)) == full
    assert read_stored(stored(None)) is None
    assert read_place(place_in_words(full)) == (10, 'p "1"')
    assert read_place("number x of those that wait") is None


# --- any log ------------------------------------------------------------------------------------------------------------


def _asked(log: list[Entry]) -> list[m.Message]:
    """Return what the outside asks in a log, but for what is never held back."""
    return [command for command, _ in log if isinstance(command, WAITS_FOR_ALL)]


def _plain(outcomes: list[Any]) -> list[Any]:
    """Return outcomes without the figures that tell what else was decided before."""
    return [
        (type(each), getattr(each, "reason", ""), getattr(each, "order_id", ""), getattr(each, "quantity", 0))
        for each in outcomes
    ]


@settings(max_examples=samples(200), deadline=None, derandomize=True)
@hypothesis_given(logs(), st.integers(1, 4))
def test_what_waited_is_decided_as_it_would_have_been(log: list[Entry], round_size: int) -> None:
    asked, free, held = _asked(log), Ledger(0), Ledger(0)
    for ledger in (free, held):
        for sku in SKUS:
            outcomes_of(ledger, m.ReceiveStock(f"first-{sku}", sku, 5), NOW_MS)
    directly = [outcomes_of(free, command, NOW_MS) for command in asked]
    for sku in SKUS:
        outcomes_of(held, m.ParkSku(f"park-{sku}", sku, "poisoned"), NOW_MS)
    waiting: dict[str, list[tuple[int, m.Message]]] = {sku: [] for sku in SKUS}
    later: dict[int, list[Any]] = {}
    for place, command in enumerate(asked):
        decided_now = outcomes_of(held, command, NOW_MS)
        if [getattr(each, "reason", "") for each in decided_now] == ["parked"]:
            waiting[command.sku].append((place, command))  # type: ignore[attr-defined]
        else:
            later[place] = decided_now
    for sku, queue in waiting.items():
        for first in range(0, len(queue), round_size):
            part = queue[first : first + round_size]
            outcomes_of(held, m.ReleaseParked(f"go-{sku}-{first}", sku, f"park-{sku}", first, len(part)), NOW_MS)
            later |= {place: outcomes_of(held, command, NOW_MS) for place, command in part}
            outcomes_of(held, m.EndRelease(f"end-{sku}-{first}", sku, f"park-{sku}"), NOW_MS)
    assert [_plain(later[place]) for place in range(len(asked))] == list(map(_plain, directly))
    assert all(held.stocks[sku].parking is None for sku in SKUS if waiting[sku])
    assert {sku: replace(stock, parking=None) for sku, stock in held.stocks.items()} == free.stocks
    assert held.holds == free.holds
