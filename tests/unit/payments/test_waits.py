"""What time ends: an authorisation that nobody confirms, and one whose time is over."""

from typing import Any

import pytest

from tests.given_when_then import (
    NOW_MS,
    A,
    OrderCancelled,
    OrderPlaced,
    OrderRejected,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentDeclined,
    PaymentLapsed,
    PaymentRequiresAction,
    PaymentResolved,
    PaymentVoided,
    PaymentVoidFailed,
)
from tests.unit.payments.dsl import (
    ACTION_SECONDS,
    AT_SHIPPING,
    AUTHORIZE,
    AUTHORIZED,
    AUTHORIZING,
    CAPTURE,
    CAPTURED,
    CAPTURING,
    CAPTURING_SHIPMENT,
    LAPSED,
    LAPSES_MS,
    PARTIALLY_CAPTURED,
    REQUIRES_ACTION,
    RESOLVE,
    RETRY,
    VOID,
    VOID_FAILED,
    asked,
    end_waits,
    given,
    result,
    shipment,
    story,
    then,
    when,
)
from topology.states import PaymentState

URL = "https://3ds.example/1"
UNTIL_MS = NOW_MS + ACTION_SECONDS * 1000
OVERDUE = (*REQUIRES_ACTION, end_waits(UNTIL_MS))


# --- to be confirmed ------------------------------------------------------------------------------------------------------


def test_where_to_confirm_and_until_when_is_published() -> None:
    given(*AUTHORIZING)
    when(result(AUTHORIZE, "requires_action", action_url=URL))
    then(PaymentRequiresAction(action_url=URL, until_ms=UNTIL_MS))


def test_a_payment_that_is_confirmed_in_time_is_authorised() -> None:
    given(*REQUIRES_ACTION)
    when(result(AUTHORIZE, expires_at_ms=LAPSES_MS))
    then(PaymentAuthorized(expires_at_ms=LAPSES_MS))


def test_a_payment_whose_confirmation_failed_is_declined() -> None:
    given(*REQUIRES_ACTION)
    when(result(AUTHORIZE, "declined", reason="wrong_code"))
    then(PaymentDeclined(reason="wrong_code"))


def test_a_webhook_that_comes_before_our_own_answer_and_names_no_end_is_completed_by_it() -> None:
    given(*AUTHORIZING, result(AUTHORIZE), result(AUTHORIZE, expires_at_ms=LAPSES_MS))
    assert story.state.expires_at_ms == story.state.deadline_ms == LAPSES_MS


def test_an_answer_that_was_overtaken_by_the_confirmation_changes_nothing() -> None:
    given(*AUTHORIZED)
    when(result(AUTHORIZE, "requires_action", action_url=URL))
    then()


@pytest.mark.parametrize(("as_of_ms", "at_ms"), [(UNTIL_MS - 1, UNTIL_MS), (UNTIL_MS, UNTIL_MS - 1)])
def test_before_its_time_a_wait_is_not_ended_whatever_a_clock_shows(as_of_ms: int, at_ms: int) -> None:
    given(*REQUIRES_ACTION)
    when(end_waits(as_of_ms), at_ms=at_ms)
    then()


def test_a_payment_that_nobody_confirms_is_cancelled_at_the_processor_first() -> None:
    given(*REQUIRES_ACTION)
    when(end_waits(UNTIL_MS), at_ms=UNTIL_MS)
    then(asked(VOID, amount_minor=0, reference="unconfirmed"))


def test_only_then_it_is_declined() -> None:
    given(*OVERDUE)
    when(result(VOID))
    then(PaymentDeclined(reason="payment_timeout"))
    given(*OVERDUE, result(VOID))
    assert story.state.state is PaymentState.DECLINED


