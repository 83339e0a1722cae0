"""CancelOrder against each state, and against what is under way in it: one undo of each effect."""

from typing import Any

import pytest

from consumers.orders.state import LineState
from tests.given_when_then import (
    CancelOrder,
    FulfilmentCancelled,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineReserved,
    LineReturned,
    OrderCancelled,
    OrderCancelRequested,
    OrderCommandRefused,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    ReleaseLine,
    ReturnLine,
)
from tests.unit.orders.dsl import (
    AUTHORIZED,
    CANCELLED,
    CANCELLED_UNKNOWN,
    CAPTURED_LATER,
    COMMITTED,
    DELIVERED,
    LINE_1,
    NOT_THERE,
    PAID,
    REJECTED,
    RESERVED,
    RETURNED,
    SHIPPED,
    given,
    lines,
    state,
    then,
    then_refused,
    when,
)

CANCEL = CancelOrder(requested_by="customer", reason="found it cheaper")
CANCELLED_AS_WANTED = OrderCancelled(reason="found it cheaper", requested_by="customer")
RELEASES = (
    ReleaseLine(line=1, sku="MUG", reason="order_cancelled"),
    ReleaseLine(line=2, sku="TEE", reason="order_cancelled"),
)
RETURNS = (
    ReturnLine(line=1, sku="MUG", reason="order_cancelled"),
    ReturnLine(line=2, sku="TEE", reason="order_cancelled"),
)

# --- cancel races with reserve ------------------------------------------------------------------------------------------


def test_an_order_may_be_cancelled_before_any_of_its_lines_is_read() -> None:
    given()
    when(CANCEL)
    then(CANCELLED_AS_WANTED)


def test_a_reservation_that_comes_after_the_cancellation_is_released_once() -> None:
    given(*CANCELLED_UNKNOWN)
    when(LINE_1)
    then(ReleaseLine(line=1, sku="MUG", reason="order_over"))
    given(*CANCELLED_UNKNOWN, LINE_1)
    when(LINE_1)
    then()


def test_a_rejection_that_comes_after_the_cancellation_leads_to_nothing() -> None:
    given(*CANCELLED_UNKNOWN)
    when(NOT_THERE)
    then()


def test_a_cancellation_between_two_lines_gives_the_first_back_and_then_the_second() -> None:
    given(LINE_1)
    when(CANCEL)
    then(CANCELLED_AS_WANTED, RELEASES[0])
    given(LINE_1, CANCEL)
    when(LineReserved(line=2, line_count=2, sku="TEE"))
    then(ReleaseLine(line=2, sku="TEE", reason="order_over"))


def test_of_a_cancelled_order_what_expired_already_is_not_given_back() -> None:
    given(*RESERVED, LineExpired(line=1))
    when(CANCEL)
    then(CANCELLED_AS_WANTED, RELEASES[1])


# --- cancel races with authorize ----------------------------------------------------------------------------------------


def test_a_cancellation_while_money_is_asked_for_releases_all_lines() -> None:
    given(*RESERVED)
    when(CANCEL)
    then(CANCELLED_AS_WANTED, *RELEASES)


def test_an_authorisation_that_comes_after_the_cancellation_commits_nothing() -> None:
    given(*RESERVED, CANCEL)
    when(PaymentAuthorized(amount_minor=1000))
    then()


# --- cancel races with commit -------------------------------------------------------------------------------------------


def test_a_cancellation_while_lines_are_committed_returns_what_is_and_leaves_what_is_under_way() -> None:
    given(*AUTHORIZED, LineCommitted(line=1))
    when(CANCEL)
    then(CANCELLED_AS_WANTED, RETURNS[0])


@pytest.mark.parametrize(
    "history", [AUTHORIZED, (*AUTHORIZED, LineExpired(line=2, sku="TEE"))], ids=["held", "expired"]
)
def test_a_commit_that_comes_after_the_cancellation_is_returned_once(history: tuple[Any, ...]) -> None:
    given(*history, CANCEL)
    when(LineCommitted(line=2, sku="TEE"))
    then(ReturnLine(line=2, sku="TEE", reason="order_over"))
    given(*history, CANCEL, LineCommitted(line=2, sku="TEE"))
    when(LineCommitted(line=2, sku="TEE"))
    then()


def test_a_commit_that_failed_after_the_cancellation_leaves_nothing_to_undo() -> None:
    given(*AUTHORIZED, LineExpired(line=2, sku="TEE"), CANCEL)
    when(LineCommitFailed(line=2, sku="TEE", reason="insufficient_stock"))
    then()


# --- cancel races with capture ------------------------------------------------------------------------------------------


def test_a_cancellation_while_money_is_captured_returns_every_line() -> None:
    given(*COMMITTED)
    when(CANCEL)
    then(CANCELLED_AS_WANTED, *RETURNS)


@pytest.mark.parametrize("result", [PaymentCaptured(), PaymentCaptureFailed()], ids=["captured", "failed"])
def test_a_capture_that_is_answered_after_the_cancellation_is_left_to_payments(result: Any) -> None:
    given(*COMMITTED, CANCEL)
    when(result)
    then()


def test_a_cancellation_after_a_failed_capture_undoes_nothing_again() -> None:
    given(*CANCELLED)
    when(CANCEL)
    then()


# --- cancel what fulfilment has -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [PAID, CAPTURED_LATER], ids=["paid", "captured later"])
def test_an_order_that_fulfilment_has_is_cancelled_by_its_leave(history: tuple[Any, ...]) -> None:
    given(*history)
    when(CANCEL)
    then(OrderCancelRequested(requested_by="customer", reason="found it cheaper"))
    given(*history, CANCEL)
    before = state()
    when(FulfilmentCancelled(reason="found it cheaper", requested_by="customer"))
    then(CANCELLED_AS_WANTED, *RETURNS)
    assert before in ("paid", "placed")


def test_fulfilment_may_end_an_order_that_nobody_ships() -> None:
    given(*PAID)
    when(FulfilmentCancelled(reason="not_shipped_in_time"))
    then(OrderCancelled(reason="not_shipped_in_time"), *RETURNS)


def test_what_somebody_returned_is_not_returned_again_when_fulfilment_ends_the_order() -> None:
    given(*PAID, CANCEL, LineReturned(line=1))
    when(FulfilmentCancelled(reason="found it cheaper", requested_by="customer"))
    then(CANCELLED_AS_WANTED, RETURNS[1])


def test_fulfilment_cannot_end_what_it_never_had() -> None:
    given(*COMMITTED)
    when(FulfilmentCancelled())
    then_refused("unexpected")


@pytest.mark.parametrize("history", [SHIPPED, DELIVERED, RETURNED], ids=["shipped", "delivered", "returned"])
def test_a_cancellation_after_shipping_is_refused_with_a_reason(history: tuple[Any, ...]) -> None:
    given(*history)
    when(CANCEL)
    then(OrderCommandRefused(command="CancelOrder", reference="", reason="already_shipped"))
    given(*history, CANCEL)
    assert lines() == {1: LineState.COMMITTED, 2: LineState.COMMITTED}


# --- cancel what is over, and commands that make no sense ---------------------------------------------------------------


def test_a_rejected_order_cannot_be_cancelled() -> None:
    given(*REJECTED)
    when(CANCEL)
    then(OrderCommandRefused(command="CancelOrder", reference="", reason="order_over"))


@pytest.mark.parametrize("history", [(), RESERVED, COMMITTED], ids=["unheard", "reserved", "placed"])
def test_a_cancellation_that_comes_twice_cancels_once(history: tuple[Any, ...]) -> None:
    given(*history, CANCEL)
    when(CANCEL)
    then()
