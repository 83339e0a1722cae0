from typing import Any

import pytest

from tests.given_when_then import (
    A,
    CommitLine,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineReserved,
    OrderPaid,
    OrderPlaced,
    OrderReserved,
    PaymentAuthorized,
    PaymentCaptured,
    ReleaseLine,
)
from tests.unit.orders.dsl import (
    AUTHORIZED,
    BOTH_LINES,
    COMMITTED,
    LINE_1,
    LINE_2,
    RESERVED,
    given,
    state,
    then,
    when,
)

# --- gathering ----------------------------------------------------------------------------------------------------------


def test_an_order_waits_for_its_other_lines() -> None:
    given()
    when(LINE_1)
    then()


def test_an_order_is_reserved_with_its_last_line_for_the_sum_of_all() -> None:
    given(LineReserved(line=1, line_count=2, quantity=3, unit_price_minor=250))
    when(LineReserved(line=2, line_count=2, sku="TEE", quantity=2, unit_price_minor=1999))
    then(OrderReserved(order_id=A, line_count=2, amount_minor=3 * 250 + 2 * 1999))


def test_an_order_of_one_line_is_reserved_at_once() -> None:
    given()
    when(LineReserved(line=1, line_count=1, customer_id="bea", payment_token="tok_bea", currency="GBP"))
    then(OrderReserved(line_count=1, customer_id="bea", payment_token="tok_bea", currency="GBP"))


def test_lines_may_arrive_in_any_order() -> None:
    given(LINE_2)
    when(LINE_1)
    then(OrderReserved(line_count=2, amount_minor=1000))


def test_two_lines_may_name_one_sku() -> None:
    given(LineReserved(line=1, line_count=2, sku="MUG"))
    when(LineReserved(line=2, line_count=2, sku="MUG"))
    then(OrderReserved(line_count=2, amount_minor=1000))


def test_an_echo_of_a_line_is_not_another_line() -> None:
    given(LINE_1)
    when(LINE_1)
    then()


def test_an_echo_after_the_last_line_does_not_reserve_the_order_again() -> None:
    given(*RESERVED)
    when(LINE_2)
    then()


def test_a_line_of_a_known_number_for_another_sku_is_given_back_while_others_are_awaited() -> None:
    given(LINE_1)
    when(LineReserved(line=1, line_count=2, sku="HAT"))
    then(ReleaseLine(line=1, sku="HAT", reason="conflicting_line"))


def test_a_line_of_a_known_number_for_another_sku_is_given_back_from_every_later_state() -> None:
    for history in (RESERVED, AUTHORIZED, COMMITTED, (*COMMITTED, PaymentCaptured())):
        given(*history)
        when(LineReserved(line=1, line_count=2, sku="HAT"))
        then(ReleaseLine(line=1, sku="HAT", reason="conflicting_line"))


def test_the_order_keeps_the_first_line_of_a_number() -> None:
    given(LINE_1, LineReserved(line=1, line_count=2, sku="HAT", unit_price_minor=99_999))
    when(LINE_2)
    then(OrderReserved(line_count=2, amount_minor=1000))


def test_an_old_failure_of_somebody_elses_commit_takes_no_line_from_the_order() -> None:
    given(LINE_1, LineCommitFailed(line=1, reason="unknown_hold"))
    when(LINE_2)
    then(OrderReserved(line_count=2, amount_minor=1000))


def test_an_old_failure_of_somebody_elses_commit_does_not_end_an_order_that_waits_for_its_money() -> None:
    given(*RESERVED, LineCommitFailed(line=1, reason="unknown_hold"))
    when(PaymentAuthorized(amount_minor=1000))
    then(CommitLine(line=1, sku="MUG"), CommitLine(line=2, sku="TEE"))


@pytest.mark.parametrize(
    "stranger",
    [
        LineReserved(line=3, line_count=3, sku="HAT"),
        LineRejected(line=3, line_count=2, sku="HAT", demand=1, reason="invalid_line"),
    ],
    ids=lambda stranger: type(stranger).__name__,
)
def test_a_line_that_comes_when_all_are_there_is_none_of_the_orders(stranger: Any) -> None:
    given(*RESERVED, stranger)
    when(PaymentAuthorized(amount_minor=1000))
    then(CommitLine(line=1, sku="MUG"), CommitLine(line=2, sku="TEE"))


# --- committing ---------------------------------------------------------------------------------------------------------


def test_held_money_has_every_line_committed() -> None:
    given(*RESERVED)
    when(PaymentAuthorized(amount_minor=1000))
    then(CommitLine(line=1, sku="MUG"), CommitLine(line=2, sku="TEE"))


def test_expiry_while_a_payment_is_under_way_does_not_end_the_order() -> None:
    given(*RESERVED, LineExpired(line=1))
    when(PaymentAuthorized(amount_minor=1000))
    then(CommitLine(line=1, sku="MUG"), CommitLine(line=2, sku="TEE"))


def test_lines_are_committed_once_however_often_the_authorisation_is_heard() -> None:
    given(*AUTHORIZED)
    when(PaymentAuthorized(amount_minor=1000))
    then()


def test_an_order_is_placed_with_its_last_committed_line() -> None:
    given(*AUTHORIZED, LineCommitted(line=2, sku="TEE"))
    when(LineCommitted(line=1))
    then(OrderPlaced(amount_minor=1000))


def test_an_order_waits_for_its_other_commits() -> None:
    given(*AUTHORIZED)
    when(LineCommitted(line=1))
    then()


def test_an_echo_of_a_commit_is_not_another_line() -> None:
    given(*AUTHORIZED, LineCommitted(line=1))
    when(LineCommitted(line=1))
    then()


def test_a_line_that_somebody_committed_early_is_not_committed_again() -> None:
    given(*RESERVED, LineCommitted(line=1))
    when(PaymentAuthorized(amount_minor=1000))
    then(CommitLine(line=2, sku="TEE"))


def test_an_order_whose_lines_somebody_committed_early_is_placed_once_there_is_money() -> None:
    given(*RESERVED, LineCommitted(line=1), LineCommitted(line=2, sku="TEE"))
    when(PaymentAuthorized(amount_minor=1000))
    then(OrderPlaced(amount_minor=1000))


def test_no_line_is_placed_before_there_is_money() -> None:
    given(*RESERVED, LineCommitted(line=1))
    when(LineCommitted(line=2, sku="TEE"))
    then()


# --- paying -------------------------------------------------------------------------------------------------------------


def test_captured_money_pays_the_order() -> None:
    given(*COMMITTED)
    assert state() == "placed"
    when(PaymentCaptured(amount_minor=1000))
    then(OrderPaid(amount_minor=1000, lines=BOTH_LINES))


def test_an_order_is_paid_once() -> None:
    given(*COMMITTED, PaymentCaptured())
    assert state() == "paid"
    when(PaymentCaptured())
    then()
