"""The whole saga under random schedules; `python -m tests.model` plays as many more cases as one has patience for."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from typing_extensions import override

from consumers.orders import store
from consumers.orders.room import OrdersRoom
from consumers.orders.store import OrderBook
from schemas import messages as m
from tests.model.dice import Pick, recorded, scripted, seeded
from tests.model.faults import PLANTED
from tests.model.orders import sendings
from tests.model.play import play
from tests.model.shop import Rooms, Shop
from topology.states import FINAL_ORDER_STATES, OrderState

SEED = 20_240_607
ENOUGH_CASES = 8_000
"""About five seconds on one core."""


def test_no_schedule_breaks_an_invariant() -> None:
    failure = play(SEED, range(ENOUGH_CASES)).failure
    assert failure is None, str(failure)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    played = play(SEED, range(10_000), PLANTED[fault])
    assert played.failure is not None, f"{fault}, and {played.cases} cases did not show it"


def test_the_story_of_a_failure_is_short_and_names_what_to_run_again() -> None:
    failure = play(SEED, range(10_000), PLANTED["an undo is lost"]).failure
    assert failure is not None
    assert len(failure.story) < 60
    assert f"--seed {SEED} --case {failure.case}" in str(failure)


class LoadsItsOrders(OrdersRoom):
    """Reads every order back from what is stored of it, after every fact."""

    @override
    def decide(self, state: OrderBook, message: m.Message, at_ms: int) -> Iterable[m.Message]:
        said = list(super().decide(state, message, at_ms))
        for order in state.orders.values():
            order.lines = store._decode_lines(store._encode(order.lines))
        return said


def told(pick: Pick, rooms: Rooms | None = None) -> list[str]:
    story: list[str] = []
    Shop(pick, sendings(pick), rooms or Rooms(), story.append).run()
    return story


def test_a_case_depends_on_nothing_but_its_seed() -> None:
    assert told(seeded(SEED)) == told(seeded(SEED))


def test_written_down_choices_lead_to_the_same_story() -> None:
    choices: list[int] = []
    assert told(recorded(seeded(SEED), choices)) == told(scripted(choices))


def test_orders_that_were_loaded_say_what_orders_in_memory_say() -> None:
    for case in range(200):
        assert told(seeded(SEED + case)) == told(seeded(SEED + case), Rooms(orders=LoadsItsOrders()))


def test_the_cases_reach_every_end_and_more_than_one_kind_of_trouble() -> None:
    """Without these the model could be silent because nothing ever happened in it."""
    ends: set[OrderState] = set()
    reasons: set[str] = set()
    for case in range(2_000):
        pick = seeded(SEED + case)
        shop = Shop(pick, sendings(pick), Rooms())
        shop.run()
        shop.expire_everything()
        for book in shop.orders:
            ends |= {order.state for order in book.orders.values()}
            reasons |= {order.reason for order in book.orders.values()}
    assert ends == FINAL_ORDER_STATES
    assert reasons >= {
        "",
        "insufficient_stock",
        "incomplete",
        "payment_declined",
        "capture_failed",
        "inconsistent_header",
        "line_released",
        "committed_unasked",
        "invalid_quantity",
        "hold_released",
        "replaced",
        "purchase_limit",
        "sale_suspended",
        "sku_retired",
    }
