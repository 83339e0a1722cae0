"""Captured money that goes back: once for each refund id, never more than was captured, one operation at a time."""

from typing import Any

import pytest

from schemas import messages as m
from tests.given_when_then import (
    OrderCancelled,
    OrderCommandRefused,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentVoided,
    RefundReduced,
)
from tests.unit.payments.dsl import (
    AUTHORIZE,
    AUTHORIZED,
    CAPTURE,
    CAPTURED,
    INSPECT,
    LAPSES_MS,
    PARTIALLY_CAPTURED,
    PARTIALLY_REFUNDED,
    REFUND,
    REFUND_FAILED,
    REFUNDED,
    REFUNDING,
    RESOLVE,
    RETRY,
    VOID,
    VOID_FAILED,
    VOIDED,
    VOIDING,
    asked,
    end_waits,
    given,
    goodwill,
    inspection,
    refund,
    resolved,
    result,
    shipment,
    story,
    then,
    then_refused,
    when,
)
from topology.states import PaymentState


def refused(command: type[m.Message], reason: str, reference: str = "", detail: str = "") -> Any:
    return OrderCommandRefused(command=command.__name__, reference=reference, reason=reason, detail=detail)


def test_a_line_that_came_back_is_refunded() -> None:
    given(*CAPTURED)
    when(refund("line:1", 200))
    then(asked(REFUND, amount_minor=200, reference="line:1"))


def test_a_refund_is_published_with_its_id() -> None:
    given(*REFUNDING)
    when(result(REFUND))
    then(PaymentRefunded(refund_id="line:1", amount_minor=200))
    given(*PARTIALLY_REFUNDED)
    assert story.state.state is PaymentState.PARTIALLY_REFUNDED


def test_all_refunded_is_another_state() -> None:
    given(*REFUNDED)
    assert story.state.state is PaymentState.REFUNDED


@pytest.mark.parametrize("history", [REFUNDING, PARTIALLY_REFUNDED, REFUND_FAILED], ids=["asked", "paid", "failed"])
def test_a_refund_id_is_paid_once(history: tuple[Any, ...]) -> None:
    given(*history)
    when(refund("line:1", 200))
    then()


def test_refunds_wait_for_each_other() -> None:
    given(*REFUNDING, refund("line:2", 100), goodwill("sorry", 50))
    when(result(REFUND))
    then(
        PaymentRefunded(refund_id="line:1", amount_minor=200),
        asked(REFUND, number=2, amount_minor=100, reference="line:2"),
    )
    given(*REFUNDING, refund("line:2", 100), goodwill("sorry", 50), result(REFUND))
    when(result(REFUND, number=2))
    then(
        PaymentRefunded(refund_id="line:2", amount_minor=100),
        asked(REFUND, number=3, amount_minor=50, reference="sorry"),
    )


def test_a_person_may_give_back_what_is_left() -> None:
    given(*PARTIALLY_REFUNDED)
    when(goodwill("sorry", 300))
    then(asked(REFUND, number=2, amount_minor=300, reference="sorry"))


@pytest.mark.parametrize(
    ("history", "left_minor"),
    [(AUTHORIZED, 0), (CAPTURED, 500), (REFUNDING, 300), (REFUND_FAILED, 300), (REFUNDED, 0), (VOIDED, 0)],
    ids=["authorized", "captured", "refunding", "refund failed", "refunded", "voided"],
)
def test_never_more_is_given_back_than_was_captured_and_is_not_promised(
    history: tuple[Any, ...], left_minor: int
) -> None:
    given(*history)
    when(goodwill("sorry", left_minor + 1))
    reason = "order_over" if story.state.order_over else "exceeds_captured"
    then(refused(m.RefundOrder, reason, "sorry"))


def test_a_line_that_came_back_after_a_goodwill_refund_gets_what_is_left() -> None:
    given(*CAPTURED, goodwill("sorry", 450), result(REFUND))
    when(refund("line:1", 200))
    then(
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=50, reason="given_before"),
        asked(REFUND, number=2, amount_minor=50, reference="line:1"),
    )


def test_a_line_that_came_back_after_all_was_given_back_gets_nothing() -> None:
    given(*CAPTURED, goodwill("sorry", 500), result(REFUND))
    when(refund("line:1", 200))
    then(RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="given_before"))


def test_a_refund_of_a_line_where_nothing_is_left_comes_before_a_persons_eyes() -> None:
    given(*REFUNDED)
    when(refund("line:2", 200))
    then_refused("exceeds_captured")


def test_a_line_that_cost_nothing_is_refunded_nothing() -> None:
    given(*CAPTURED)
    when(refund("line:1", 0))
    then()


def test_an_exact_repeat_of_a_refund_is_ignored_and_another_amount_refused() -> None:
    given(*CAPTURED, goodwill("sorry", 100), result(REFUND))
    when(goodwill("sorry", 100))
    then()
    when(goodwill("sorry", 101))
    then(refused(m.RefundOrder, "refund_id_used", "sorry", "amount_minor 100 was sent first, 101 now"))


@pytest.mark.parametrize("command", [goodwill("sorry", 1), RETRY, RESOLVE], ids=lambda command: type(command).__name__)
def test_a_command_about_an_order_without_money_is_left_to_orders(command: Any) -> None:
    given()
    when(command)
    assert isinstance(story.outcomes, list)
    assert [type(outcome) for outcome in story.outcomes] == [m.OrderCommandUnmatched]


