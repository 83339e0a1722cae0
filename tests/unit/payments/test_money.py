from typing import Any

import pytest

from tests.given_when_then import (
    OrderCancelled,
    OrderPlaced,
    OrderRejected,
    OrderReserved,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentDeclined,
    PaymentVoided,
    PaymentVoidFailed,
)
from tests.unit.payments.dsl import (
    AUTHORIZE,
    AUTHORIZED,
    AUTHORIZING,
    CAPTURE,
    CAPTURE_FAILED,
    CAPTURING,
    DECLINED,
    VOID,
    VOIDING,
    VOIDING_AFTER_CAPTURE,
    asked,
    given,
    result,
    then,
    when,
)

# --- authorize ----------------------------------------------------------------------------------------------------------


def test_a_reserved_order_has_its_money_authorised() -> None:
    given()
    when(OrderReserved())
    then(asked(AUTHORIZE))


def test_held_money_is_published_with_the_amount_that_was_asked_for() -> None:
    given(OrderReserved(amount_minor=1999, currency="GBP"))
    when(result(AUTHORIZE, authorization_id="auth_7"))
    then(PaymentAuthorized(authorization_id="auth_7", amount_minor=1999, currency="GBP"))


@pytest.mark.parametrize("answer", ["declined", "failed"])
def test_refused_money_is_published_with_the_processors_reason(answer: str) -> None:
    given(*AUTHORIZING)
    when(result(AUTHORIZE, answer, reason="card_declined"))
    then(PaymentDeclined(reason="card_declined"))


# --- capture ------------------------------------------------------------------------------------------------------------


def test_a_placed_order_has_its_money_captured() -> None:
    given(*AUTHORIZED)
    when(OrderPlaced())
    then(asked(CAPTURE))


def test_captured_money_is_published_with_what_was_authorised() -> None:
    given(OrderReserved(amount_minor=1999), result(AUTHORIZE, authorization_id="auth_7"), OrderPlaced())
    when(result(CAPTURE, authorization_id="another"))
    then(PaymentCaptured(authorization_id="auth_7", amount_minor=1999))


@pytest.mark.parametrize("answer", ["declined", "failed"])
def test_money_that_cannot_be_taken_is_published_with_the_reason(answer: str) -> None:
    given(*CAPTURING)
    when(result(CAPTURE, answer, reason="expired_card"))
    then(PaymentCaptureFailed(reason="expired_card"))


# --- void ---------------------------------------------------------------------------------------------------------------


def test_held_money_of_an_order_without_a_sale_is_given_back() -> None:
    given(*AUTHORIZED)
    when(OrderRejected())
    then(asked(VOID))


def test_money_that_could_not_be_taken_is_given_back() -> None:
    given(*CAPTURE_FAILED)
    when(OrderCancelled())
    then(asked(VOID))


def test_what_is_not_known_yet_is_not_voided_yet() -> None:
    given(*AUTHORIZING)
    when(OrderRejected())
    then()


@pytest.mark.parametrize("end", [OrderRejected(), OrderCancelled()], ids=["rejected", "cancelled"])
def test_money_that_turns_out_held_after_the_order_ended_is_given_back_at_once(end: Any) -> None:
    given(*AUTHORIZING, end)
    when(result(AUTHORIZE, authorization_id="auth_7"))
    then(PaymentAuthorized(authorization_id="auth_7"), asked(VOID, authorization_id="auth_7"))


def test_money_that_turns_out_refused_after_the_order_ended_needs_no_giving_back() -> None:
    given(*AUTHORIZING, OrderRejected())
    when(result(AUTHORIZE, "declined", reason="card_declined"))
    then(PaymentDeclined(reason="card_declined"))


@pytest.mark.parametrize("history", [VOIDING, VOIDING_AFTER_CAPTURE], ids=["uncaptured", "capture failed"])
def test_money_given_back_is_published(history: tuple[Any, ...]) -> None:
    given(*history)
    when(result(VOID))
    then(PaymentVoided())


def test_money_that_cannot_be_given_back_is_published_so_that_a_person_sees_to_it() -> None:
    given(*VOIDING)
    when(result(VOID, "failed", reason="processor_error"))
    then(PaymentVoidFailed(reason="processor_error"))


@pytest.mark.parametrize("end", [OrderRejected(), OrderCancelled()], ids=["rejected", "cancelled"])
def test_where_money_was_declined_none_is_owed(end: Any) -> None:
    given(*DECLINED)
    when(end)
    then()


def test_where_no_money_was_asked_for_none_is_owed() -> None:
    given()
    when(OrderRejected())
    then()
