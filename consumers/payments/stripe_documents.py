"""What Stripe's documents mean: a PaymentIntent as an authorisation and as a payment, a refund."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.payments.errors import OutcomeUnknownError
from consumers.payments.processor import (
    Operation,
    ProcessorPayment,
    ProcessorResult,
)
from consumers.payments.stripe_units import from_stripe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Params = dict[str, Any]
    Document = Mapping[str, Any]


def authorization_of(intent: Document) -> ProcessorResult:
    """Return what a PaymentIntent says about the authorisation that it is, whatever happened to it since.

    It is the document that Stripe answers with and sends in webhooks. Raises OutcomeUnknownError while Stripe does not know
    itself.
    """
    name = str(intent["id"])
    match intent["status"]:
        case "requires_capture" | "succeeded":
            return ProcessorResult("succeeded", name, "", expires_at_ms=_capture_before_ms(intent))
        case "requires_action":
            redirect = (intent.get("next_action") or {}).get("redirect_to_url") or {}
            return ProcessorResult("requires_action", name, "", action_url=redirect.get("url") or "")
        case "requires_payment_method":
            error = intent.get("last_payment_error") or {}
            return ProcessorResult("declined", name, error.get("decline_code") or error.get("code") or "card_declined")
        case "canceled":
            return ProcessorResult("declined", name, intent.get("cancellation_reason") or "canceled")
        case status:
            raise OutcomeUnknownError(f"Stripe's payment {name} is {status}: look it up later")


def _capture_before_ms(intent: Document) -> int:
    """Return until when the money is held (ms since the epoch, UTC), 0 where Stripe does not say."""
    charge = intent.get("latest_charge")
    if not charge or isinstance(charge, str):
        return 0
    card = (charge.get("payment_method_details") or {}).get("card") or {}
    return int(card.get("capture_before") or 0) * 1000


def refund_of(refund: Document, operation: Operation) -> ProcessorResult:
    """Return what a Refund says about the operation that it is. Raises OutcomeUnknownError while Stripe does not know itself."""
    status = refund.get("status")
    if status in ("failed", "canceled"):
        return ProcessorResult("failed", operation.authorization_id, refund.get("failure_reason") or f"refund_{status}")
    if status in ("pending", "requires_action"):
        raise OutcomeUnknownError(f"Stripe's refund {refund.get('id')} is {status}: look it up later")
    return ProcessorResult("succeeded", operation.authorization_id, "")


def payment_of(intent: Document, disputes: Iterable[Document]) -> ProcessorPayment:
    """Return where a PaymentIntent's money is; its charge must be expanded. Raises UnitsError.

    What is released untaken, by a final capture or a cancellation, Stripe counts among the refunds of the charge
    (https://github.com/solidusio/solidus_stripe/pull/268). Inquiries (`warning_...`) withdraw nothing, yet may become
    disputes; they count as such while they are open.
    """
    currency = str(intent["currency"]).upper()
    charge = intent.get("latest_charge")
    charge = charge if charge and not isinstance(charge, str) else {}
    captured = int(intent.get("amount_received") or 0)
    held = int(intent.get("amount_capturable") or 0)
    authorized = int(intent["amount"]) if charge and charge.get("status") == "succeeded" else captured + held
    released = authorized - captured - held
    by_end: dict[str, int] = {}
    for dispute in disputes:
        end = _END_OF_DISPUTE.get(str(dispute["status"]), "open")
        by_end[end] = by_end.get(end, 0) + int(dispute["amount"])
    return ProcessorPayment(
        authorization_id=str(intent["id"]),
        order_id=str((intent.get("metadata") or {}).get("order_id", "")),
        currency=currency,
        authorized_minor=from_stripe(authorized, currency),
        captured_minor=from_stripe(captured, currency),
        voided_minor=from_stripe(released, currency),
        refunded_minor=from_stripe(max(0, int(charge.get("amount_refunded") or 0) - released), currency),
        created_at_ms=int(intent["created"]) * 1000,
        disputed_minor=from_stripe(by_end.get("open", 0), currency),
        lost_minor=from_stripe(by_end.get("lost", 0), currency),
    )


_END_OF_DISPUTE: Final = {"won": "won", "warning_closed": "won", "prevented": "won", "lost": "lost"}
"""By a dispute's status; all others are open (https://docs.stripe.com/api/disputes/object#dispute_object-status)."""
