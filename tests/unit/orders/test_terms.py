"""Orders under terms of their own: ship_available goes on with what is there, capture_at_shipping is paid parcel by parcel."""

from typing import Any

import pytest

from consumers.orders.state import LineState
from schemas.messages import OrderedLine
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE
from tests.given_when_then import (
    CancelOrder,
    CommitLine,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineReleased,
    LineReturned,
    OrderCancelled,
    OrderPaid,
    OrderPlaced,
    OrderRejected,
    OrderReserved,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    ReleaseLine,
    ReturnLine,
)
from tests.unit.orders.dsl import (
    BOTH_TERMS,
    given,
    gone,
    held,
    lines,
    state,
    story,
    then,
    when,
)

MUG, TEE, NO_HAT = held(1, "MUG"), held(2, "TEE", quantity=2, unit_price_minor=700), gone(3, "HAT")
WITHOUT_HAT = (MUG, NO_HAT, TEE)
PLACED_WITHOUT_HAT = (*WITHOUT_HAT, PaymentAuthorized(), LineCommitted(line=1), LineCommitted(line=2, sku="TEE"))

# --- ship_available -------------------------------------------------------------------------------------------------------


def test_an_order_waits_until_every_line_is_answered() -> None:
    given(MUG)
    when(NO_HAT)
    then()
    given(NO_HAT)
    when(MUG)
    then()


@pytest.mark.parametrize("last", [0, 1, 2])
def test_an_order_goes_on_with_the_lines_that_are_there_for_what_they_cost(last: int) -> None:
    order = [MUG, TEE, NO_HAT]
    given(*(line for line in order if line is not order[last]))
    when(order[last])
    then(OrderReserved(line_count=2, amount_minor=500 + 2 * 700))


def test_an_order_of_which_nothing_is_there_is_rejected() -> None:
    given(gone(1, "MUG"), gone(2, "TEE"))
    when(NO_HAT)
    then(OrderRejected(reason="insufficient_stock"))
    given()
    when(gone(1, "MUG", line_count=1, reason="sale_suspended"))
    then(OrderRejected(reason="sale_suspended"))


@pytest.mark.parametrize("reason", ["purchase_limit", "sale_suspended", "sku_retired"])
def test_a_customers_limit_leaves_a_line_out_as_missing_stock_does(reason: str) -> None:
    given(MUG, TEE)
    when(gone(3, "HAT", reason=reason))
    then(OrderReserved(line_count=2, amount_minor=500 + 2 * 700))


@pytest.mark.parametrize("reason", ["invalid_quantity", "invalid_terms", "replaced", "order_id_outside_window"])
def test_an_order_does_not_go_on_without_a_line_that_was_wrong_or_replaced_by_a_later_checkout(reason: str) -> None:
    given(MUG)
    when(gone(3, "HAT", reason=reason))
    then(OrderRejected(reason=reason), ReleaseLine(line=1, sku="MUG", reason=reason))


@pytest.mark.parametrize("terms", ["", CAPTURE_AT_SHIPPING, "ship_available too"])
def test_under_other_terms_it_is_all_lines_or_none(terms: str) -> None:
    given(held(1, "MUG", terms=terms))
    when(gone(3, "HAT", terms=terms))
    then(OrderRejected(reason="insufficient_stock"), ReleaseLine(line=1, reason="insufficient_stock"))


@pytest.mark.parametrize("other", [{"terms": BOTH_TERMS}, {"line_count": 4}, {"customer_id": "bea"}])
def test_lines_that_disagree_about_their_order_reject_it_whether_they_are_there_or_not(other: dict[str, Any]) -> None:
    [(name, sent)] = other.items()
    placed = {"terms": SHIP_AVAILABLE, "line_count": 3, "customer_id": "ann"}[name]
    rejected = OrderRejected(reason="inconsistent_header", detail=f"{name} {placed!r} was placed, {sent!r} sent now")
    given(MUG)
    when(gone(3, "HAT", **other))
    then(rejected, ReleaseLine(line=1, reason="inconsistent_header"))
    given(NO_HAT)
    when(held(1, "MUG", **other))
    then(rejected, ReleaseLine(line=1, reason="inconsistent_header"))


def test_a_rejection_does_not_say_how_the_order_is_paid() -> None:
    given(NO_HAT, held(1, "MUG", payment_token="tok_bea", currency="GBP"))
    when(held(2, "TEE", payment_token="tok_bea", currency="GBP"))
    then(OrderReserved(line_count=2, amount_minor=1000, payment_token="tok_bea", currency="GBP"))
    given(NO_HAT, held(1, "MUG", payment_token="tok_bea"))
    when(TEE)
    then(
        OrderRejected(reason="inconsistent_header", detail="payment_token differs"),
        ReleaseLine(line=1, reason="inconsistent_header"),
        ReleaseLine(line=2, sku="TEE", reason="inconsistent_header"),
    )


def test_of_two_lines_that_name_one_sku_the_order_goes_on_with_the_one_that_is_there() -> None:
    given(gone(1, "MUG", line_count=2, demand=3, quantity=2))
    when(held(2, "MUG", line_count=2))
    then(OrderReserved(line_count=1, amount_minor=500))


