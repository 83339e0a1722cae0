"""Under capture_at_shipping each shipment's money is captured when it goes out, and the rest is given back."""

from tests.given_when_then import (
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentVoided,
)
from tests.unit.payments.dsl import (
    AT_SHIPPING,
    AUTHORIZE,
    AUTHORIZED,
    CAPTURE,
    CAPTURED,
    CAPTURING_SHIPMENT,
    LAPSED,
    PARTIALLY_CAPTURED,
    VOID,
    OrderShipped,
    asked,
    given,
    result,
    shipment,
    story,
    then,
    when,
)
from topology.states import PaymentState


def test_nothing_is_captured_at_placing() -> None:
    given(*AUTHORIZED)
    when(OrderPlaced(terms="ship_available capture_at_shipping"))
    then()


def test_a_shipment_is_captured_and_more_will_follow() -> None:
    given(*AT_SHIPPING)
    when(shipment("parcel-1", 300))
    then(asked(CAPTURE, amount_minor=300, reference="parcel-1", is_last=False))


def test_a_captured_shipment_is_published_with_its_name() -> None:
    given(*CAPTURING_SHIPMENT)
    when(result(CAPTURE))
    then(PaymentCaptured(amount_minor=300, reference="parcel-1"))


def test_the_last_shipment_takes_all_that_is_held() -> None:
    given(*PARTIALLY_CAPTURED)
    when(shipment("parcel-2", 200))
    then(asked(CAPTURE, number=2, amount_minor=200, reference="parcel-2"))


def test_a_shipment_that_cannot_be_captured_leaves_the_authorisation_for_another() -> None:
    given(*CAPTURING_SHIPMENT)
    when(result(CAPTURE, "failed", reason="try_later"))
    then(PaymentCaptureFailed(reason="try_later", reference="parcel-1"))
    given(*CAPTURING_SHIPMENT, result(CAPTURE, "failed"))
    assert story.state.state is PaymentState.AUTHORIZED
    when(shipment("parcel-2", 300))
    then(asked(CAPTURE, number=2, amount_minor=300, reference="parcel-2", is_last=False))


def test_a_second_shipment_waits_for_the_first_ones_answer() -> None:
    given(*CAPTURING_SHIPMENT)
    when(shipment("parcel-2", 200))
    then()
    given(*CAPTURING_SHIPMENT, shipment("parcel-2", 200))
    when(result(CAPTURE))
    then(
        PaymentCaptured(amount_minor=300, reference="parcel-1"),
        asked(CAPTURE, number=2, amount_minor=200, reference="parcel-2"),
    )


def test_a_shipment_that_is_asked_for_twice_is_captured_once() -> None:
    for history in (CAPTURING_SHIPMENT, PARTIALLY_CAPTURED, (*CAPTURING_SHIPMENT, shipment("parcel-1", 300))):
        given(*history)
        when(shipment("parcel-1", 300))
        then()


def test_more_than_is_held_is_not_captured() -> None:
    given(*PARTIALLY_CAPTURED)
    when(shipment("parcel-2", 201))
    then(PaymentCaptureFailed(reason="exceeds_authorized", reference="parcel-2"))


def test_a_lapsed_authorisation_pays_for_no_shipment() -> None:
    given(*AT_SHIPPING, *LAPSED[2:])
    when(shipment("parcel-1", 300))
    then(PaymentCaptureFailed(reason="authorization_lapsed", reference="parcel-1"))


def test_a_shipment_that_costs_nothing_needs_no_asking() -> None:
    given(*AT_SHIPPING)
    when(shipment("parcel-1", 0))
    then(PaymentCaptured(amount_minor=0, reference="parcel-1"))
    given(*AT_SHIPPING, shipment("parcel-1", 0))
    assert story.state.state is PaymentState.AUTHORIZED


def test_under_the_usual_terms_a_shipment_moves_no_money() -> None:
    given(*CAPTURED)
    when(shipment("parcel-1", 300))
    then()


def test_once_all_is_shipped_the_rest_is_given_back() -> None:
    given(*PARTIALLY_CAPTURED)
    when(OrderShipped())
    then(asked(VOID, amount_minor=200))
    given(*PARTIALLY_CAPTURED, OrderShipped())
    when(result(VOID))
    then(PaymentVoided())
    given(*PARTIALLY_CAPTURED, OrderShipped(), result(VOID))
    assert story.state.state is PaymentState.CAPTURED
    assert (story.state.captured_minor, story.state.voided_minor) == (300, 200)


def test_the_rest_is_given_back_only_after_the_capture_that_is_under_way() -> None:
    given(*CAPTURING_SHIPMENT)
    when(OrderShipped())
    then()
    given(*CAPTURING_SHIPMENT, OrderShipped())
    when(result(CAPTURE))
    then(PaymentCaptured(amount_minor=300, reference="parcel-1"), asked(VOID, amount_minor=200))


def test_a_shipment_of_a_cancelled_order_is_not_captured() -> None:
    given(*AT_SHIPPING, OrderCancelled())
    when(shipment("parcel-1", 300))
    then(PaymentCaptureFailed(reason="order_over", reference="parcel-1"))


def test_a_shipment_in_line_is_not_captured_any_more_when_the_order_is_cancelled() -> None:
    given(*CAPTURING_SHIPMENT, shipment("parcel-2", 200), OrderCancelled())
    when(result(CAPTURE, "failed", reason="try_later"))
    then(
        PaymentCaptureFailed(reason="try_later", reference="parcel-1"),
        PaymentCaptureFailed(reason="order_over", reference="parcel-2"),
        asked(VOID),
    )


def test_an_order_that_costs_nothing_moves_without_asking_anybody() -> None:
    free = OrderReserved(amount_minor=0)
    given(free)
    when(OrderPlaced(amount_minor=0))
    then(PaymentCaptured(authorization_id="", amount_minor=0))
    given(free, OrderCancelled())
    assert story.state.state is PaymentState.VOIDED
    assert all(attempt.kind in (AUTHORIZE, CAPTURE) for attempt in story.state.attempts.values())