# --- cancelled after capture --------------------------------------------------------------------------------------------


def test_what_a_cancelled_order_had_captured_goes_back() -> None:
    given(*CAPTURED)
    when(OrderCancelled())
    then(asked(REFUND, reference="cancelled"))


def test_what_was_refunded_or_promised_before_is_not_given_back_again() -> None:
    given(*REFUNDING, OrderCancelled())
    when(result(REFUND))
    then(
        PaymentRefunded(refund_id="line:1", amount_minor=200),
        asked(REFUND, number=2, amount_minor=300, reference="cancelled"),
    )


def test_a_cancelled_order_that_is_partly_captured_is_voided_and_refunded() -> None:
    given(*PARTIALLY_CAPTURED)
    when(OrderCancelled())
    then(asked(VOID, amount_minor=200))
    given(*PARTIALLY_CAPTURED, OrderCancelled())
    when(result(VOID))
    then(PaymentVoided(), asked(REFUND, amount_minor=300, reference="cancelled"))


def test_a_line_of_a_cancelled_order_is_refunded_with_the_rest() -> None:
    given(*CAPTURED, OrderCancelled())
    when(refund("line:1", 200))
    then(RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="order_over"))


# --- when the processor refuses ------------------------------------------------------------------------------------------


def test_a_refused_refund_is_published_so_that_a_person_sees_to_it() -> None:
    given(*REFUNDING)
    when(result(REFUND, "failed", reason="account_closed"))
    then(PaymentRefundFailed(refund_id="line:1", amount_minor=200, reason="account_closed"))


def test_a_refused_refund_is_asked_for_again_under_the_next_number() -> None:
    given(*REFUND_FAILED)
    when(RETRY)
    then(asked(REFUND, number=2, amount_minor=200, reference="line:1"))
    given(*REFUND_FAILED, RETRY)
    when(result(REFUND, number=2))
    then(PaymentRefunded(refund_id="line:1", amount_minor=200))


def test_a_refused_void_is_asked_for_again_under_the_next_number() -> None:
    given(*VOID_FAILED)
    when(RETRY)
    then(asked(VOID, number=2))


@pytest.mark.parametrize("history", [VOIDING, REFUNDING], ids=["voiding", "refunding"])
def test_what_is_under_way_is_not_asked_for_beside_it(history: tuple[Any, ...]) -> None:
    given(*history)
    when(RETRY)
    then()


def test_where_nothing_failed_there_is_nothing_to_retry_or_resolve() -> None:
    given(*CAPTURED)
    when(RETRY)
    then(refused(m.RetryOrder, "nothing_to_retry"))
    when(RESOLVE)
    then(refused(m.ResolveOrder, "nothing_to_resolve"))


def test_a_refund_that_was_done_by_hand_is_booked() -> None:
    given(*REFUND_FAILED)
    when(RESOLVE)
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))
    given(*REFUND_FAILED, RESOLVE)
    when(inspection())
    then(resolved("line:1", 200))
    given(*REFUND_FAILED, RESOLVE, inspection())
    assert story.state.refunded_minor == 200
    assert story.state.state is PaymentState.PARTIALLY_REFUNDED


def test_a_resolve_of_what_the_processor_still_holds_is_refused() -> None:
    given(*VOID_FAILED)
    when(RESOLVE)
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))
    given(*VOID_FAILED, RESOLVE)
    when(inspection(captured_minor=0))
    then(refused(m.ResolveOrder, "still_held", detail="EUR 5.00"))
    given(*VOID_FAILED, RESOLVE, inspection(captured_minor=0))
    assert (story.state.state, story.state.resolving) == (PaymentState.VOID_FAILED, "")
    when(RETRY)
    then(asked(VOID, number=2))


def test_a_resolve_books_a_void_whose_authorisation_the_processor_does_not_know() -> None:
    given(*VOID_FAILED, RESOLVE)
    when(result(INSPECT, "failed", reason="authorization_unknown"))
    then(resolved("", 500))
    given(*VOID_FAILED, RESOLVE, result(INSPECT, "failed"))
    assert story.state.state is PaymentState.VOIDED
    when(RESOLVE)
    then(refused(m.ResolveOrder, "nothing_to_resolve"))


def test_a_refund_that_failed_keeps_no_other_from_being_paid() -> None:
    given(*REFUND_FAILED)
    when(refund("line:2", 100))
    then(asked(REFUND, number=2, amount_minor=100, reference="line:2"))
    given(*REFUND_FAILED, refund("line:2", 100), result(REFUND, number=2))
    assert story.state.state is PaymentState.REFUND_FAILED


def test_a_refund_comes_from_the_authorisations_on_which_its_money_was_captured() -> None:
    renewed = result(AUTHORIZE, number=2, authorization_id="auth_2")
    second = (shipment("parcel-2", 200), result(CAPTURE, number=2))
    given(*PARTIALLY_CAPTURED, end_waits(LAPSES_MS), renewed, *second)
    when(refund("line:1", 400))
    then(asked(REFUND, amount_minor=300, reference="line:1", authorization_id="auth_1"))
    given(*PARTIALLY_CAPTURED, end_waits(LAPSES_MS), renewed, *second, refund("line:1", 400))
    when(result(REFUND))
    then(
        PaymentRefunded(refund_id="line:1", amount_minor=300),
        asked(REFUND, number=2, amount_minor=100, reference="line:1", authorization_id="auth_2"),
    )
