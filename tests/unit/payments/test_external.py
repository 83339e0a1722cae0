"""What a person or the card network moves at the processor without us: read there, booked as external, settled consistently."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.payments.state import ExternalMoney
from schemas import messages as m
from tests.given_when_then import (
    A,
    OrderCancelled,
    OrderCommandRefused,
    OrderPlaced,
    OrderRejected,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentLapsed,
    PaymentRefunded,
    PaymentRefundFailed,
    RefundReduced,
)
from tests.unit.payments.dsl import (
    AT_SHIPPING,
    AUTHORIZE,
    AUTHORIZED,
    AUTHORIZING,
    CAPTURE,
    CAPTURE_FAILED,
    CAPTURED,
    CAPTURING,
    CAPTURING_SHIPMENT,
    DISPUTED,
    INSPECT,
    INSPECTING,
    PARTIALLY_CAPTURED,
    REFUND,
    REFUND_FAILED,
    REFUNDING,
    RESOLVE,
    RETRY,
    VOID,
    VOID_FAILED,
    VOIDING,
    OrderShipped,
    asked,
    changed,
    end_waits,
    found,
    given,
    goodwill,
    inspect,
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

LOOKED_AT = (*AUTHORIZED, inspect())
"""Nothing was captured yet when something happened at the processor."""
CAPTURED_OUTSIDE = (*LOOKED_AT, found())
VOIDED_OUTSIDE = (*LOOKED_AT, found(captured_minor=0, voided_minor=500))
REFUNDED_OUTSIDE = (*INSPECTING, found(refunded_minor=500))
PARTLY_REFUNDED_OUTSIDE = (*INSPECTING, found(refunded_minor=200))
LOOKED_AT_AGAIN = (*DISPUTED, inspect())


def captured(reference: str = "", amount_minor: int = 500) -> Any:
    return PaymentCaptured(reference=reference, amount_minor=amount_minor)


def stands(*happened: Any) -> PaymentState:
    given(*happened)
    return story.state.state


# --- the processor is read ------------------------------------------------------------------------------------------------


def test_what_may_have_happened_at_the_processor_is_read_there() -> None:
    given(*CAPTURED)
    when(inspect())
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))


def test_an_authorisation_that_is_not_the_orders_is_not_read() -> None:
    given(*CAPTURED)
    for name in ("auth_2", ""):
        when(inspect(name))
        then_refused("unknown_authorization")


def test_an_inspection_waits_until_the_answer_that_is_awaited() -> None:
    given(*AUTHORIZING)
    when(inspect())
    then()
    given(*AUTHORIZING, inspect(), inspect())
    when(result(AUTHORIZE))
    then(PaymentAuthorized(), asked(INSPECT, amount_minor=0, reference="auth_1"))


def test_a_reading_that_shows_what_is_booked_changes_nothing() -> None:
    given(*INSPECTING)
    when(found())
    then()
    assert stands(*INSPECTING, found()) is PaymentState.CAPTURED


def test_a_reading_twice_or_of_something_else_changes_nothing() -> None:
    given(*REFUNDED_OUTSIDE)
    when(found(refunded_minor=500))
    then()
    given(*INSPECTING)
    when(found(authorization_id="auth_2", refunded_minor=500))
    then()
    when(found(CAPTURE, refunded_minor=500))
    then()


@pytest.mark.parametrize(
    "figures",
    [
        {"refunded_minor": 501},
        {"captured_minor": 501},
        {"voided_minor": 1},
        {"disputed_minor": -1},
        {"lost_minor": -1},
        {"currency": "USD"},
    ],
)
def test_figures_that_no_processor_can_have_come_before_a_persons_eyes(figures: dict[str, Any]) -> None:
    given(*INSPECTING)
    when(found(**figures))
    then_refused("invalid_inspection")


def test_an_order_is_not_inspected_for_ever() -> None:
    given(*CAPTURED, *[it for number in range(1, 1001) for it in (inspect(), found(number=number))])
    when(inspect())
    then_refused("too_many_inspections")


# --- refunds --------------------------------------------------------------------------------------------------------------


def test_a_refund_at_the_dashboard_is_booked_as_external() -> None:
    given(*INSPECTING)
    when(found(refunded_minor=500))
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
    when(found(REFUND, refunded_minor=500, refusal="charge_already_refunded"))
    then(
        changed("refunded", 500, left=0, gone=500),
        RefundReduced(refund_id="cancelled", asked_minor=500, amount_minor=0, reason="given_before"),
    )
    given(*CAPTURED, OrderCancelled(), found(REFUND, refunded_minor=500, refusal="charge_already_refunded"))
    assert story.state.state is PaymentState.REFUNDED
    assert not story.state.failed()
    when(RESOLVE)
    then(OrderCommandRefused(command="ResolveOrder", reference="", reason="nothing_to_resolve"))


def test_our_refund_that_is_refused_for_another_reason_fails() -> None:
    given(*REFUNDING)
    when(found(REFUND, refusal="account_closed"))
    then(PaymentRefundFailed(refund_id="line:1", amount_minor=200, reason="account_closed"))


def test_our_refund_of_which_a_part_is_left_is_tried_again_with_that() -> None:
    given(*CAPTURED, OrderCancelled())
    when(found(REFUND, refunded_minor=200, refusal="exceeds"))
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
    when(found(number=2))
    then(changed("refunded_reversed", 500, left=500))


# --- by hand, then resolve --------------------------------------------------------------------------------------------------


def test_what_was_paid_back_at_the_dashboard_settles_the_refund_that_was_refused() -> None:
    given(*REFUND_FAILED, inspect())
    when(found(refunded_minor=200))
    then(
        changed("refunded", 200, left=300, gone=200),
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="given_before"),
    )
    assert stands(*REFUND_FAILED, inspect(), found(refunded_minor=200)) is PaymentState.PARTIALLY_REFUNDED


def test_a_resolve_of_what_was_paid_back_at_the_dashboard_books_it_once() -> None:
    given(*REFUND_FAILED, RESOLVE)
    when(found(refunded_minor=200))
    then(
        changed("refunded", 200, left=300, gone=200),
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="given_before"),
        OrderCommandRefused(command="ResolveOrder", reference="", reason="settled_at_processor"),
    )
    given(*REFUND_FAILED, RESOLVE, found(refunded_minor=200))
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
    by_hand = (*CAPTURED, OrderCancelled(), result(REFUND, "failed"), RESOLVE, found())
    assert stands(*by_hand) is PaymentState.REFUNDED
    given(*by_hand, inspect())
    when(found(number=2, refunded_minor=500))
    then(changed("refunded_reversed", 500, left=0, gone=500), changed("refunded", 500, left=0, gone=500))
    given(*by_hand, inspect(), found(number=2, refunded_minor=500))
    assert (story.state.refunded_minor, story.state.external["auth_1"].refunded_minor) == (500, 500)


def test_a_void_at_the_dashboard_settles_the_void_that_was_refused() -> None:
    given(*VOID_FAILED, RESOLVE)
    when(found(captured_minor=0, voided_minor=500))
    then(
        changed("voided", 500, left=0),
        OrderCommandRefused(command="ResolveOrder", reference="", reason="settled_at_processor"),
    )
    assert stands(*VOID_FAILED, RESOLVE, found(captured_minor=0, voided_minor=500)) is PaymentState.VOIDED


# --- captures and voids -----------------------------------------------------------------------------------------------------


def test_a_capture_at_the_dashboard_pays_for_the_order() -> None:
    given(*LOOKED_AT)
    when(found())
    then(changed("captured", 500, left=500))
    given(*CAPTURED_OUTSIDE)
    when(OrderPlaced())
    then(captured())


def test_our_capture_that_is_refused_since_somebody_was_first_is_covered() -> None:
    given(*CAPTURING)
    when(found(CAPTURE, refusal="already_captured"))
    then(changed("captured", 500, left=500), captured())
    assert stands(*CAPTURING, found(CAPTURE, refusal="already_captured")) is PaymentState.CAPTURED


def test_a_capture_at_the_dashboard_of_an_order_that_is_not_placed_goes_back() -> None:
    given(*CAPTURED_OUTSIDE)
    when(OrderRejected())
    then(asked(REFUND, reference="cancelled"))


def test_a_capture_at_the_dashboard_after_the_order_ended_goes_back() -> None:
    given(*VOIDING)
    when(found(VOID, refusal="already_captured"))
    then(changed("captured", 500, left=500), asked(REFUND, reference="cancelled"))


def test_a_capture_at_the_dashboard_pays_for_shipments_and_its_rest_goes_back() -> None:
    taken = (*AT_SHIPPING, inspect(), found())
    given(*taken)
    when(shipment("parcel-1", 300))
    then(captured("parcel-1", 300))
    given(*taken, shipment("parcel-1", 300))
    when(OrderShipped())
    then(asked(REFUND, amount_minor=200, reference="uncovered"))


def test_a_capture_at_the_dashboard_comes_in_beside_a_shipments() -> None:
    given(*CAPTURING_SHIPMENT)
    when(found(CAPTURE, refusal="already_captured"))
    then(changed("captured", 500, left=500), captured("parcel-1", 300))


def test_a_void_at_the_dashboard_leaves_nothing_to_capture() -> None:
    given(*LOOKED_AT)
    when(found(captured_minor=0, voided_minor=500))
    then(changed("voided", 500, left=0), PaymentLapsed(reason="voided_externally"))
    assert stands(*VOIDED_OUTSIDE) is PaymentState.LAPSED
    given(*VOIDED_OUTSIDE)
    when(OrderPlaced())
    then(PaymentCaptureFailed(reason="authorization_lapsed"))
    when(OrderRejected())
    then()
    when(RETRY)
    then(asked(AUTHORIZE, number=2))


def test_our_capture_that_is_refused_since_it_was_voided_fails() -> None:
    given(*CAPTURING)
    when(found(CAPTURE, captured_minor=0, voided_minor=500, refusal="canceled"))
    then(
        changed("voided", 500, left=0),
        PaymentLapsed(reason="voided_externally"),
        PaymentCaptureFailed(reason="canceled"),
    )


def test_our_void_that_is_refused_since_somebody_was_first_is_settled() -> None:
    given(*VOIDING)
    when(found(VOID, captured_minor=0, voided_minor=500, refusal="canceled"))
    then(changed("voided", 500, left=0))
    assert stands(*VOIDING, found(VOID, captured_minor=0, voided_minor=500, refusal="x")) is PaymentState.VOIDED


def test_a_void_of_the_rest_after_a_shipment_was_captured_is_booked() -> None:
    given(*PARTIALLY_CAPTURED, inspect())
    when(found(captured_minor=300, voided_minor=200))
    then(changed("voided", 200, left=300), PaymentLapsed(reason="voided_externally"))
    given(*PARTIALLY_CAPTURED, inspect(), found(captured_minor=300, voided_minor=200))
    when(shipment("parcel-2", 200))
    then(PaymentCaptureFailed(reason="authorization_lapsed", reference="parcel-2"))


def test_an_authorisation_that_lapsed_by_our_books_is_not_voided_once_more() -> None:
    lapsed = (*AUTHORIZED, end_waits(2**53), result(AUTHORIZE, "declined", 2))
    given(*lapsed, inspect())
    when(found(captured_minor=0, voided_minor=0))
    then()
    when(found(captured_minor=0, voided_minor=500))
    then()


# --- disputes ---------------------------------------------------------------------------------------------------------------


def test_a_dispute_takes_the_money_until_it_ends() -> None:
    given(*INSPECTING)
    when(found(disputed_minor=500))
    then(changed("disputed", 500, left=0, disputed=500))
    given(*DISPUTED)
    assert (story.state.state, story.state.left_minor) == (PaymentState.DISPUTED, 0)
    assert not story.state.is_settled


def test_a_dispute_that_is_won_brings_it_back() -> None:
    given(*LOOKED_AT_AGAIN)
    when(found(number=2))
    then(changed("dispute_won", 500, left=500))
    assert stands(*LOOKED_AT_AGAIN, found(number=2)) is PaymentState.CAPTURED


def test_a_dispute_that_is_lost_takes_it_for_good() -> None:
    given(*LOOKED_AT_AGAIN)
    when(found(number=2, lost_minor=500))
    then(changed("dispute_lost", 500, left=0, gone=500))
    given(*LOOKED_AT_AGAIN, found(number=2, lost_minor=500))
    assert (story.state.state, story.state.refunded_minor) == (PaymentState.REFUNDED, 0)
    when(refund("line:1", 200))
    then(RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="disputed"))
    when(OrderCancelled())
    then()


def test_a_dispute_of_which_only_the_end_is_seen_is_told_whole() -> None:
    given(*INSPECTING)
    when(found(lost_minor=500))
    then(changed("disputed", 500, left=0, gone=500), changed("dispute_lost", 500, left=0, gone=500))


def test_a_refund_waits_for_the_end_of_a_dispute() -> None:
    given(*DISPUTED)
    when(OrderCancelled())
    then()
    given(*DISPUTED, refund("line:1", 200), inspect())
    when(found(number=2))
    then(changed("dispute_won", 500, left=500), asked(REFUND, amount_minor=200, reference="line:1"))
    when(found(number=2, lost_minor=500))
    then(
        changed("dispute_lost", 500, left=0, gone=500),
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="disputed"),
    )


def test_a_cancelled_orders_money_goes_back_once_its_dispute_is_won() -> None:
    given(*DISPUTED, OrderCancelled(), inspect())
    when(found(number=2))
    then(changed("dispute_won", 500, left=500), asked(REFUND, reference="cancelled"))
    when(found(number=2, lost_minor=500))
    then(changed("dispute_lost", 500, left=0, gone=500))


def test_our_refund_that_is_refused_because_of_a_dispute_waits_for_its_end() -> None:
    given(*REFUNDING)
    when(found(REFUND, disputed_minor=500, refusal="charge_disputed"))
    then(changed("disputed", 500, left=0, disputed=500))
    given(*REFUNDING, found(REFUND, disputed_minor=500, refusal="charge_disputed"), inspect())
    when(found())
    then(changed("dispute_won", 500, left=500), asked(REFUND, number=2, amount_minor=200, reference="line:1"))


def test_a_person_gives_nothing_back_while_it_is_disputed() -> None:
    given(*DISPUTED)
    when(goodwill("sorry", 100))
    then(OrderCommandRefused(command="RefundOrder", reference="sorry", reason="payment_disputed"))


def test_a_part_that_is_disputed_leaves_the_rest() -> None:
    given(*INSPECTING, found(disputed_minor=200), refund("line:1", 500), inspect())
    when(found(number=2, lost_minor=200))
    then(
        changed("dispute_lost", 200, left=300, gone=200),
        RefundReduced(refund_id="line:1", asked_minor=500, amount_minor=300, reason="disputed"),
        asked(REFUND, amount_minor=300, reference="line:1"),
    )


def test_a_refund_that_waits_behind_a_capture_gets_what_a_lost_dispute_leaves() -> None:
    waits = (*PARTIALLY_CAPTURED, inspect(), shipment("parcel-2", 200), refund("line:1", 300))
    given(*waits, found(captured_minor=300, lost_minor=300))
    when(result(CAPTURE, number=2))
    then(
        captured("parcel-2", 200),
        RefundReduced(refund_id="line:1", asked_minor=300, amount_minor=200, reason="disputed"),
        asked(REFUND, amount_minor=200, reference="line:1"),
    )


def test_what_was_refunded_and_is_disputed_too_is_no_figure_below_nothing_for_others() -> None:
    given(*CAPTURED, goodwill("sorry", 500), result(REFUND), inspect())
    when(found(refunded_minor=500, disputed_minor=500))
    then(changed("disputed", 500, left=-500, disputed=500))


# --- answers that contradict, and what nobody asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "answer"),
    [
        (CAPTURE_FAILED, result(CAPTURE)),
        (VOID_FAILED, result(VOID)),
        (REFUND_FAILED, result(REFUND)),
        (CAPTURED, result(CAPTURE, "failed")),
    ],
)
def test_an_answer_that_contradicts_has_the_processor_read(happened: tuple[Any, ...], answer: Any) -> None:
    given(*happened)
    when(answer)
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))


def test_a_capture_that_was_ours_after_all_counts_once() -> None:
    late = (*CAPTURE_FAILED, result(CAPTURE))
    given(*late)
    when(found())
    then(changed("captured", 500, left=500))


def test_nothing_of_what_others_send_is_believed() -> None:
    """A command names what to read; only the processor's own figures, in answer to our inspection, move anything."""
    given(*CAPTURED)
    when(m.RecordPaymentInspection(A, f"{A}:inspect", "auth_1", "EUR", 500, 500, 0, 500, 0, 0))
    then_refused("unknown_operation")
    given(*INSPECTING, found())
    when(found(refunded_minor=500))
    then()


def test_what_goes_back_after_all_is_published_as_any_refund() -> None:
    given(*AT_SHIPPING, inspect(), found(), OrderShipped())
    when(result(REFUND))
    then(PaymentRefunded(refund_id="uncovered", amount_minor=500))
