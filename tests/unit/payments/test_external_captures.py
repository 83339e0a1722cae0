"""What a person captured or voided at the processor without us pays for the order, or is missing from it."""

from __future__ import annotations

from tests.given_when_then import (
    OrderPlaced,
    OrderRejected,
    PaymentCaptureFailed,
    PaymentLapsed,
)
from tests.unit.payments.dsl import (
    AT_SHIPPING,
    AUTHORIZE,
    AUTHORIZED,
    CAPTURE,
    CAPTURING,
    CAPTURING_SHIPMENT,
    PARTIALLY_CAPTURED,
    REFUND,
    RETRY,
    VOID,
    VOIDING,
    OrderShipped,
    asked,
    captured,
    changed,
    end_waits,
    given,
    inspect,
    inspection,
    result,
    shipment,
    stands,
    then,
    when,
)
from topology.states import PaymentState

LOOKED_AT = (*AUTHORIZED, inspect())
"""Nothing was captured yet when something happened at the processor."""
CAPTURED_OUTSIDE = (*LOOKED_AT, inspection())
VOIDED_OUTSIDE = (*LOOKED_AT, inspection(captured_minor=0, voided_minor=500))


def test_a_capture_at_the_dashboard_pays_for_the_order() -> None:
    given(*LOOKED_AT)
    when(inspection())
    then(changed("captured", 500, left=500))
    given(*CAPTURED_OUTSIDE)
    when(OrderPlaced())
    then(captured())


def test_our_capture_that_is_refused_since_somebody_was_first_is_covered() -> None:
    given(*CAPTURING)
    when(inspection(CAPTURE, refusal="already_captured"))
    then(changed("captured", 500, left=500), captured())
    assert stands(*CAPTURING, inspection(CAPTURE, refusal="already_captured")) is PaymentState.CAPTURED


def test_a_capture_at_the_dashboard_of_an_order_that_is_not_placed_goes_back() -> None:
    given(*CAPTURED_OUTSIDE)
    when(OrderRejected())
    then(asked(REFUND, reference="cancelled"))


def test_a_capture_at_the_dashboard_after_the_order_ended_goes_back() -> None:
    given(*VOIDING)
    when(inspection(VOID, refusal="already_captured"))
    then(changed("captured", 500, left=500), asked(REFUND, reference="cancelled"))


def test_a_capture_at_the_dashboard_pays_for_shipments_and_its_rest_goes_back() -> None:
    taken = (*AT_SHIPPING, inspect(), inspection())
    given(*taken)
    when(shipment("parcel-1", 300))
    then(captured("parcel-1", 300))
    given(*taken, shipment("parcel-1", 300))
    when(OrderShipped())
    then(asked(REFUND, amount_minor=200, reference="uncovered"))


def test_a_capture_at_the_dashboard_comes_in_beside_a_shipments() -> None:
    given(*CAPTURING_SHIPMENT)
    when(inspection(CAPTURE, refusal="already_captured"))
    then(changed("captured", 500, left=500), captured("parcel-1", 300))


def test_a_void_at_the_dashboard_leaves_nothing_to_capture() -> None:
    given(*LOOKED_AT)
    when(inspection(captured_minor=0, voided_minor=500))
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
    when(inspection(CAPTURE, captured_minor=0, voided_minor=500, refusal="canceled"))
    then(
        changed("voided", 500, left=0),
        PaymentLapsed(reason="voided_externally"),
        PaymentCaptureFailed(reason="canceled"),
    )


def test_our_void_that_is_refused_since_somebody_was_first_is_settled() -> None:
    given(*VOIDING)
    when(inspection(VOID, captured_minor=0, voided_minor=500, refusal="canceled"))
    then(changed("voided", 500, left=0))
    assert stands(*VOIDING, inspection(VOID, captured_minor=0, voided_minor=500, refusal="x")) is PaymentState.VOIDED


def test_a_void_of_the_rest_after_a_shipment_was_captured_is_booked() -> None:
    given(*PARTIALLY_CAPTURED, inspect())
    when(inspection(captured_minor=300, voided_minor=200))
    then(changed("voided", 200, left=300), PaymentLapsed(reason="voided_externally"))
    given(*PARTIALLY_CAPTURED, inspect(), inspection(captured_minor=300, voided_minor=200))
    when(shipment("parcel-2", 200))
    then(PaymentCaptureFailed(reason="authorization_lapsed", reference="parcel-2"))


def test_an_authorisation_that_lapsed_by_our_books_is_not_voided_once_more() -> None:
    lapsed = (*AUTHORIZED, end_waits(2**53), result(AUTHORIZE, "declined", 2))
    given(*lapsed, inspect())
    when(inspection(captured_minor=0, voided_minor=0))
    then()
    when(inspection(captured_minor=0, voided_minor=500))
    then()
