"""What all stock commands have in common."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from consumers.inventory.state import QuarantineCleared, SaleRulesChanged, StockAdjusted, StockReceived
from schemas import messages as m
from schemas.ids import order_id_ms
from schemas.limits import ORDER_ID_AHEAD_MS, ORDER_ID_WINDOW_MS
from tests.given_when_then import (
    A,
    AdjustStock,
    ClearQuarantine,
    LineCommitted,
    LineReserved,
    LineReturned,
    PlaceOrderLine,
    ReceiveStock,
    ResumeSale,
    RetireSku,
    SetPurchaseLimit,
    SuspendSale,
)
from tests.unit.inventory.dsl import (
    QUARANTINED,
    given,
    limited,
    received,
    refused,
    stock,
    story,
    then,
    then_refused,
    then_refused_for_good,
    when,
)

STOCK_COMMANDS = [ReceiveStock, AdjustStock, ClearQuarantine, SetPurchaseLimit, SuspendSale, ResumeSale, RetireSku]
TWICE: list[tuple[m.SkuCommand, Any, dict[str, Any]]] = [
    (ReceiveStock(quantity=9), StockReceived("delivery-1", "MUG", 9), {"quantity": 8}),
    (AdjustStock(change=-1), StockAdjusted("delivery-1", "MUG", -1, "because"), {"change": -2}),
    (AdjustStock(change=-1), StockAdjusted("delivery-1", "MUG", -1, "because"), {"reason": "counted"}),
    (ClearQuarantine(), QuarantineCleared("delivery-1", "MUG", 1, "available"), {"quantity": 2}),
    (ClearQuarantine(), QuarantineCleared("delivery-1", "MUG", 1, "available"), {"disposition": "scrap"}),
    (SetPurchaseLimit(limit=2), SaleRulesChanged("delivery-1", "MUG", "purchase_limit", limit=2), {"limit": 3}),
    (SuspendSale(), SaleRulesChanged("delivery-1", "MUG", "suspension", "because"), {"reason": "recall"}),
]


@pytest.mark.parametrize(("command", "event", "other"), TWICE, ids=str)
def test_a_stock_command_takes_effect_once_and_its_id_stands_for_nothing_else(
    command: m.SkuCommand, event: Any, other: dict[str, Any]
) -> None:
    given(*QUARANTINED, event)
    when(command)
    then()
    when(msgspec.structs.replace(command, **other))
    then_refused("conflicting_duplicate")
    assert "delivery-1 stands for" in str(story.outcomes)


@pytest.mark.parametrize("command", [ResumeSale(), RetireSku(), ReceiveStock(quantity=9)], ids=str)
def test_an_id_that_stands_for_another_kind_of_command_is_refused(command: m.SkuCommand) -> None:
    given(stock(on_hand=9), SaleRulesChanged("delivery-1", "MUG", "suspension", "because"))
    when(command)
    then_refused("conflicting_duplicate")


def test_a_flag_that_changes_nothing_is_no_other_content() -> None:
    given(stock(on_hand=9), limited(2, "limit"))
    when(SetPurchaseLimit(command_id="limit", limit=2, even_if_unknown=1))
    then()


@pytest.mark.parametrize("command", [AdjustStock, ClearQuarantine, RetireSku])
def test_what_was_refused_stays_refused_when_it_could_be_done_now(command: Callable[..., Any]) -> None:
    given(refused("twice"), *QUARANTINED[:1])
    when(_any(command, command_id="twice"))
    then_refused(f"{type(_any(command)).__name__}_refused")
    assert "twice stays refused: AdjustStock: there was a reason" in str(story.outcomes)


# --- what never had stock, and what looks like something else -----------------------------------------------------------


@pytest.mark.parametrize("command", [SetPurchaseLimit, SuspendSale, ResumeSale, RetireSku])
def test_a_rule_for_a_sku_that_never_had_stock_is_refused(command: Callable[..., Any]) -> None:
    given(stock("TEE", on_hand=1))
    when(command(command_id="r"))
    kind = type(command()).__name__
    then_refused_for_good("r", kind, "unknown_sku: no stock of it ever came in")


@pytest.mark.parametrize("command", [SetPurchaseLimit, SuspendSale])
def test_a_rule_may_come_before_the_stock_where_that_is_asked_for(command: Callable[..., Any]) -> None:
    given()
    when(command(command_id="r", even_if_unknown=1))
    outcomes = story.outcomes
    assert isinstance(outcomes, list)
    assert [type(each) for each in outcomes] == [SaleRulesChanged]
    given(*outcomes)
    when(ResumeSale(command_id="again"))
    then(SaleRulesChanged("again", "MUG", "resumption"))


@pytest.mark.parametrize("sku", ["WS ", " WS", "W\u200bS", "cafe\u0301"])
def test_no_stock_of_a_name_that_looks_like_another_comes_in(sku: str) -> None:
    for command in (ReceiveStock(sku=sku), AdjustStock(sku=sku, change=1), SuspendSale(sku=sku, even_if_unknown=1)):
        given(stock("WS", on_hand=5))
        when(command)
        then_refused("invalid_text")


def test_stock_of_such_a_name_from_before_can_still_be_adjusted_away_and_retired_and_nothing_else() -> None:
    given(stock("WS ", on_hand=2))
    for refused_now in (ReceiveStock(sku="WS "), PlaceOrderLine(sku="WS ")):
        when(refused_now)
        then_refused("invalid_text")
    when(AdjustStock(command_id="away", sku="WS ", change=-2, reason="renamed"))
    gone = StockAdjusted("away", "WS ", -2, "renamed")
    then(gone)
    given(stock("WS ", on_hand=2), gone)
    when(RetireSku(command_id="end", sku="WS "))
    then(SaleRulesChanged("end", "WS ", "retirement"))


def test_units_of_such_a_name_in_quarantine_can_be_written_off() -> None:
    line = {"sku": "WS ", "quantity": 1}
    given(
        stock("WS ", on_hand=1),
        LineReserved(**line),
        LineCommitted(**line),
        LineReturned(**line, disposition="quarantine"),
    )
    when(ClearQuarantine(command_id="c", sku="WS ", disposition="scrap"))
    then(QuarantineCleared("c", "WS ", 1, "scrap"))


@pytest.mark.parametrize("command", STOCK_COMMANDS)
@pytest.mark.parametrize("wrong", [{"command_id": ""}, {"command_id": "x" * 201}, {"sku": ""}, {"sku": "a\tb"}])
def test_a_stock_command_without_a_name_is_refused(command: Callable[..., Any], wrong: dict[str, str]) -> None:
    given()
    when(_any(command, **wrong))
    then_refused("invalid_text")


@pytest.mark.parametrize("command", STOCK_COMMANDS)
@pytest.mark.parametrize("kind", ["shipment", "return"])
def test_no_stock_command_takes_the_place_of_a_line_in_the_ledger(command: Callable[..., Any], kind: str) -> None:
    given()
    when(_any(command, command_id=f"{A}/1/{kind}"))
    then_refused("reserved_command_id")


@pytest.mark.parametrize("limit", [-1, 1_000_001])
def test_a_purchase_limit_is_a_number_of_units(limit: int) -> None:
    given()
    when(SetPurchaseLimit(limit=limit))
    then_refused("invalid_quantity")


def _any(command: Callable[..., Any], **fields: Any) -> Any:
    return command(**{"change": 1} if command is AdjustStock else {}, **fields)


# --- the window of command ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", STOCK_COMMANDS)
@pytest.mark.parametrize("name", [A, f"adjust/{A}"])
def test_a_command_under_a_uuid_is_decided_in_exactly_its_window(command: Callable[..., Any], name: str) -> None:
    made_ms = order_id_ms(A)
    stock_command = command(command_id=name, **({"change": 1} if command is AdjustStock else {}))
    for at_ms in (made_ms - ORDER_ID_AHEAD_MS - 1, made_ms + ORDER_ID_WINDOW_MS + 1):
        given(stock(on_hand=0))
        when(stock_command, at_ms=at_ms)
        then_refused("command_id_outside_window")
    for at_ms in (made_ms - ORDER_ID_AHEAD_MS, made_ms + ORDER_ID_WINDOW_MS):
        given(stock(on_hand=0))
        when(stock_command, at_ms=at_ms)
        assert getattr(story.outcomes, "reason", "") != "command_id_outside_window"


@pytest.mark.parametrize("name", ["delivery-4711", f"delivery/1/{A}", f"{A}/1/MUG", f"{A}x", A.upper()])
def test_a_command_that_only_has_a_name_is_remembered_for_ever(name: str) -> None:
    given(stock(on_hand=1), received(name))
    when(ReceiveStock(command_id=name, quantity=1), at_ms=order_id_ms(A) + 10 * ORDER_ID_WINDOW_MS)
    then()