def test_a_rejected_line_that_is_there_when_it_is_asked_for_again_is_taken_in_while_others_are_awaited() -> None:
    given(NO_HAT, MUG, held(3, "HAT", unit_price_minor=900))
    when(TEE)
    then(OrderReserved(line_count=3, amount_minor=500 + 900 + 2 * 700))


def test_a_rejection_that_answers_a_duplicate_leaves_the_held_line_where_it_is() -> None:
    given(MUG, TEE)
    when(gone(1, "MUG"))
    then()
    given(MUG, TEE, gone(1, "MUG"))
    when(NO_HAT)
    then(OrderReserved(line_count=2, amount_minor=500 + 2 * 700))


def test_a_hold_that_ends_before_every_line_was_answered_ends_the_order() -> None:
    for end, reason in ((LineExpired(line=1), "incomplete"), (LineReleased(line=1), "line_released")):
        given(MUG, NO_HAT)
        when(end)
        then(OrderRejected(reason=reason))


def test_only_the_lines_that_are_there_are_committed_and_paid() -> None:
    given(*WITHOUT_HAT)
    when(PaymentAuthorized(amount_minor=1900))
    then(CommitLine(line=1, sku="MUG"), CommitLine(line=2, sku="TEE"))
    given(*PLACED_WITHOUT_HAT[:-1])
    when(PLACED_WITHOUT_HAT[-1])
    then(OrderPlaced(amount_minor=1900, terms=SHIP_AVAILABLE))
    given(*PLACED_WITHOUT_HAT)
    when(PaymentCaptured(amount_minor=1900))
    then(OrderPaid(amount_minor=1900, lines=(OrderedLine(1, "MUG", 1, 500), OrderedLine(2, "TEE", 2, 700))))


@pytest.mark.parametrize("history", [WITHOUT_HAT, WITHOUT_HAT + PLACED_WITHOUT_HAT[3:4], PLACED_WITHOUT_HAT])
def test_a_line_that_is_reserved_when_the_order_went_on_without_it_is_released_once(history: tuple[Any, ...]) -> None:
    given(*history)
    when(held(3, "HAT"))
    then(ReleaseLine(line=3, sku="HAT", reason="line_left_out"))
    given(*history, held(3, "HAT"))
    when(held(3, "HAT"))
    then()


def test_a_line_that_was_left_out_is_not_committed_though_it_was_held_for_a_moment() -> None:
    given(*WITHOUT_HAT, held(3, "HAT"), LineReleased(line=3, sku="HAT"))
    when(PaymentAuthorized(amount_minor=1900))
    then(CommitLine(line=1, sku="MUG"), CommitLine(line=2, sku="TEE"))
    assert lines()[3] is LineState.RELEASED


@pytest.mark.parametrize("history", [WITHOUT_HAT, WITHOUT_HAT + PLACED_WITHOUT_HAT[3:4], PLACED_WITHOUT_HAT])
def test_a_line_that_was_left_out_is_returned_once_when_somebody_commits_it(history: tuple[Any, ...]) -> None:
    given(*history, held(3, "HAT"))
    when(LineCommitted(line=3, sku="HAT"))
    then(ReturnLine(line=3, sku="HAT", reason="line_left_out"))
    before = state()
    given(*history, held(3, "HAT"), LineCommitted(line=3, sku="HAT"))
    when(LineCommitted(line=3, sku="HAT"))
    then()
    given(*history, held(3, "HAT"), LineCommitted(line=3, sku="HAT"), LineReturned(line=3, sku="HAT"))
    assert state() == before, "it never was the order's"


def test_what_fails_for_a_line_that_was_left_out_does_not_end_the_order() -> None:
    given(*PLACED_WITHOUT_HAT[:-1])
    when(LineCommitFailed(line=3, sku="HAT", reason="unknown_hold"))
    then()


def test_without_money_only_what_is_held_goes_back() -> None:
    given(*WITHOUT_HAT)
    when(PaymentDeclined())
    then(
        OrderRejected(reason="payment_declined"),
        ReleaseLine(line=1, sku="MUG", reason="payment_declined"),
        ReleaseLine(line=2, sku="TEE", reason="payment_declined"),
    )


def test_a_cancelled_order_returns_what_it_went_on_with() -> None:
    given(*PLACED_WITHOUT_HAT)
    when(CancelOrder(reason="found it cheaper"))
    then(
        OrderCancelled(reason="found it cheaper", requested_by="customer"),
        ReturnLine(line=1, sku="MUG", reason="order_cancelled"),
        ReturnLine(line=2, sku="TEE", reason="order_cancelled"),
    )


def test_an_order_counts_the_lines_that_it_goes_on_with() -> None:
    given(MUG, NO_HAT)
    assert story.state.line_count == 3
    given(*WITHOUT_HAT)
    assert story.state.line_count == 2
    assert {number for number, _ in story.state.own_lines()} == {1, 2}
