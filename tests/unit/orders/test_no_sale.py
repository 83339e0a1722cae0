from typing import Any

import pytest

from tests.given_when_then import (
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineReleased,
    LineReserved,
    LineReturned,
    OrderCancelled,
    OrderRejected,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentDeclined,
    ReleaseLine,
    ReturnLine,
)
from tests.unit.orders.dsl import (
    AUTHORIZED,
    COMMITTED,
    LINE_1,
    NOT_THERE,
    RESERVED,
    given,
    then,
    when,
)

# --- while lines are gathered -------------------------------------------------------------------------------------------


def test_an_order_whose_first_line_is_not_there_is_rejected_with_the_reason() -> None:
    given()
    when(NOT_THERE)
    then(OrderRejected(reason="insufficient_stock"))


def test_with_one_line_not_there_the_others_are_given_back() -> None:
    given(LineReserved(line=1, line_count=3), LineReserved(line=3, line_count=3, sku="HAT"))
    when(LineRejected(line=2, line_count=3, sku="TEE", demand=1, reason="insufficient_stock"))
    then(
        OrderRejected(reason="insufficient_stock"),
        ReleaseLine(line=1, sku="MUG", reason="insufficient_stock"),
        ReleaseLine(line=3, sku="HAT", reason="insufficient_stock"),
    )


def test_a_line_rejected_for_a_faulty_duplicate_is_given_back_too_for_it_is_held() -> None:
    given(LINE_1)
    when(LineRejected(line=1, line_count=2, sku="MUG", quantity=0, demand=0, reason="invalid_quantity"))
    then(OrderRejected(reason="invalid_quantity"), ReleaseLine(line=1, sku="MUG", reason="invalid_quantity"))


def test_a_rejection_of_a_known_line_for_another_sku_gives_the_known_one_back() -> None:
    given(LINE_1)
    when(LineRejected(line=1, line_count=2, sku="HAT", demand=1, reason="insufficient_stock"))
    then(OrderRejected(reason="insufficient_stock"), ReleaseLine(line=1, sku="MUG", reason="insufficient_stock"))


@pytest.mark.parametrize(
    ("other", "detail"),
    [
        ({"line_count": 3}, "line_count 2 was placed, 3 sent now"),
        ({"customer_id": "bea"}, "customer_id 'ann' was placed, 'bea' sent now"),
        ({"currency": "GBP"}, "currency 'EUR' was placed, 'GBP' sent now"),
        ({"payment_token": "tok_bea"}, "payment_token differs"),
    ],
    ids=lambda other: next(iter(other)),
)
def test_lines_that_disagree_about_their_order_reject_it_with_what_differs(other: dict[str, Any], detail: str) -> None:
    given(LINE_1)
    when(LineReserved(**{"line": 2, "line_count": 2, "sku": "TEE", **other}))
    then(
        OrderRejected(reason="inconsistent_header", detail=detail),
        ReleaseLine(line=1, sku="MUG", reason="inconsistent_header"),
        ReleaseLine(line=2, sku="TEE", reason="inconsistent_header"),
    )


def test_a_hold_that_ends_before_all_lines_arrived_ends_the_order() -> None:
    given(LineReserved(line=1, line_count=3), LineReserved(line=2, line_count=3, sku="TEE"))
    when(LineExpired(line=1))
    then(OrderRejected(reason="incomplete"), ReleaseLine(line=2, sku="TEE", reason="incomplete"))


def test_a_line_that_somebody_gave_back_ends_an_order_that_is_still_gathered() -> None:
    given(LineReserved(line=1, line_count=3), LineReserved(line=2, line_count=3, sku="TEE"))
    when(LineReleased(line=2, sku="TEE"))
    then(OrderRejected(reason="line_released"), ReleaseLine(line=1, sku="MUG", reason="line_released"))


def test_a_line_committed_before_anyone_paid_ends_an_order_that_is_still_gathered() -> None:
    given(LineReserved(line=1, line_count=3), LineReserved(line=2, line_count=3, sku="TEE"))
    when(LineCommitted(line=1))
    then(
        OrderRejected(reason="committed_unasked"),
        ReleaseLine(line=2, sku="TEE", reason="committed_unasked"),
        ReturnLine(line=1, sku="MUG", reason="committed_unasked"),
    )


@pytest.mark.parametrize("fact", [LineReleased, LineExpired, LineCommitFailed, LineReturned])
def test_what_happens_to_a_line_that_is_not_the_orders_does_not_end_it(fact: Any) -> None:
    given(LINE_1)
    when(fact(line=1, sku="HAT"))
    then()


# --- while money is asked for -------------------------------------------------------------------------------------------


def test_without_money_everything_is_given_back() -> None:
    given(*RESERVED)
    when(PaymentDeclined(reason="card_declined"))
    then(
        OrderRejected(reason="payment_declined"),
        ReleaseLine(line=1, sku="MUG", reason="payment_declined"),
        ReleaseLine(line=2, sku="TEE", reason="payment_declined"),
    )


