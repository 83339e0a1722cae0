"""What processors tell us unasked: believed only when signed and fresh, and said to payments as any other result."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from consumers.notifications.state import NotificationsState
from consumers.notifications.transitions import decide as notifications_of
from consumers.payments.webhooks import (
    STRIPES_EVENTS,
    UnnamedPayment,
    WebhookNotUnderstoodError,
    WebhookRefusedError,
    from_processor,
    from_stripe_event,
)
from consumers.runtime.deciding.now import Now
from schemas.codec.wire import decode, encode
from schemas.ids import new_order_id
from schemas.messages import InspectPayment, RecordPaymentResult
from schemas.messages import PaymentRequiresAction as RequiresAction

SECRET = "whsec_bm9ib2R5IGtub3dzIHRoaXMgc2VjcmV0"
OTHER = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCE="
STRIPES = "whsec_test"
A = new_order_id()


def outcome(**changes: Any) -> bytes:
    usual = {"operation_id": f"{A}:authorize", "order_id": A, "kind": "authorize", "status": "succeeded"}
    return json.dumps({**usual, "authorization_id": "auth_1", "code": "", **changes}).encode()


def signed(body: bytes, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", at, body.decode()),
    }


@pytest.mark.parametrize(
    ("told", "result"),
    [
        ({}, RecordPaymentResult(A, f"{A}:authorize", "succeeded", "auth_1", "")),
        (
            {"status": "refused", "code": "card_declined"},
            RecordPaymentResult(A, f"{A}:authorize", "declined", "auth_1", "card_declined"),
        ),
        (
            {"status": "refused", "kind": "refund", "operation_id": f"{A}:refund", "code": "refund_failed"},
            RecordPaymentResult(A, f"{A}:refund", "failed", "auth_1", "refund_failed"),
        ),
        (
            {"status": "requires_action", "action_url": "https://bank.example/3ds"},
            RecordPaymentResult(
                A, f"{A}:authorize", "requires_action", "auth_1", "", action_url="https://bank.example/3ds"
            ),
        ),
        ({"status": "lapsed"}, RecordPaymentResult(A, f"{A}:authorize", "lapsed", "auth_1", "")),
        ({"expires_at_ms": 7}, RecordPaymentResult(A, f"{A}:authorize", "succeeded", "auth_1", "", expires_at_ms=7)),
    ],
)
def test_an_outcome_is_a_result_like_any_other(told: dict[str, Any], result: RecordPaymentResult) -> None:
    body = outcome(**told)
    assert from_processor(body, signed(body), SECRET) == result


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ({"operation_id": "dashboard-1", "kind": "refund"}, "refund.succeeded dashboard-1"),
        ({"operation_id": "d-2", "kind": "dispute", "status": "opened"}, "dispute.opened d-2"),
    ],
)
def test_what_somebody_else_did_at_the_processor_is_looked_at_and_not_believed(
    told: dict[str, Any], cause: str
) -> None:
    body = outcome(**told)
    assert from_processor(body, signed(body), SECRET) == InspectPayment(A, "auth_1", cause)


@pytest.mark.parametrize(
    "told", [{"operation_id": "dashboard-1", "status": "refused"}, {"operation_id": "orphan:auth_1:void"}]
)
def test_what_moved_nothing_of_ours_is_left_alone(told: dict[str, Any]) -> None:
    body = outcome(**told)
    assert from_processor(body, signed(body), SECRET) is None


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_webhook_of_another_time_is_refused(minutes: int) -> None:
    body = outcome()
    headers = signed(body, at=datetime.now(UTC) + timedelta(minutes=minutes))
    with pytest.raises(WebhookRefusedError):
        from_processor(body, headers, SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(outcome(), OTHER),
        signed(outcome(status="refused")),
        {**signed(outcome()), "webhook-id": "evt_2"},
        {**signed(outcome()), "webhook-signature": "nonsense"},
    ],
)
def test_a_webhook_of_somebody_else_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefusedError):
        from_processor(outcome(), headers, SECRET)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"kind": "steal"},
        {"order_id": "42"},
        {"expires_at_ms": 10**30},
        {"expires_at_ms": 2**62},
        {"expires_at_ms": -1},
        {"operation_id": "x" * 5_000},
        {"operation_id": "a\0b"},
        {"operation_id": "\ud800"},
        {"authorization_id": "x" * 1_001},
        {"code": "x" * 1_001},
        {"status": "requires_action", "action_url": "https://bank.example/" + "x" * 8_192},
    ],
    ids=" ".join,
)
def test_a_webhook_that_makes_no_sense_is_named_as_such(nonsense: dict[str, Any]) -> None:
    body = outcome(**nonsense)
    with pytest.raises(WebhookNotUnderstoodError):
        from_processor(body, signed(body), SECRET)


@pytest.mark.parametrize("body", [b"{}", b"hello"])
def test_a_webhook_that_is_no_outcome_is_named_as_such(body: bytes) -> None:
    with pytest.raises(WebhookNotUnderstoodError):
        from_processor(body, signed(body), SECRET)


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(WebhookRefusedError):
        from_processor(b"\xff", signed(b"x"), SECRET)


def test_an_address_of_eight_kilobytes_is_taken_and_reaches_the_customer() -> None:
    address = "https://bank.example/3ds?return=".ljust(8_192, "x")
    body = outcome(status="requires_action", action_url=address)
    result = from_processor(body, signed(body), SECRET)
    assert result is not None
    assert decode(encode(result)) == result
    asked = RequiresAction(A, "auth_1", address, 1)
    assert decode(encode(asked)) == asked
    [notification] = notifications_of(NotificationsState(0), asked, Now(7))
    assert notification.detail == address
    assert decode(encode(notification)) == notification


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("x" * 5_000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("operation_id", "order_id", "kind", "status", "authorization_id", "code", "action_url", "expires_at_ms")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3))
def test_whatever_a_signed_body_holds_it_is_an_outcome_or_named_as_nonsense(changes: dict[str, Any]) -> None:
    body = outcome(**changes)
    with contextlib.suppress(WebhookNotUnderstoodError):
        received = from_processor(body, signed(body), SECRET)
        assert received is None or encode(received)


# --- Stripe -------------------------------------------------------------------------------------------------------------


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
    st.dictionaries(st.sampled_from(STRIPES_FIELDS), VALUES, max_size=3),
)
def test_whatever_stripes_event_holds_it_is_an_outcome_or_named_as_nonsense(kind: str, changes: dict[str, Any]) -> None:
    body = event(kind, **changes)
    with contextlib.suppress(WebhookNotUnderstoodError):
        received = from_stripe_event(body, stripes(body), STRIPES)
        assert received is None or isinstance(received, UnnamedPayment) or encode(received)
