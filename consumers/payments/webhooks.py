"""What a payment processor sends unasked, as a message for the log. Pure but for the clock of the replay window.

A webhook is checked before it is believed: its signature, and that it is no older than five minutes. The outcome of an
operation of ours is a RecordPaymentResult. It may be known already, or come before the answer to our own request: payments
takes each result in once, whoever brings it. What happened without us (at a dashboard, at the card network) is an
InspectPayment: its figures are not believed, whatever order webhooks come in, but read anew where the money is.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec
from standardwebhooks import Webhook, WebhookVerificationError

from consumers.payments.errors import OutcomeUnknownError, PaymentsError
from consumers.payments.processor import CAPTURE_ID, ORPHAN, OperationKind
from schemas.codec.wire import encode
from schemas.errors import EncodeError
from schemas.ids import is_order_id
from schemas.limits import MAX_TIME_MS
from schemas.messages import InspectPayment, RecordPaymentResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Document = Mapping[str, Any]

R = TypeVar("R", RecordPaymentResult, InspectPayment)

STRIPE_TOLERANCE_SECONDS: Final = 300
"""How old a webhook may be, as Standard Webhooks has it and Stripe's own client."""


class WebhookError(PaymentsError):
    """Base of what can be wrong with a webhook."""


class WebhookRefusedError(WebhookError):
    """A webhook is not from who it should be from, or too old: nothing was taken in; check the secret and the clocks."""


class WebhookNotUnderstoodError(WebhookError):
    """A webhook is signed rightly and makes no sense: sender and receiver are of different versions."""


class UnnamedPayment(NamedTuple):
    """Something happened to a payment, and the event does not name its order: the processor has to be asked."""

    authorization_id: str
    cause: str

    def of(self, order_id: str) -> InspectPayment:
        """Return the message for the log. Raises WebhookNotUnderstoodError for what is no order of ours."""
        return _checked(InspectPayment(order_id, self.authorization_id, self.cause))


Received: TypeAlias = RecordPaymentResult | InspectPayment


class _Outcome(msgspec.Struct):
    """What the simulated processor sends of each operation that it executed (infra/local/sandbox_processor)."""

    operation_id: str
    order_id: str
    kind: Literal["authorize", "capture", "void", "refund", "dispute"]
    status: Literal["succeeded", "refused", "requires_action", "lapsed", "opened", "won", "lost"]
    authorization_id: str = ""
    code: str = ""
    action_url: str = ""
    expires_at_ms: int = 0


_decode: Final = msgspec.json.Decoder(_Outcome).decode


def from_processor(body: bytes, headers: Mapping[str, str], secret: str) -> Received | None:
    """Return what the simulated processor sends, None where nothing moved. Raises WebhookRefusedError or WebhookNotUnderstoodError.

    An operation is ours where its key is one that payments gives: the order's id, a colon and the rest.
    """
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        raise WebhookRefusedError(str(error)) from error
    try:
        event = _decode(body)
    except msgspec.DecodeError as error:
        raise WebhookNotUnderstoodError(str(error)) from error
    if not event.operation_id.startswith(f"{event.order_id}:"):
        cause = f"{event.kind}.{event.status} {event.operation_id}"
        is_inert = event.status == "refused" or event.operation_id.startswith(ORPHAN) or not event.authorization_id
        return None if is_inert else _checked(InspectPayment(event.order_id, event.authorization_id, cause))
    result: str = event.status
    if event.status == "refused":
        result = "declined" if event.kind == OperationKind.AUTHORIZE.value else "failed"
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