@pytest.mark.parametrize("answer", ["succeeded", "declined", "lapsed", "requires_action"])
def test_a_late_confirmation_is_noted_and_never_acted_on(answer: str) -> None:
    given(*OVERDUE, result(VOID))
    when(result(AUTHORIZE, answer))
    then()
    given(*OVERDUE, result(VOID), result(AUTHORIZE, answer))
    assert story.state.state is PaymentState.DECLINED
    assert story.state.held_minor == 0


def test_what_was_confirmed_while_it_was_being_cancelled_is_cancelled_all_the_same() -> None:
    given(*OVERDUE)
    when(result(AUTHORIZE))
    then()
    given(*OVERDUE, result(AUTHORIZE))
    when(result(VOID))
    then(PaymentDeclined(reason="payment_timeout"))
    given(*OVERDUE, result(AUTHORIZE), result(VOID))
    assert (story.state.authorized_minor, story.state.voided_minor) == (500, 500)


def test_what_was_confirmed_and_cannot_be_cancelled_goes_on() -> None:
    given(*OVERDUE, result(AUTHORIZE, expires_at_ms=LAPSES_MS))
    when(result(VOID, "failed"))
    then(PaymentAuthorized(expires_at_ms=LAPSES_MS))


def test_what_is_neither_confirmed_nor_can_be_cancelled_waits_for_a_person() -> None:
    given(*OVERDUE)
    when(result(VOID, "failed", reason="try_later"))
    then(PaymentVoidFailed(reason="try_later"))
    given(*OVERDUE, result(VOID, "failed"))
    when(RETRY)
    then(asked(VOID, number=2, amount_minor=0, reference="unconfirmed"))
    when(RESOLVE)
    then(
        PaymentResolved(operation_id=f"{A}:void", amount_minor=0, note="by bank transfer", currency="EUR"),
        PaymentDeclined(reason="payment_timeout"),
    )
    when(result(AUTHORIZE))
    then(PaymentAuthorized())


@pytest.mark.parametrize("end", [OrderRejected(), OrderCancelled()], ids=["rejected", "cancelled"])
def test_an_order_that_ends_meanwhile_is_cancelled_at_once(end: Any) -> None:
    given(*REQUIRES_ACTION)
    when(end)
    then(asked(VOID, amount_minor=0, reference="unconfirmed"))
    given(*REQUIRES_ACTION, end)
    when(result(VOID))
    then(PaymentDeclined(reason="order_over"))


def test_nobody_is_asked_to_confirm_the_payment_of_an_order_that_is_over() -> None:
    given(*AUTHORIZING, OrderCancelled())
    when(result(AUTHORIZE, "requires_action", action_url=URL))
    then(asked(VOID, amount_minor=0, reference="unconfirmed"))


# --- lapsed -----------------------------------------------------------------------------------------------------------


RENEWAL = asked(AUTHORIZE, number=2)


def test_an_authorisation_whose_time_is_over_is_asked_for_again() -> None:
    given(*AUTHORIZED)
    when(end_waits(LAPSES_MS), at_ms=LAPSES_MS)
    then(RENEWAL)


def test_an_authorisation_that_the_processor_ended_is_asked_for_again() -> None:
    given(*AUTHORIZED)
    when(result(AUTHORIZE, "lapsed"))
    then(RENEWAL)


def test_a_renewed_authorisation_is_published() -> None:
    given(*AUTHORIZED, end_waits(LAPSES_MS))
    when(result(AUTHORIZE, number=2, authorization_id="auth_2"))
    then(PaymentAuthorized(authorization_id="auth_2"))


def test_an_authorisation_that_is_not_renewed_has_lapsed() -> None:
    given(*AUTHORIZED, end_waits(LAPSES_MS))
    when(result(AUTHORIZE, "declined", 2, reason="card_declined"))
    then(PaymentLapsed(reason="card_declined"))


def test_only_what_was_not_captured_yet_is_renewed() -> None:
    given(*PARTIALLY_CAPTURED)
    when(end_waits(LAPSES_MS), at_ms=LAPSES_MS)
    then(asked(AUTHORIZE, number=2, amount_minor=200))


