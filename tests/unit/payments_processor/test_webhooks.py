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
    WebhookNotUnderstoodError,
    WebhookRefusedError,
    result_from_processor,
    result_from_stripe,
)
from consumers.runtime.deciding.now import Now
from schemas.codec.wire import decode, encode
from schemas.ids import new_order_id
from schemas.messages import PaymentRequiresAction as RequiresAction
from schemas.messages import RecordPaymentResult

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
    assert result_from_processor(body, signed(body), SECRET) == result


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_webhook_of_another_time_is_refused(minutes: int) -> None:
    body = outcome()
    headers = signed(body, at=datetime.now(UTC) + timedelta(minutes=minutes))
    with pytest.raises(WebhookRefusedError):
        result_from_processor(body, headers, SECRET)


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
        result_from_processor(outcome(), headers, SECRET)


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
        result_from_processor(body, signed(body), SECRET)


@pytest.mark.parametrize("body", [b"{}", b"hello"])
def test_a_webhook_that_is_no_outcome_is_named_as_such(body: bytes) -> None:
    with pytest.raises(WebhookNotUnderstoodError):
        result_from_processor(body, signed(body), SECRET)


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(WebhookRefusedError):
        result_from_processor(b"\xff", signed(b"x"), SECRET)


def test_an_address_of_eight_kilobytes_is_taken_and_reaches_the_customer() -> None:
    address = "https://bank.example/3ds?return=".ljust(8_192, "x")
    body = outcome(status="requires_action", action_url=address)
    result = result_from_processor(body, signed(body), SECRET)
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
        assert encode(result_from_processor(body, signed(body), SECRET))


# --- Stripe -------------------------------------------------------------------------------------------------------------


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
        (event("payment_intent.canceled", status="canceled", cancellation_reason="requested_by_customer"), None),
        (event("payment_intent.succeeded", status="succeeded"), None),
        (event("payment_intent.amount_capturable_updated", metadata={}), None),
        (event("charge.refunded", object="charge"), None),
        (event("payment_intent.amount_capturable_updated", status="processing"), None),
    ],
)
def test_stripe_tells_of_authorisations_only(body: bytes, result: RecordPaymentResult | None) -> None:
    assert result_from_stripe(body, stripes(body), STRIPES) == result


def test_stripes_signature_and_its_age_are_checked() -> None:
    body = event("payment_intent.amount_capturable_updated")
    for signature in ("", "t=1", stripes(body, "whsec_other"), stripes(body, at=time.time() - 301), stripes(b"{}")):
        with pytest.raises(WebhookRefusedError):
            result_from_stripe(body, signature, STRIPES)
    with pytest.raises(WebhookNotUnderstoodError):
        result_from_stripe(b"{}", stripes(b"{}"), STRIPES)


STRIPES_FIELDS = (
    "id",
    "status",
    "metadata",
    "next_action",
    "latest_charge",
    "last_payment_error",
    "cancellation_reason",
)


@settings(deadline=None)
@given(
    st.sampled_from(("payment_intent.amount_capturable_updated", "payment_intent.canceled", "charge.refunded")),
    st.dictionaries(st.sampled_from(STRIPES_FIELDS), VALUES, max_size=3),
)
def test_whatever_stripes_event_holds_it_is_an_outcome_or_named_as_nonsense(kind: str, changes: dict[str, Any]) -> None:
    body = event(kind, **changes)
    with contextlib.suppress(WebhookNotUnderstoodError):
        result = result_from_stripe(body, stripes(body), STRIPES)
        assert result is None or encode(result)
