from typing import Any

import pytest

from consumers.orders.state import LineState
from tests.given_when_then import (
    CancelOrder,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineReleased,
    LineReserved,
    LineReturned,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentDeclined,
    ReleaseLine,
    ReturnLine,
)
from tests.unit.orders.dsl import (
    AUTHORIZED,
    CANCELLED,
    CANCELLED_UNKNOWN,
    COMMITTED,
    LINE_1,
    LINE_2,
    NOT_THERE,
    REJECTED,
    given,
    lines,
    state,
    then,
    then_refused,
    when,
)


@pytest.mark.parametrize("over", [REJECTED, CANCELLED, CANCELLED_UNKNOWN], ids=["rejected", "cancelled", "unheard"])
def test_a_late_reservation_in_a_finished_order_is_released(over: tuple[Any, ...]) -> None:
    given(*over)
    when(LineReserved(line=3, line_count=3, sku="HAT"))
    then(ReleaseLine(line=3, sku="HAT", reason="order_over"))


def test_a_rejected_line_that_is_reserved_after_all_is_released() -> None:
    given(*REJECTED)
    when(LINE_2)
    then(ReleaseLine(line=2, sku="TEE", reason="order_over"))


def test_an_echo_of_a_late_reservation_finds_the_line_given_back_already() -> None:
    given(*REJECTED, LINE_2)
    when(LINE_2)
    then()


@pytest.mark.parametrize("over", [REJECTED, CANCELLED], ids=["rejected", "cancelled"])
def test_an_echo_of_an_early_reservation_in_a_finished_order_changes_nothing(over: tuple[Any, ...]) -> None:
    given(*over)
    when(LINE_1)
    then()


@pytest.mark.parametrize("over", [REJECTED, CANCELLED], ids=["rejected", "cancelled"])
def test_a_late_commit_of_a_line_nobody_knew_is_returned(over: tuple[Any, ...]) -> None:
    given(*over)
    when(LineCommitted(line=1, sku="HAT"))
    then(ReturnLine(line=1, sku="HAT", reason="order_over"))


def test_a_late_commit_is_returned_though_a_release_was_asked_for() -> None:
    given(*REJECTED)
    assert lines()[1] is LineState.RELEASING
    when(LineCommitted(line=1))
    then(ReturnLine(line=1, sku="MUG", reason="order_over"))


def test_a_late_commit_after_a_failed_one_is_returned() -> None:
    given(*AUTHORIZED, LineExpired(line=1), LineCommitFailed(line=1))
    when(LineCommitted(line=1))
    then(ReturnLine(line=1, sku="MUG", reason="order_over"))


@pytest.mark.parametrize("then_incoming", [(), (LineReturned(line=1),)], ids=["returning", "returned"])
def test_an_echo_of_a_commit_that_is_being_returned_is_not_returned_again(then_incoming: tuple[Any, ...]) -> None:
    given(*CANCELLED, *then_incoming)
    when(LineCommitted(line=1))
    then()


@pytest.mark.parametrize("over", [REJECTED, CANCELLED], ids=["rejected", "cancelled"])
@pytest.mark.parametrize(
    "fact",
    [
        PaymentAuthorized(),
        PaymentDeclined(),
        PaymentCaptureFailed(),
        LineReleased(line=1),
        LineExpired(line=1),
        LineCommitFailed(line=1),
        LineReturned(line=1),
        NOT_THERE,
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_an_order_that_is_over_only_takes_note(over: tuple[Any, ...], fact: Any) -> None:
    given(*over)
    when(fact)
    then()


def test_money_captured_for_an_order_that_never_was_placed_comes_before_a_persons_eyes() -> None:
    given(*REJECTED)
    assert state() == "rejected"
    when(PaymentCaptured())
    then_refused("unexpected")


def test_money_captured_for_an_order_that_was_cancelled_meanwhile_is_payments_to_give_back() -> None:
    given(*COMMITTED, CancelOrder())
    assert state() == "cancelled"
    when(PaymentCaptured())
    then()
