"""What Stripe sends: results of what we asked for, what others did there, and nothing else."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.payments.webhooks import (
    STRIPES_EVENTS,
    UnnamedPayment,
    WebhookNotUnderstoodError,
    WebhookRefusedError,
    from_stripe_event,
)
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from schemas.messages import InspectPayment, RecordPaymentResult
from tests.unit.payments_processor.any_json import ANY_VALUE

STRIPES = "whsec_test"
A = new_order_id()
REFUND = {"order_id": A, "operation_id": f"{A}:refund"}


def event(kind: str, **intent: Any) -> bytes:
    """Return an event in the shape that Stripe documents (https://docs.stripe.com/api/events)."""
    names = {"order_id": A, "operation_id": f"{A}:authorize"}
    usual = {"id": "pi_1", "object": "payment_intent", "status": "requires_capture", "metadata": names}
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "data": {"object": {**usual, **intent}}}
    ).encode()


def stripes(body: bytes, secret: str = STRIPES, at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    signature = stripe.WebhookSignature._compute_signature(f"{moment}.{body.decode()}", secret)
    return f"t={moment},v1={signature}"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (
            event("payment_intent.amount_capturable_updated"),
            RecordPaymentResult(A, f"{A}:authorize", "succeeded", "pi_1", ""),
        ),
        (
            event(
                "payment_intent.payment_failed",
                status="requires_payment_method",
                last_payment_error={"code": "payment_intent_authentication_failure"},
            ),
            RecordPaymentResult(A, f"{A}:authorize", "declined", "pi_1", "payment_intent_authentication_failure"),
        ),
        (
            event("payment_intent.canceled", status="canceled", cancellation_reason="automatic"),
            RecordPaymentResult(A, f"{A}:authorize", "lapsed", "pi_1", "automatic"),
        ),
        (
            event("payment_intent.canceled", status="canceled", cancellation_reason="abandoned"),
            RecordPaymentResult(A, f"{A}:authorize", "declined", "pi_1", "abandoned"),
        ),
        (
            event("refund.updated", id="re_1", status="succeeded", payment_intent="pi_1", metadata=REFUND),
            RecordPaymentResult(A, f"{A}:refund", "succeeded", "pi_1", ""),
        ),
        (
            event("refund.failed", id="re_1", status="failed", failure_reason="lost_or_stolen_card", metadata=REFUND),
            RecordPaymentResult(A, f"{A}:refund", "failed", "", "lost_or_stolen_card"),
        ),
    ],
)
def test_what_stripe_sends_about_our_operations_is_their_outcome(body: bytes, result: RecordPaymentResult) -> None:
    assert from_stripe_event(body, stripes(body), STRIPES) == result


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (event("payment_intent.canceled", status="canceled", latest_charge="ch_1"), "payment_intent.canceled pi_1"),
        (event("payment_intent.succeeded", status="succeeded"), "payment_intent.succeeded pi_1"),
        (event("charge.refunded", id="ch_1", payment_intent="pi_1"), "charge.refunded ch_1"),
    ],
)
def test_what_happens_at_stripe_without_us_is_looked_at_and_not_believed(body: bytes, cause: str) -> None:
    assert from_stripe_event(body, stripes(body), STRIPES) == InspectPayment(A, "pi_1", cause)


@pytest.mark.parametrize("kind", ["charge.dispute.created", "charge.dispute.closed", "refund.failed"])
def test_an_event_that_names_no_order_names_the_payment_to_ask_about(kind: str) -> None:
    body = event(kind, id="x_1", status="failed", payment_intent="pi_1", metadata={})
    assert from_stripe_event(body, stripes(body), STRIPES) == UnnamedPayment("pi_1", f"{kind} x_1")
    with pytest.raises(WebhookNotUnderstoodError):
        UnnamedPayment("pi_1", "dispute").of("42")


@pytest.mark.parametrize(
    "body",
    [
        event("payment_intent.succeeded", status="succeeded", metadata={"order_id": A, "capture_id": f"{A}:capture"}),
        event("payment_intent.amount_capturable_updated", metadata={}),
        event("payment_intent.amount_capturable_updated", status="processing"),
        event("charge.refunded", id="ch_1", payment_intent="pi_1", metadata={}),
        event("refund.updated", id="re_1", status="pending", metadata=REFUND),
        event("refund.updated", id="re_1", status="succeeded", metadata={}),
        event("charge.succeeded", id="ch_1"),
    ],
)
def test_what_is_known_or_nobodys_is_left_alone(body: bytes) -> None:
    assert from_stripe_event(body, stripes(body), STRIPES) is None


def test_stripes_signature_and_its_age_are_checked() -> None:
    body = event("payment_intent.amount_capturable_updated")
    for signature in ("", "t=1", stripes(body, "whsec_other"), stripes(body, at=time.time() - 301), stripes(b"{}")):
        with pytest.raises(WebhookRefusedError):
            from_stripe_event(body, signature, STRIPES)
    with pytest.raises(WebhookNotUnderstoodError):
        from_stripe_event(b"{}", stripes(b"{}"), STRIPES)


STRIPES_FIELDS = (
    "id",
    "status",
    "metadata",
    "payment_intent",
    "failure_reason",
    "next_action",
    "latest_charge",
    "last_payment_error",
    "cancellation_reason",
)


@settings(deadline=None)
@given(
    st.sampled_from(STRIPES_EVENTS),
    st.dictionaries(st.sampled_from(STRIPES_FIELDS), ANY_VALUE, max_size=3),
)
def test_whatever_stripes_event_holds_it_is_an_outcome_or_named_as_nonsense(kind: str, changes: dict[str, Any]) -> None:
    body = event(kind, **changes)
    with contextlib.suppress(WebhookNotUnderstoodError):
        received = from_stripe_event(body, stripes(body), STRIPES)
        assert received is None or isinstance(received, UnnamedPayment) or encode(received)