def test_a_renewed_authorisation_pays_for_what_waited_for_it() -> None:
    given(*AT_SHIPPING, end_waits(LAPSES_MS), shipment("parcel-1", 300))
    when(result(AUTHORIZE, number=2, authorization_id="auth_2"))
    then(
        PaymentAuthorized(authorization_id="auth_2"),
        asked(CAPTURE, amount_minor=300, reference="parcel-1", authorization_id="auth_2", is_last=False),
    )


def test_what_waited_for_an_authorisation_that_is_not_renewed_is_not_captured() -> None:
    given(*AT_SHIPPING, end_waits(LAPSES_MS), shipment("parcel-1", 300))
    when(result(AUTHORIZE, "declined", 2, reason="card_declined"))
    then(
        PaymentLapsed(reason="card_declined"),
        PaymentCaptureFailed(reason="authorization_lapsed", reference="parcel-1"),
    )


def test_an_order_that_is_placed_while_its_authorisation_is_renewed_is_captured_then() -> None:
    given(*AUTHORIZED, end_waits(LAPSES_MS), OrderPlaced())
    when(result(AUTHORIZE, number=2, authorization_id="auth_2"))
    then(PaymentAuthorized(authorization_id="auth_2"), asked(CAPTURE, authorization_id="auth_2"))


def test_an_order_that_is_placed_on_a_lapsed_authorisation_is_not_paid() -> None:
    given(*LAPSED)
    when(OrderPlaced())
    then(PaymentCaptureFailed(reason="authorization_lapsed"))


def test_a_lapsed_authorisation_may_be_asked_for_again() -> None:
    given(*LAPSED)
    when(RETRY)
    then(asked(AUTHORIZE, number=3))


def test_an_order_that_ends_after_its_authorisation_lapsed_owes_nothing() -> None:
    given(*LAPSED)
    when(OrderCancelled())
    then()
    given(*LAPSED, OrderCancelled())
    assert story.state.state is PaymentState.VOIDED


def test_captured_money_waits_for_nothing() -> None:
    given(*CAPTURED)
    assert story.state.deadline_ms is None
    when(end_waits(LAPSES_MS), at_ms=LAPSES_MS)
    then()
    when(result(AUTHORIZE, "lapsed"))
    then()


def test_a_lapse_that_is_read_during_a_capture_is_seen_to_after_it() -> None:
    given(*CAPTURING_SHIPMENT)
    when(result(AUTHORIZE, "lapsed"))
    then()
    given(*CAPTURING_SHIPMENT, result(AUTHORIZE, "lapsed"))
    when(result(CAPTURE))
    then(PaymentCaptured(amount_minor=300, reference="parcel-1"))
    given(*CAPTURING_SHIPMENT, result(AUTHORIZE, "lapsed"), result(CAPTURE))
    assert story.state.deadline_ms == NOW_MS
    when(end_waits(NOW_MS))
    then(asked(AUTHORIZE, number=2, amount_minor=200))


def test_a_lapse_that_is_read_during_the_last_capture_changes_nothing_if_that_succeeds() -> None:
    given(*CAPTURING, result(AUTHORIZE, "lapsed"), result(CAPTURE))
    assert story.state.state is PaymentState.CAPTURED
    assert story.state.deadline_ms is None


def test_money_that_could_not_be_voided_is_given_back_by_time() -> None:
    given(*VOID_FAILED)
    when(end_waits(LAPSES_MS), at_ms=LAPSES_MS)
    then(PaymentVoided())
    given(*VOID_FAILED, end_waits(LAPSES_MS))
    assert story.state.state is PaymentState.VOIDED


def test_the_end_of_an_earlier_authorisation_is_no_news() -> None:
    given(*AUTHORIZED, end_waits(LAPSES_MS), result(AUTHORIZE, number=2, authorization_id="auth_2"))
    when(result(AUTHORIZE, "lapsed"))
    then()