def test_a_payment_that_took_too_long_is_named_as_the_reason() -> None:
    given(LineReserved(line=1, line_count=1))
    when(PaymentDeclined(reason="payment_timeout"))
    then(OrderRejected(reason="payment_timeout"), ReleaseLine(line=1, reason="payment_timeout"))


def test_without_money_what_is_held_no_longer_is_not_given_back_again() -> None:
    given(*RESERVED, LineExpired(line=1), LineReleased(line=2, sku="TEE"))
    when(PaymentDeclined())
    then(OrderRejected(reason="payment_declined"))


def test_without_money_what_somebody_committed_early_is_returned() -> None:
    given(*RESERVED, LineCommitted(line=2, sku="TEE"))
    when(PaymentDeclined())
    then(
        OrderRejected(reason="payment_declined"),
        ReturnLine(line=2, sku="TEE", reason="payment_declined"),
        ReleaseLine(line=1, sku="MUG", reason="payment_declined"),
    )


@pytest.mark.parametrize("fact", [LineReleased(line=1), LineExpired(line=1)])
def test_a_hold_that_ends_while_money_is_asked_for_does_not_end_the_order(fact: Any) -> None:
    given(*RESERVED)
    when(fact)
    then()


# --- while lines are committed ------------------------------------------------------------------------------------------


def test_a_line_that_is_gone_ends_the_order_and_the_committed_ones_are_returned() -> None:
    given(*AUTHORIZED, LineCommitted(line=1))
    when(LineCommitFailed(line=2, sku="TEE", reason="insufficient_stock"))
    then(OrderRejected(reason="insufficient_stock"), ReturnLine(line=1, sku="MUG", reason="insufficient_stock"))


def test_an_old_failure_of_somebody_elses_commit_leaves_no_line_committed() -> None:
    given(*AUTHORIZED, LineCommitted(line=1))
    when(LineCommitFailed(line=1, reason="unknown_hold"))
    then(OrderRejected(reason="unknown_hold"), ReturnLine(line=1, sku="MUG", reason="unknown_hold"))


def test_a_line_whose_commit_is_unanswered_is_returned_when_the_answer_comes() -> None:
    given(*AUTHORIZED, LineCommitFailed(line=2, sku="TEE"))
    when(LineCommitted(line=1))
    then(ReturnLine(line=1, sku="MUG", reason="order_over"))


@pytest.mark.parametrize("history", [RESERVED, AUTHORIZED], ids=["reserved", "committing"])
def test_a_committed_line_that_somebody_returned_ends_the_order(history: tuple[Any, ...]) -> None:
    given(*history, LineCommitted(line=1))
    when(LineReturned(line=1))
    released = [ReleaseLine(line=2, sku="TEE", reason="line_returned")] if history is RESERVED else []
    then(OrderRejected(reason="line_returned"), *released)


def test_a_line_of_a_placed_order_that_somebody_returned_ends_it_and_the_others_go_back() -> None:
    given(*COMMITTED)
    when(LineReturned(line=1))
    then(OrderCancelled(reason="line_returned"), ReturnLine(line=2, sku="TEE", reason="line_returned"))


def test_what_was_returned_of_another_sku_does_not_end_a_placed_order() -> None:
    given(*COMMITTED)
    when(LineReturned(line=1, sku="HAT"))
    then()


def test_a_line_that_is_not_the_orders_is_returned_when_somebody_commits_it() -> None:
    given(*AUTHORIZED)
    when(LineCommitted(line=1, sku="HAT"))
    then(ReturnLine(line=1, sku="HAT", reason="conflicting_line"))


@pytest.mark.parametrize("history", [COMMITTED, (*COMMITTED, PaymentCaptured())], ids=["placed", "paid"])
def test_a_line_that_is_not_the_orders_is_returned_from_later_states_too(history: tuple[Any, ...]) -> None:
    given(*history)
    when(LineCommitted(line=1, sku="HAT"))
    then(ReturnLine(line=1, sku="HAT", reason="conflicting_line"))


@pytest.mark.parametrize("fact", [LineCommitFailed, LineReturned])
def test_what_happens_to_another_sku_does_not_end_a_reserved_order(fact: Any) -> None:
    given(*AUTHORIZED)
    when(fact(line=1, sku="HAT"))
    then()


def test_money_that_cannot_be_taken_cancels_the_order_and_its_goods_go_back() -> None:
    given(*COMMITTED)
    when(PaymentCaptureFailed())
    then(
        OrderCancelled(reason="capture_failed"),
        ReturnLine(line=1, sku="MUG", reason="capture_failed"),
        ReturnLine(line=2, sku="TEE", reason="capture_failed"),
    )
