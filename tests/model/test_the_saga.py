"""The whole saga under random schedules; `python -m tests.model` plays as many more cases as one has patience for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from schemas import messages as m
from tests.model.dice import Pick, recorded, scripted, seeded
from tests.model.facts import facts_of
from tests.model.faults import PLANTED
from tests.model.orders import sendings
from tests.model.play import play
from tests.model.reloading import RELOADING
from tests.model.rooms import Rooms
from tests.model.shop import Shop
from tests.model.verdict import judge_before_time_passes
from tests.samples import samples
from topology.saga import OF_ANY_RECORD
from topology.states import CLOSED_ORDER_STATES, SETTLED_PAYMENT_STATES, FulfilmentState
from topology.topics import ORDER_EVENTS

SEED = 20_240_607
ENOUGH_CASES = samples(6_000)


@pytest.mark.timeout(600)  # it is all computing, and others may compute beside it
def test_no_schedule_breaks_an_invariant() -> None:
    failure = play(SEED, range(ENOUGH_CASES)).failure
    assert failure is None, str(failure)


@pytest.mark.release
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    played = play(SEED, range(10_000), PLANTED[fault])
    assert played.failure is not None, f"{fault}, and {played.cases} cases did not show it"


def test_the_story_of_a_failure_is_short_and_names_what_to_run_again() -> None:
    failure = play(SEED, range(10_000), PLANTED["an undo is lost"]).failure
    assert failure is not None
    assert len(failure.story) < 60
    assert f"--seed {SEED} --case {failure.case}" in str(failure)


def story_of(pick: Pick, rooms: Rooms | None = None) -> list[str]:
    story: list[str] = []
    shop = Shop(pick, sendings(pick), rooms or Rooms(), story.append)
    shop.run()
    shop.let_all_time_pass()
    return story


def test_a_case_depends_on_nothing_but_its_seed() -> None:
    assert story_of(seeded(SEED)) == story_of(seeded(SEED))


def test_written_down_choices_lead_to_the_same_story() -> None:
    choices: list[int] = []
    assert story_of(recorded(seeded(SEED), choices)) == story_of(scripted(choices))


def test_a_room_that_reloads_its_state_publishes_what_one_that_keeps_it_publishes() -> None:
    for case in range(200):
        assert story_of(seeded(SEED + case)) == story_of(seeded(SEED + case), RELOADING), f"case {case}"


def test_the_cases_reach_every_end_every_wait_and_every_kind_of_trouble() -> None:
    """Without this the model could be silent because nothing ever happened in it."""
    missing = {
        *(("order", state) for state in CLOSED_ORDER_STATES),
        *(("payment", state) for state in SETTLED_PAYMENT_STATES),
        *(("fulfilment", state) for state in (FulfilmentState.CANCELLED, FulfilmentState.DELIVERED, FulfilmentState.SHIPPED)),
        *(("event", kind) for kind in {*ORDER_EVENTS.carries} - {m.OrderShipped} - OF_ANY_RECORD),
        *(("wait", name) for name in WAITS),
        *(("reason", reason) for reason in REASONS),
    }  # fmt: skip
    for case in range(3_000):
        missing -= set(reached(seeded(SEED + case)))
        if not missing:
            return
    raise AssertionError(f"no case reached {missing}")


def reached(pick: Pick) -> Iterator[tuple[str, object]]:
    """Yield what a case comes to, by its kind."""
    shop = Shop(pick, sendings(pick), Rooms())
    shop.run()
    yield from (("wait", name) for name in judge_before_time_passes(shop.end))
    shop.let_all_time_pass()
    for facts in facts_of(shop.end).values():
        yield from (("event", kind) for kind in facts.published)
        if facts.order is not None:
            yield from (("order", facts.order.state), ("reason", facts.order.reason))
        if facts.payment is not None:
            yield "payment", facts.payment.state
    for (room, _), owner in shop.owners.items():
        if room == "fulfilment":
            yield from (("fulfilment", fulfilment.state) for fulfilment in owner.state.by_order.values())


WAITS: Final = {
    "a_person",
    "a_return_to_be_decided",
    "delivery",
    "goods_sent_back",
    "missing_lines",
    "missing_lines_or_the_end_of_holds",
    "shipment",
    "the_customers_confirmation",
    "the_end_of_a_dispute",
}
REASONS: Final = {
    "",
    "capture_failed",
    "changed my mind",
    "committed_unasked",
    "hold_released",
    "incomplete",
    "inconsistent_header",
    "insufficient_stock",
    "invalid_currency",
    "invalid_quantity",
    "line_released",
    "line_returned",
    "not_complete_in_time",
    "not_shipped_in_time",
    "nothing_left_to_ship",
    "payment_declined",
    "payment_timeout",
    "purchase_limit",
    "replaced",
    "sale_suspended",
    "sku_retired",
    "unknown_sku",
}
