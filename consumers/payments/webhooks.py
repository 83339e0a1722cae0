"""What a payment processor reports by webhook, as a RecordPaymentResult. Pure but for the clock of the replay window.

A webhook is checked before it is believed: its signature, and that it is no older than five minutes. What it says may be
known already, or come before the answer to our own request: payments takes each result in once, whoever brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec
from standardwebhooks import Webhook, WebhookVerificationError

from consumers.payments.errors import OutcomeUnknownError, PaymentsError
from consumers.payments.processor import OperationKind
from schemas.codec.wire import encode
from schemas.errors import EncodeError
from schemas.ids import is_order_id
from schemas.limits import MAX_TIME_MS
from schemas.messages import RecordPaymentResult

if TYPE_CHECKING:
    from collections.abc import Mapping

STRIPE_TOLERANCE_SECONDS: Final = 300
"""How old a webhook may be, as Standard Webhooks has it and Stripe's own client."""


class WebhookError(PaymentsError):
    """Base of what can be wrong with a webhook."""


class WebhookRefusedError(WebhookError):
    """A webhook is not from who it should be from, or too old: nothing was taken in; check the secret and the clocks."""


class WebhookNotUnderstoodError(WebhookError):
    """A webhook is signed rightly and makes no sense: sender and receiver are of different versions."""


class _Outcome(msgspec.Struct):
    """What the simulated processor sends of each operation that it executed (infra/local/sandbox_processor)."""

    operation_id: str
    order_id: str
    kind: OperationKind
    status: Literal["succeeded", "refused", "requires_action", "lapsed"]
    authorization_id: str = ""
    code: str = ""
    action_url: str = ""
    expires_at_ms: int = 0


_decode: Final = msgspec.json.Decoder(_Outcome).decode


def result_from_processor(body: bytes, headers: Mapping[str, str], secret: str) -> RecordPaymentResult:
    """Return what the simulated processor says. Raises WebhookRefusedError or WebhookNotUnderstoodError."""
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        raise WebhookRefusedError(str(error)) from error
    try:
        event = _decode(body)
    except msgspec.DecodeError as error:
        raise WebhookNotUnderstoodError(str(error)) from error
    result: str = event.status
    if event.status == "refused":
        result = "declined" if event.kind is OperationKind.AUTHORIZE else "failed"
    return _checked(
        RecordPaymentResult(
            event.order_id,
            event.operation_id,
            result,
            event.authorization_id,
            event.code,
            event.action_url,
            event.expires_at_ms,
        )
    )


def result_from_stripe(body: bytes, signature: str, secret: str) -> RecordPaymentResult | None:
    """Return what Stripe says about an authorisation, None where it is about something else, or of nobody's payment.

    Raises WebhookRefusedError or WebhookNotUnderstoodError. The outcomes of captures and refunds come from our own requests.
    """
    import stripe  # noqa: PLC0415  only who has Stripe for a processor pays for its client

    from consumers.payments.stripe_processor import authorization_of  # noqa: PLC0415

    try:
        stripe.WebhookSignature.verify_header(body.decode(), signature, secret, STRIPE_TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise WebhookRefusedError(f"Stripe's signature: {error}") from error
    try:
        event = msgspec.json.decode(body)
        kind, intent = event["type"], event["data"]["object"]
        names = intent.get("metadata") or {}
        if kind not in _STRIPE_EVENTS or "operation_id" not in names:
            return None
        lapsed = intent["status"] == "canceled"
        if lapsed and intent.get("cancellation_reason") != "automatic":
            return None  # cancelled by ourselves
        found = authorization_of(intent)
    except OutcomeUnknownError:
        return None  # Stripe does not know itself yet; another event follows
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise WebhookNotUnderstoodError(f"no event of Stripe's: {error!r}") from error
    return _checked(
        RecordPaymentResult(
            str(names.get("order_id", "")),
            str(names["operation_id"]),
            "lapsed" if lapsed else found.result,
            found.authorization_id,
            found.reason,
            found.action_url,
            found.expires_at_ms,
        )
    )


_STRIPE_EVENTS: Final = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
    }
)


def _checked(result: RecordPaymentResult) -> RecordPaymentResult:
    """Return a result that can be put on the log. Raises WebhookNotUnderstoodError for one beyond our limits."""
    if not is_order_id(result.order_id):
        raise WebhookNotUnderstoodError(f"it is about {result.order_id[:64]!r}, which is no order of ours")
    if not 0 <= result.expires_at_ms <= MAX_TIME_MS:
        raise WebhookNotUnderstoodError("it names a moment before 1970 or after 9999; times are ms since the epoch")
    try:
        encode(result)
    except EncodeError as error:
        raise WebhookNotUnderstoodError(str(error)) from error
    return result
