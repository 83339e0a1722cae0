"""The Stripe adapter against answers in the shapes that Stripe documents (https://docs.stripe.com/api), one by one.

Here is what localstripe lacks: idempotency keys, captures after the end, several captures, search, the time until which
money is held, a page to confirm on, and all the ways in which a request can fail.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError, ProcessorError
from consumers.payments.processor import OperationKind, ProcessorResult
from consumers.payments.stripe_processor import StripeProcessor
from tests.unit.payments_processor.asked import asked
from tests.unit.payments_processor.stripe_script import TOKEN, Stripe, error, intent, page

AUTHORIZE = asked(OperationKind.AUTHORIZE, payment_token=TOKEN, amount_minor=500, currency="GBP")
CAPTURE = asked(OperationKind.CAPTURE, authorization_id="pi_1", amount_minor=500, currency="GBP")
VOID = asked(OperationKind.VOID, authorization_id="pi_1")
REFUND = asked(OperationKind.REFUND, authorization_id="pi_1", amount_minor=200, currency="GBP")


# --- authorising --------------------------------------------------------------------------------------------------------


async def test_an_authorisation_is_asked_for_by_its_key_and_found_by_its_metadata(stripe: Stripe) -> None:
    charge = {"object": "charge", "id": "ch_1", "payment_method_details": {"card": {"capture_before": 1_790_000_000}}}
    stripe.script.answer_with(200, intent("requires_capture", latest_charge=charge))
    assert await stripe.processor.perform(AUTHORIZE) == ProcessorResult(
        "succeeded", "pi_1", "", expires_at_ms=1_790_000_000_000
    )
    [seen] = stripe.script.asked
    assert (seen.route, seen.key) == ("POST /v1/payment_intents", AUTHORIZE.operation_id)
    assert (
        seen.values.items()
        >= {
            "amount": "500",
            "currency": "gbp",
            "capture_method": "manual",
            "confirm": "true",
            "payment_method": TOKEN,
            "metadata[operation_id]": AUTHORIZE.operation_id,
            "return_url": "https://shop.example/back",
        }.items()
    )


async def test_the_page_to_confirm_on_is_passed_on(stripe: Stripe) -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.example/3ds", "return_url": "x"}}
    stripe.script.answer_with(200, intent("requires_action", next_action=action))
    assert await stripe.processor.perform(AUTHORIZE) == ProcessorResult(
        "requires_action", "pi_1", "", action_url="https://hooks.example/3ds"
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (error("card_error", "card_declined", decline_code="insufficient_funds"), "insufficient_funds"),
        (error("card_error", "expired_card"), "expired_card"),
    ],
)
async def test_a_refusal_of_the_bank_is_a_definite_no(stripe: Stripe, document: Any, reason: str) -> None:
    stripe.script.answer_with(402, document)
    assert await stripe.processor.perform(AUTHORIZE) == ProcessorResult("declined", "", reason)


async def test_what_stripe_does_not_know_yet_is_unknown(stripe: Stripe) -> None:
    stripe.script.answer_with(200, intent("processing"))
    with pytest.raises(OutcomeUnknownError, match="pi_1 is processing"):
        await stripe.processor.perform(AUTHORIZE)


@pytest.mark.parametrize(
    ("hit", "result"),
    [
        (intent("requires_capture"), ProcessorResult("succeeded", "pi_1", "")),
        (intent("succeeded"), ProcessorResult("succeeded", "pi_1", "")),
        (intent("canceled", cancellation_reason="automatic"), ProcessorResult("declined", "pi_1", "automatic")),
        (
            intent(
                "requires_payment_method", last_payment_error={"code": "card_declined", "decline_code": "stolen_card"}
            ),
            ProcessorResult("declined", "pi_1", "stolen_card"),
        ),
    ],
)
async def test_an_authorisation_is_looked_up_by_search(
    stripe: Stripe, hit: dict[str, Any], result: ProcessorResult
) -> None:
    stripe.script.answer_with(200, page(hit, kind="search_result", next_page=None))
    assert await stripe.processor.look_up(AUTHORIZE) == result
    [seen] = stripe.script.asked
    assert seen.route == "GET /v1/payment_intents/search"
    assert seen.values["query"] == f"metadata['operation_id']:'{AUTHORIZE.operation_id}'"


async def test_what_search_does_not_find_may_be_performed_again_under_its_key(stripe: Stripe) -> None:
    stripe.script.answer_with(200, page(kind="search_result", next_page=None))
    assert await stripe.processor.look_up(AUTHORIZE) is None


# --- capturing, voiding, refunding --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_last", [True, False])
async def test_only_a_capture_that_others_follow_keeps_the_rest_held(stripe: Stripe, *, is_last: bool) -> None:
    stripe.script.answer_with(200, intent("succeeded"))
    asked_for = asked(OperationKind.CAPTURE, authorization_id="pi_1", amount_minor=200, is_last=is_last)
    assert (await stripe.processor.perform(asked_for)).result == "succeeded"
    [seen] = stripe.script.asked
    assert (seen.route, seen.key) == ("POST /v1/payment_intents/pi_1/capture", asked_for.operation_id)
    assert seen.values.get("final_capture") == (None if is_last else "false")
    assert seen.values["metadata[capture_id]"] == asked_for.operation_id


async def test_a_capture_after_the_authorisation_lapsed_fails(stripe: Stripe) -> None:
    stripe.script.answer_with(400, error("invalid_request_error", "charge_expired_for_capture"))
    assert await stripe.processor.perform(CAPTURE) == ProcessorResult("failed", "pi_1", "charge_expired_for_capture")


@pytest.mark.parametrize(
    ("asked_for", "stands", "result"),
    [
        (CAPTURE, intent("succeeded", amount_received=500), ProcessorResult("succeeded", "pi_1", "")),
        (CAPTURE, intent("canceled"), ProcessorResult("failed", "pi_1", "already_voided")),
        (VOID, intent("canceled"), ProcessorResult("succeeded", "pi_1", "")),
        (VOID, intent("succeeded", amount_received=500), ProcessorResult("failed", "pi_1", "already_captured")),
        (CAPTURE, intent("requires_action"), ProcessorResult("failed", "pi_1", "payment_intent_unexpected_state")),
    ],
)
async def test_what_cannot_be_done_any_more_was_done_or_is_refused_for_good(
    stripe: Stripe, asked_for: Any, stands: dict[str, Any], result: ProcessorResult
) -> None:
    stripe.script.answer_with(400, error("invalid_request_error", "payment_intent_unexpected_state"))
    stripe.script.answer_with(200, stands)
    assert await stripe.processor.perform(asked_for) == result


@pytest.mark.parametrize(
    ("stands", "result"),
    [
        ("requires_capture", ProcessorResult("succeeded", "pi_1", "")),
        ("requires_action", ProcessorResult("requires_action", "pi_1", "")),
        ("canceled", ProcessorResult("declined", "pi_1", "canceled")),
    ],
)
async def test_an_authorisation_whose_id_is_known_is_looked_up_by_it_for_a_search_lags(
    stripe: Stripe, stands: str, result: ProcessorResult
) -> None:
    stripe.script.answer_with(200, intent(stands))
    assert await stripe.processor.look_up(asked(OperationKind.AUTHORIZE, authorization_id="pi_1")) == result
    [seen] = stripe.script.asked
    assert seen.route == "GET /v1/payment_intents/pi_1"


@pytest.mark.parametrize("status", ["requires_capture", "succeeded"])
async def test_one_capture_among_several_is_known_by_its_name_however_long_ago_it_was(
    stripe: Stripe, status: str
) -> None:
    second = asked(OperationKind.CAPTURE, authorization_id="pi_1", amount_minor=200, is_last=False)
    stripe.script.answer_with(200, intent(status, amount_received=300, metadata={"capture_id": second.operation_id}))
    assert await stripe.processor.look_up(second) == ProcessorResult("succeeded", "pi_1", "")
    [seen] = stripe.script.asked
    assert seen.route == "GET /v1/payment_intents/pi_1"


@pytest.mark.parametrize("status", ["requires_capture", "succeeded"])
async def test_a_capture_that_came_before_it_is_not_taken_for_it(stripe: Stripe, status: str) -> None:
    stripe.script.answer_with(200, intent(status, amount_received=300, metadata={"capture_id": "the one before"}))
    assert await stripe.processor.look_up(CAPTURE) is None


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("succeeded", ProcessorResult("succeeded", "pi_1", "")),
        ("failed", ProcessorResult("failed", "pi_1", "lost_card")),
    ],
)
async def test_a_refund_has_a_definite_end(stripe: Stripe, status: str, result: ProcessorResult) -> None:
    stripe.script.answer_with(200, {"id": "re_1", "object": "refund", "status": status, "failure_reason": "lost_card"})
    assert await stripe.processor.perform(REFUND) == result


async def test_a_refund_under_way_is_looked_up_by_its_metadata(stripe: Stripe) -> None:
    refund = {"id": "re_1", "object": "refund", "status": "pending", "metadata": {"operation_id": REFUND.operation_id}}
    stripe.script.answer_with(200, refund)
    with pytest.raises(OutcomeUnknownError, match="re_1 is pending"):
        await stripe.processor.perform(REFUND)
    other = {**refund, "id": "re_0", "metadata": {"operation_id": "another"}}
    stripe.script.answers.clear()
    stripe.script.answer_with(200, page(other, {**refund, "status": "succeeded"}))
    assert await stripe.processor.look_up(REFUND) == ProcessorResult("succeeded", "pi_1", "")


async def test_a_refund_above_what_was_captured_is_refused(stripe: Stripe) -> None:
    stripe.script.answer_with(400, error("invalid_request_error", "charge_already_refunded"))
    assert await stripe.processor.perform(REFUND) == ProcessorResult("failed", "pi_1", "charge_already_refunded")


# --- failing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "document", "raised"),
    [
        (429, error("invalid_request_error", "rate_limit"), NotSentError),
        (409, error("idempotency_error", "idempotency_key_in_use"), OutcomeUnknownError),
        (429, error("invalid_request_error", "lock_timeout"), NotSentError),
        (500, error("api_error"), OutcomeUnknownError),
        (502, "<html>", OutcomeUnknownError),
        (401, error("invalid_request_error"), NotUnderstoodError),
        (403, error("invalid_request_error"), NotUnderstoodError),
        (400, error("idempotency_error"), NotUnderstoodError),
    ],
)
async def test_what_is_no_refusal_of_the_payment_decides_nothing(
    stripe: Stripe, status: int, document: Any, raised: type[ProcessorError]
) -> None:
    stripe.script.answer_with(status, document)
    with pytest.raises(raised) as caught:
        await stripe.processor.perform(AUTHORIZE)
    assert TOKEN not in str(caught.value)
    assert len(stripe.script.asked) == 1, "retries are the effect runner's business"


async def test_a_busy_server_names_when_to_come_back(stripe: Stripe) -> None:
    stripe.script.answer_with(429, error("invalid_request_error", "rate_limit"), **{"Retry-After": "7"})
    with pytest.raises(NotSentError) as caught:
        await stripe.processor.perform(AUTHORIZE)
    assert caught.value.retry_after_seconds == 7


async def test_no_connection_decides_nothing() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        processor = StripeProcessor("sk_test_1", address=f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(OutcomeUnknownError):
            await processor.perform(AUTHORIZE)
        await processor.close()
