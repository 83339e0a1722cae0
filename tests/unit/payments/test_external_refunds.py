"""Money that a person gave back at the processor without us is booked as external, and counted once beside ours."""

from __future__ import annotations

from consumers.payments.state import ExternalMoney
from tests.given_when_then import (
    OrderCancelled,
    OrderCommandRefused,
    PaymentRefundFailed,
    RefundReduced,
)
from tests.unit.payments.dsl import (
    CAPTURED,
    INSPECT,
    INSPECTING,
    REFUND,
    REFUND_FAILED,
    REFUNDING,
    RESOLVE,
    VOID_FAILED,
    asked,
    changed,
    given,
    goodwill,
    inspect,
    inspection,
    refund,
    resolved,
    result,
    stands,
    story,
    then,
    when,
)
from topology.states import PaymentState

REFUNDED_OUTSIDE = (*INSPECTING, inspection(refunded_minor=500))
PARTLY_REFUNDED_OUTSIDE = (*INSPECTING, inspection(refunded_minor=200))


# --- refunds ----------------------------------------------------------------------------------------------------------


def test_a_refund_at_the_dashboard_is_booked_as_external() -> None:
    given(*INSPECTING)
    when(inspection(refunded_minor=500))
    then(changed("refunded", 500, left=0, gone=500))
    given(*REFUNDED_OUTSIDE)
    assert story.state.state is PaymentState.REFUNDED
    assert story.state.refunded_minor == 500
    assert story.state.external == {"auth_1": ExternalMoney(refunded_minor=500)}


def test_a_return_after_a_partial_refund_outside_pays_exactly_the_rest() -> None:
    given(*PARTLY_REFUNDED_OUTSIDE)
    assert story.state.state is PaymentState.PARTIALLY_REFUNDED
    when(refund("line:1", 500))
    then(
        RefundReduced(refund_id="line:1", asked_minor=500, amount_minor=300, reason="given_before"),
        asked(REFUND, amount_minor=300, reference="line:1"),
    )


def test_a_cancellation_after_a_partial_refund_outside_pays_exactly_the_rest() -> None:
    given(*PARTLY_REFUNDED_OUTSIDE)
    when(OrderCancelled())
    then(asked(REFUND, amount_minor=300, reference="cancelled"))


def test_a_person_cannot_give_back_what_was_given_back_outside() -> None:
    given(*PARTLY_REFUNDED_OUTSIDE)
    when(goodwill("sorry", 301))
    then(OrderCommandRefused(command="RefundOrder", reference="sorry", reason="exceeds_captured"))


def test_our_refund_that_is_refused_since_somebody_was_first_is_settled() -> None:
    given(*CAPTURED, OrderCancelled())
    when(inspection(REFUND, refunded_minor=500, refusal="charge_already_refunded"))
    then(
        changed("refunded", 500, left=0, gone=500),
        RefundReduced(refund_id="cancelled", asked_minor=500, amount_minor=0, reason="given_before"),
    )
    given(*CAPTURED, OrderCancelled(), inspection(REFUND, refunded_minor=500, refusal="charge_already_refunded"))
    assert story.state.state is PaymentState.REFUNDED
    assert not story.state.failed()
    when(RESOLVE)
    then(OrderCommandRefused(command="ResolveOrder", reference="", reason="nothing_to_resolve"))


def test_our_refund_that_is_refused_for_another_reason_fails() -> None:
    given(*REFUNDING)
    when(inspection(REFUND, refusal="account_closed"))
    then(PaymentRefundFailed(refund_id="line:1", amount_minor=200, reason="account_closed"))


def test_our_refund_of_which_a_part_is_left_is_tried_again_with_that() -> None:
    given(*CAPTURED, OrderCancelled())
    when(inspection(REFUND, refunded_minor=200, refusal="exceeds"))
    then(
        changed("refunded", 200, left=300, gone=200),
        RefundReduced(refund_id="cancelled", asked_minor=500, amount_minor=300, reason="given_before"),
        asked(REFUND, number=2, amount_minor=300, reference="cancelled"),
    )


def test_a_refund_that_the_bank_sends_back_days_later_is_owed_again() -> None:
    given(*REFUNDING, result(REFUND))
    when(result(REFUND, "failed", reason="lost_or_stolen_card"))
    then(PaymentRefundFailed(refund_id="line:1", amount_minor=200, reason="lost_or_stolen_card", was_refunded=1))
    given(*REFUNDING, result(REFUND), result(REFUND, "failed"))
    assert (story.state.state, story.state.refunded_minor) == (PaymentState.REFUND_FAILED, 0)


def test_a_refund_outside_that_did_not_stand_is_taken_back() -> None:
    given(*REFUNDED_OUTSIDE, inspect())
    when(inspection(number=2))
    then(changed("refunded_reversed", 500, left=500))


# --- by hand, then resolve --------------------------------------------------------------------------------------------


def test_what_was_paid_back_at_the_dashboard_settles_the_refund_that_was_refused() -> None:
    given(*REFUND_FAILED, inspect())
    when(inspection(refunded_minor=200))
    then(
        changed("refunded", 200, left=300, gone=200),
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="given_before"),
    )
    assert stands(*REFUND_FAILED, inspect(), inspection(refunded_minor=200)) is PaymentState.PARTIALLY_REFUNDED


def test_a_resolve_of_what_was_paid_back_at_the_dashboard_books_it_once() -> None:
    given(*REFUND_FAILED, RESOLVE)
    when(inspection(refunded_minor=200))
    then(
        changed("refunded", 200, left=300, gone=200),
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="given_before"),
        OrderCommandRefused(command="ResolveOrder", reference="", reason="settled_at_processor"),
    )
    given(*REFUND_FAILED, RESOLVE, inspection(refunded_minor=200))
    assert story.state.refunded_minor == 200


def test_a_resolve_twice_while_the_processor_is_read_is_one() -> None:
    given(*REFUND_FAILED, RESOLVE)
    when(RESOLVE)
    then()


def test_a_resolve_waits_for_no_reading_that_comes_to_nothing() -> None:
    given(*REFUND_FAILED, RESOLVE)
    when(result(INSPECT, "failed", reason="authorization_unknown"))
    then(resolved("line:1", 200))


def test_what_was_resolved_and_turns_out_to_be_done_at_the_processor_is_not_counted_twice() -> None:
    by_hand = (*CAPTURED, OrderCancelled(), result(REFUND, "failed"), RESOLVE, inspection())
    assert stands(*by_hand) is PaymentState.REFUNDED
    given(*by_hand, inspect())
    when(inspection(number=2, refunded_minor=500))
    then(changed("refunded_reversed", 500, left=0, gone=500), changed("refunded", 500, left=0, gone=500))
    given(*by_hand, inspect(), inspection(number=2, refunded_minor=500))
    assert (story.state.refunded_minor, story.state.external["auth_1"].refunded_minor) == (500, 500)


def test_a_void_at_the_dashboard_settles_the_void_that_was_refused() -> None:
    given(*VOID_FAILED, RESOLVE)
    when(inspection(captured_minor=0, voided_minor=500))
    then(
        changed("voided", 500, left=0),
        OrderCommandRefused(command="ResolveOrder", reference="", reason="settled_at_processor"),
    )
    assert stands(*VOID_FAILED, RESOLVE, inspection(captured_minor=0, voided_minor=500)) is PaymentState.VOIDED
