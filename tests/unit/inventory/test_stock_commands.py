from typing import Any

import pytest

from consumers.inventory.state import QuarantineCleared, SaleRulesChanged, StockAdjusted
from tests.given_when_then import (
    AdjustStock,
    B,
    ClearQuarantine,
    LineCommandRefused,
    LineCommitted,
    LineRejected,
    LineReserved,
    LineReturned,
    LineShipped,
    PlaceOrderLine,
    ResumeSale,
    RetireSku,
    ReturnLine,
    ShipLine,
    SuspendSale,
)
from tests.unit.inventory.dsl import (
    ALLOCATED,
    QUARANTINED,
    given,
    level,
    received,
    ruled,
    stock,
    then,
    then_refused,
    then_refused_for_good,
    when,
)

SHIPPED = (*ALLOCATED, LineShipped(quantity=2))


# --- ship ---------------------------------------------------------------------------------------------------------------


def test_an_allocated_line_is_shipped_whole() -> None:
    given(*ALLOCATED)
    when(ShipLine())
    then(LineShipped(quantity=2))


def test_what_is_shipped_is_on_hand_no_longer() -> None:
    given(*SHIPPED)
    assert level() == (3, 0, 0, 0)


def test_a_second_shipment_is_refused_because_the_line_has_left() -> None:
    given(*SHIPPED)
    when(ShipLine())
    then(LineCommandRefused(command="ShipLine", reason="already_shipped"))


@pytest.mark.parametrize("ends", [(), (LineCommitted(), LineReturned())], ids=["held", "returned"])
def test_what_is_not_allocated_cannot_be_shipped(ends: tuple[object, ...]) -> None:
    given(stock(on_hand=1), LineReserved(), *ends)
    when(ShipLine())
    then(LineCommandRefused(command="ShipLine", reason="not_committed"))


# --- return -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [ALLOCATED, SHIPPED], ids=["allocated", "shipped"])
@pytest.mark.parametrize("disposition", ["available", "quarantine"])
def test_a_line_comes_back_according_to_its_disposition(history: tuple[object, ...], disposition: str) -> None:
    given(*history)
    when(ReturnLine(disposition=disposition))
    then(LineReturned(quantity=2, disposition=disposition))


@pytest.mark.parametrize("history", [ALLOCATED, SHIPPED], ids=["allocated", "shipped"])
@pytest.mark.parametrize(("disposition", "quarantined"), [("available", 0), ("quarantine", 2)])
def test_what_came_back_is_on_hand_once(history: tuple[object, ...], disposition: str, quarantined: int) -> None:
    given(*history, LineReturned(quantity=2, disposition=disposition))
    assert level() == (5, 0, 0, quarantined)


def test_units_in_quarantine_are_not_for_sale() -> None:
    given(*QUARANTINED)
    when(PlaceOrderLine(order_id=B, quantity=4))
    then(LineRejected(order_id=B, quantity=4, demand=4, available=3, reason="insufficient_stock"))


def test_nobody_returns_units_to_where_there_is_no_such_place() -> None:
    given(*ALLOCATED)
    when(ReturnLine(disposition="the garden"))
    then_refused("invalid_disposition")


# --- clear quarantine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("disposition", "after"), [("available", (5, 0, 0, 1)), ("scrap", (4, 0, 0, 1))])
def test_quarantined_units_are_sold_again_or_written_off(disposition: str, after: tuple[int, ...]) -> None:
    given(*QUARANTINED)
    when(ClearQuarantine(command_id="c", quantity=1, disposition=disposition))
    cleared = QuarantineCleared("c", "MUG", 1, disposition)
    then(cleared)
    given(*QUARANTINED, cleared)
    assert level() == after


def test_more_than_is_quarantined_is_refused_with_the_figures() -> None:
    given(*QUARANTINED)
    when(ClearQuarantine(command_id="c", quantity=3))
    then_refused_for_good("c", "ClearQuarantine", "3 units asked for, 2 are quarantined")


def test_quarantine_is_not_cleared_into_nowhere() -> None:
    given(*QUARANTINED)
    when(ClearQuarantine(disposition="quarantine"))
    then_refused("invalid_disposition")


# --- adjust -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [1, -1, -3])
def test_a_count_is_corrected_by_what_nobody_was_promised(change: int) -> None:
    given(*ALLOCATED)
    when(AdjustStock(command_id="a", change=change, reason="counted"))
    then(StockAdjusted("a", "MUG", change, "counted"))


def test_what_is_promised_is_not_counted_away_and_the_refusal_names_what_is() -> None:
    given(*QUARANTINED, LineReserved(order_id=B))
    when(AdjustStock(command_id="a", change=-3))
    then_refused_for_good(
        "a", "AdjustStock", "on_hand 5 -3 would be less than reserved 1 + allocated 0 + quarantined 2"
    )


@pytest.mark.parametrize("change", [0, 1_000_001, -1_000_001])
def test_an_adjustment_by_nothing_or_too_much_is_no_adjustment(change: int) -> None:
    given(*ALLOCATED)
    when(AdjustStock(change=change))
    then_refused("invalid_quantity")


def test_a_correction_without_a_reason_is_refused() -> None:
    given(*ALLOCATED)
    when(AdjustStock(change=1, reason=""))
    then_refused("invalid_text")


# --- sale ---------------------------------------------------------------------------------------------------------------


def test_a_suspended_sku_is_not_sold() -> None:
    given(stock(on_hand=5), ruled("suspension"))
    when(PlaceOrderLine())
    then(LineRejected(demand=1, available=5, reason="sale_suspended"))


def test_a_resumed_sku_is_sold_again() -> None:
    given(stock(on_hand=5), ruled("suspension", "s1"), ruled("resumption", "s2"))
    when(PlaceOrderLine())
    then(LineReserved())


def test_suspending_and_resuming_are_written_down() -> None:
    given(stock(on_hand=5))
    when(SuspendSale(command_id="s", reason="recall"))
    then(SaleRulesChanged("s", "MUG", "suspension", "recall"))
    when(ResumeSale(command_id="s"))
    then(SaleRulesChanged("s", "MUG", "resumption"))


def test_a_sale_is_not_suspended_without_a_reason() -> None:
    given()
    when(SuspendSale(reason=""))
    then_refused("invalid_text")


# --- retire -------------------------------------------------------------------------------------------------------------


def test_a_sku_of_which_nothing_is_left_is_retired_and_not_sold() -> None:
    given(*ALLOCATED, LineShipped(quantity=2), StockAdjusted("a", "MUG", -3, "lost"))
    when(RetireSku(command_id="r"))
    then(SaleRulesChanged("r", "MUG", "retirement"))
    given(ruled("retirement"))
    when(PlaceOrderLine())
    then(LineRejected(demand=1, available=0, reason="sku_retired"))


def test_a_sku_with_units_is_not_retired() -> None:
    given(*ALLOCATED)
    when(RetireSku(command_id="r"))
    then_refused_for_good("r", "RetireSku", "5 units are still on hand; sell them or adjust the stock to 0 first")


@pytest.mark.parametrize(
    "comes_in",
    [received("d2", "MUG", 2), StockAdjusted("a2", "MUG", 2, "found"), LineReturned(quantity=2)],
    ids=["received", "found", "returned"],
)
def test_a_retired_sku_is_sold_again_as_soon_as_units_come_in(comes_in: Any) -> None:
    given(*SHIPPED, StockAdjusted("a", "MUG", -3, "lost"), ruled("retirement"), comes_in)
    when(PlaceOrderLine(order_id=B, quantity=2))
    then(LineReserved(order_id=B, quantity=2))
