"""Stripe's books in the shapes that it documents: where each payment's money is, and how ours are held against them."""

from __future__ import annotations

import msgspec

from consumers.payments.processor import ProcessorPayment
from infra.ops.reconciliation.plan import OTHER_CURRENCY, OTHER_FIGURES, difference_of, is_ours, known_of
from tests.given_when_then import A
from tests.unit.payments.dsl import AUTHORIZE, CAPTURE, CAPTURING, given, result, story
from tests.unit.payments_processor.stripe_script import Stripe, error, intent, page


async def test_every_payment_that_names_an_order_is_listed_with_where_its_money_is(stripe: Stripe) -> None:
    # Stripe counts what it releases untaken among the refunds of the charge: 100 here, and 100 more were refunded.
    charge = {"object": "charge", "id": "ch_1", "status": "succeeded", "amount_refunded": 200}
    common = {"metadata": {"order_id": "A"}, "created": 1_790_000_000, "latest_charge": charge}
    stripe.script.answer_with(
        200,
        page(
            intent("succeeded", amount_received=400, amount_capturable=0, **common),
            intent(
                "requires_capture",
                amount_capturable=500,
                **{**common, "latest_charge": charge | {"amount_refunded": 0}},
            ),
            intent("requires_payment_method", amount_capturable=0, **{**common, "latest_charge": None}),
            intent("succeeded", amount_received=5, amount_capturable=0, currency="usdc", **{**common, "metadata": {}}),
        ),
    )
    payments = [payment async for payment in stripe.processor.payments(1_700_000_000_000)]
    assert payments == [
        ProcessorPayment("pi_1", "A", "GBP", 500, 400, 100, 100, 1_790_000_000_000),
        ProcessorPayment("pi_1", "A", "GBP", 500, 0, 0, 0, 1_790_000_000_000),
        ProcessorPayment("pi_1", "A", "GBP", 0, 0, 0, 0, 1_790_000_000_000),
    ]
    assert [payment.held_minor for payment in payments] == [0, 500, 0]
    assert stripe.script.asked[0].values["created[gte]"] == "1700000000"


async def test_a_payment_is_shown_with_what_is_disputed_and_what_is_lost(stripe: Stripe) -> None:
    charge = {"object": "charge", "id": "ch_1", "status": "succeeded", "amount_refunded": 50, "disputed": True}
    stripe.script.answer_with(
        200, intent("succeeded", amount_received=500, metadata={"order_id": "A"}, created=1, latest_charge=charge)
    )
    statuses = ("needs_response", "under_review", "warning_needs_response", "won", "warning_closed", "lost")
    stripe.script.answer_with(
        200, page(*({"id": f"dp_{status}", "amount": 10, "status": status} for status in statuses))
    )
    payment = await stripe.processor.payment("pi_1")
    assert payment == ProcessorPayment("pi_1", "A", "GBP", 500, 500, 0, 50, 1_000, disputed_minor=30, lost_minor=10)
    assert [request.route for request in stripe.script.asked] == ["GET /v1/payment_intents/pi_1", "GET /v1/disputes"]


async def test_a_cancelled_payment_has_given_all_back_and_refunded_nothing(stripe: Stripe) -> None:
    charge = {"object": "charge", "id": "ch_1", "status": "succeeded", "amount_refunded": 500}
    stripe.script.answer_with(
        200, intent("canceled", amount_capturable=0, created=1, latest_charge=charge, metadata={})
    )
    assert await stripe.processor.payment("pi_1") == ProcessorPayment("pi_1", "", "GBP", 500, 0, 500, 0, 1_000)


async def test_a_payment_that_stripe_does_not_have_is_none(stripe: Stripe) -> None:
    stripe.script.answer_with(404, error("invalid_request_error", "resource_missing"))
    assert await stripe.processor.payment("pi_2") is None


async def test_a_refund_capture_and_void_at_stripes_dashboard_differ_from_our_books(stripe: Stripe) -> None:
    """As `payments reconcile` compares them, page by page: EUR 5.00 that we captured."""
    given(*CAPTURING[:-2], result(AUTHORIZE, authorization_id="pi_1"), CAPTURING[-1], result(CAPTURE))
    booked = story.state
    common = {"metadata": {"order_id": A}, "created": 1, "currency": "eur", "amount_capturable": 0}
    charge = {"object": "charge", "id": "ch_1", "status": "succeeded", "amount_refunded": 0}

    def shown(status: str, received: int, **more: object) -> dict[str, object]:
        return intent(status, amount_received=received, **common, latest_charge=charge | more)

    stripe.script.answer_with(
        200, page(shown("succeeded", 500), shown("succeeded", 500, amount_refunded=200), has_more=True)
    )
    stripe.script.answer_with(200, page(shown("succeeded", 300, amount_refunded=200), has_more=True))
    stripe.script.answer_with(200, page(shown("canceled", 0, amount_refunded=500)))
    payments = [payment async for payment in stripe.processor.payments(0)]
    assert all(is_ours(payment, {A: known_of(booked)}) for payment in payments)
    differences = [difference_of(payment, booked) for payment in payments]
    assert differences[0] is None
    figures = [
        difference.processor.sums
        for difference in differences[1:]
        if difference is not None and difference.processor is not None
    ]
    assert [(figure.captured_minor, figure.voided_minor, figure.refunded_minor) for figure in figures] == [
        (500, 0, 200),
        (300, 200, 0),
        (0, 500, 0),
    ]
    assert {difference.why for difference in differences if difference is not None} == {OTHER_FIGURES}
    dollars = difference_of(msgspec.structs.replace(payments[0], currency="USD"), booked)
    assert dollars is not None
    assert (dollars.why, dollars.is_bookable) == (OTHER_CURRENCY, False)