def from_stripe_event(body: bytes, signature: str, secret: str) -> Received | UnnamedPayment | None:
    """Return what Stripe sends about a payment, None where it is about something else, or about nobody's payment.

    Raises WebhookRefusedError or WebhookNotUnderstoodError.
    """
    import stripe  # noqa: PLC0415  only who has Stripe for a processor pays for its client

    try:
        stripe.WebhookSignature.verify_header(body.decode(), signature, secret, STRIPE_TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise WebhookRefusedError(f"Stripe's signature: {error}") from error
    try:
        event = msgspec.json.decode(body)
        kind, about = str(event["type"]), event["data"]["object"]
        if (read := _STRIPES_EVENTS.get(kind)) is None:
            return None
        return read(about, f"{kind} {about['id']}")
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise WebhookNotUnderstoodError(f"no event of Stripe's: {error!r}") from error


def _authorization(intent: Document, cause: str) -> Received | None:
    """What became of an authorisation of ours; one that was held and is cancelled, before its time, somebody cancelled."""
    from consumers.payments.stripe_documents import authorization_of  # noqa: PLC0415  as above

    names = intent.get("metadata") or {}
    if "operation_id" not in names:
        return None
    order_id = str(names.get("order_id", ""))
    is_over, was_held = intent["status"] == "canceled", bool(intent.get("latest_charge"))
    lapsed = is_over and intent.get("cancellation_reason") == "automatic"
    if is_over and was_held and not lapsed:
        return _checked(InspectPayment(order_id, str(intent["id"]), cause))
    try:
        result = authorization_of(intent)
    except OutcomeUnknownError:
        return None  # Stripe does not know itself yet; another event follows
    return _checked(
        RecordPaymentResult(
            order_id,
            str(names["operation_id"]),
            "lapsed" if lapsed else result.result,
            result.authorization_id,
            result.reason,
            result.action_url,
            result.expires_at_ms,
        )
    )


def _capture(intent: Document, cause: str) -> Received | None:
    """A payment is captured; one that no capture of ours has named, somebody captured at the dashboard."""
    names = intent.get("metadata") or {}
    if "order_id" not in names or CAPTURE_ID in names:
        return None
    return _checked(InspectPayment(str(names["order_id"]), str(intent["id"]), cause))


def _charge(charge: Document, cause: str) -> Received | None:
    """Money went back of a charge, by us or by somebody else. A charge has its payment's metadata."""
    names = charge.get("metadata") or {}
    if "order_id" not in names or not charge.get("payment_intent"):
        return None
    return _checked(InspectPayment(str(names["order_id"]), str(charge["payment_intent"]), cause))


def _refund(refund: Document, cause: str) -> Received | UnnamedPayment | None:
    """A refund came to an end; one of ours may fail days after it had succeeded."""
    names, status = refund.get("metadata") or {}, refund.get("status")
    if "operation_id" not in names:
        return _unnamed(refund, cause) if status in ("failed", "canceled") else None
    if status not in ("succeeded", "failed", "canceled"):
        return None
    reason = "" if status == "succeeded" else str(refund.get("failure_reason") or f"refund_{status}")
    result = "succeeded" if status == "succeeded" else "failed"
    intent = str(refund.get("payment_intent") or "")
    return _checked(
        RecordPaymentResult(str(names.get("order_id", "")), str(names["operation_id"]), result, intent, reason)
    )


def _unnamed(about: Document, cause: str) -> UnnamedPayment | None:
    """A dispute names its payment, and not what stands in the payment's metadata."""
    intent = about.get("payment_intent")
    return UnnamedPayment(str(intent), cause) if intent else None


_STRIPES_EVENTS: Final[Mapping[str, Callable[[Document, str], Received | UnnamedPayment | None]]] = MappingProxyType(
    {
        "payment_intent.amount_capturable_updated": _authorization,
        "payment_intent.requires_action": _authorization,
        "payment_intent.payment_failed": _authorization,
        "payment_intent.canceled": _authorization,
        "payment_intent.succeeded": _capture,
        "charge.refunded": _charge,
        "charge.refund.updated": _refund,
        "refund.updated": _refund,
        "refund.failed": _refund,
        "charge.dispute.created": _unnamed,
        "charge.dispute.updated": _unnamed,
        "charge.dispute.closed": _unnamed,
        "charge.dispute.funds_withdrawn": _unnamed,
        "charge.dispute.funds_reinstated": _unnamed,
    }
)
STRIPES_EVENTS: Final = tuple(_STRIPES_EVENTS)
"""The events that an endpoint at Stripe should send; others are answered 200 and left alone."""


def _checked(received: R) -> R:
    """Return a message that can be put on the log. Raises WebhookNotUnderstoodError for one beyond our limits."""
    expires_at_ms = getattr(received, "expires_at_ms", 0)
    if not is_order_id(received.order_id):
        raise WebhookNotUnderstoodError(f"it is about {received.order_id[:64]!r}, which is no order of ours")
    if not 0 <= expires_at_ms <= MAX_TIME_MS:
        raise WebhookNotUnderstoodError("it names a moment before 1970 or after 9999; times are ms since the epoch")
    try:
        encode(received)
    except EncodeError as error:
        raise WebhookNotUnderstoodError(str(error)) from error
    return received
