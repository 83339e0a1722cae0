"""What processors tell us unasked: believed only when signed and fresh, and said to payments as any other result."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from consumers.notifications.state import NotificationsState
from consumers.notifications.transitions import decide as notifications_of
from consumers.payments.webhooks import (
    WebhookNotUnderstoodError,
    WebhookRefusedError,
    from_processor,
)
from consumers.runtime.deciding.now import Now
from schemas.codec.wire import decode, encode
from schemas.ids import new_order_id
from schemas.messages import InspectPayment, RecordPaymentResult
from schemas.messages import PaymentRequiresAction as RequiresAction
from tests.unit.payments_processor.any_json import ANY_VALUE

SECRET = "whsec_bm9ib2R5IGtub3dzIHRoaXMgc2VjcmV0"
OTHER = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCE="
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
    ("fields", "result"),
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
def test_an_outcome_is_a_result_like_any_other(fields: dict[str, Any], result: RecordPaymentResult) -> None:
    body = outcome(**fields)
    assert from_processor(body, signed(body), SECRET) == result


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"operation_id": "dashboard-1", "kind": "refund"}, "refund.succeeded dashboard-1"),
        ({"operation_id": "d-2", "kind": "dispute", "status": "opened"}, "dispute.opened d-2"),
    ],
)
def test_what_somebody_else_did_at_the_processor_is_looked_at_and_not_believed(
    fields: dict[str, Any], cause: str
) -> None:
    body = outcome(**fields)
    assert from_processor(body, signed(body), SECRET) == InspectPayment(A, "auth_1", cause)


@pytest.mark.parametrize(
    "fields", [{"operation_id": "dashboard-1", "status": "refused"}, {"operation_id": "orphan:auth_1:void"}]
)
def test_what_moved_nothing_of_ours_is_left_alone(fields: dict[str, Any]) -> None:
    body = outcome(**fields)
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


FIELDS = ("operation_id", "order_id", "kind", "status", "authorization_id", "code", "action_url", "expires_at_ms")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), ANY_VALUE, max_size=3))
def test_whatever_a_signed_body_holds_it_is_an_outcome_or_named_as_nonsense(changes: dict[str, Any]) -> None:
    body = outcome(**changes)
    with contextlib.suppress(WebhookNotUnderstoodError):
        received = from_processor(body, signed(body), SECRET)
        assert received is None or encode(received)
