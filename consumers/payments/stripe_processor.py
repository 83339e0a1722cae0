"""The payment processor Stripe: PaymentIntents with manual capture, over Stripe's own client.

An authorisation is a PaymentIntent that is confirmed and not captured; its id is our `authorization_id`. Every POST
carries the operation's id as Idempotency-Key, which Stripe remembers for at least 24 hours
(https://docs.stripe.com/api/idempotent_requests), and as metadata, by which it is found later than that. Retries are the
effect runner's business, so the client's own are off.

What is definite is sorted here as in `http_processor.py`: a card's or a state's refusal is a result, anything that may have
been executed is unknown. When in doubt it is unknown: that costs one look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import stripe

from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError
from consumers.payments.processor import (
    CAPTURE_ID,
    Operation,
    OperationKind,
    ProcessorPayment,
    ProcessorResult,
    Verdict,
)
from consumers.payments.stripe_documents import authorization_of, payment_of, refund_of
from consumers.payments.stripe_units import UnitsError, to_stripe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Params = dict[str, Any]
    Document = Mapping[str, Any]

TIMEOUT_SECONDS: Final = 20.0
PAGE: Final = 100
"""Objects in one page of a list: the most that Stripe gives."""
UNEXPECTED_STATE: Final = "payment_intent_unexpected_state"

_TOO_MANY_REQUESTS: Final = 429
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = range(500, 600)
_NO_REFUSALS: Final = frozenset({"idempotency_key_in_use", "lock_timeout", "rate_limit", "platform_api_key_expired"})
"""Codes of errors that say nothing about the payment itself."""


class StripeProcessor:
    """A PaymentProcessor at Stripe. Must be made inside a running event loop, and closed.

    `return_url` is where Stripe sends a customer back to who has confirmed a payment. `address` is another server's than
    Stripe's own, for tests.
    """

    def __init__(
        self, api_key: str, *, return_url: str = "", address: str = "", timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._http = stripe.AIOHTTPClient(timeout=timeout_seconds)
        self._client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            max_network_retries=0,
            base_addresses={"api": address} if address else {},
        )
        self._return_url = return_url
        self._perform: Mapping[OperationKind, Callable[[Operation], Awaitable[ProcessorResult]]] = {
            OperationKind.AUTHORIZE: self._authorize,
            OperationKind.CAPTURE: self._capture,
            OperationKind.VOID: self._void,
            OperationKind.REFUND: self._refund,
        }

    async def perform(self, operation: Operation) -> ProcessorResult:
        """Ask for the operation; see PaymentProcessor.perform. What Stripe cannot count is refused and never sent."""
        try:
            return await self._perform[operation.kind](operation)
        except UnitsError as error:
            return _refused(operation, error.reason)
        except stripe.StripeError as error:
            refusal = _refusal(operation, error)
        if refusal.reason != UNEXPECTED_STATE:
            return refusal
        # Perhaps it is we who brought it to this state, so long ago that the idempotency key is forgotten.
        return await self.look_up(operation) or refusal

    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        """Ask what became of an operation; see PaymentProcessor.look_up.

        An authorisation whose id is not known is searched for by its metadata, which may lag by a minute. Until then None is
        right all the same: performed again, it finds its idempotency key.
        """
        look = {
            OperationKind.AUTHORIZE: self._find_authorization,
            OperationKind.CAPTURE: self._find_capture,
            OperationKind.VOID: self._find_void,
            OperationKind.REFUND: self._find_refund,
        }[operation.kind]
        try:
            return await look(operation)
        except UnitsError as error:
            return _refused(operation, error.reason)
        except stripe.StripeError as error:
            _raise_unless_definite(error)
        return None

    async def payment(self, authorization_id: str) -> ProcessorPayment | None:
        """Ask where the money of a PaymentIntent is; see PaymentProcessor.payment."""
        try:
            intent = await self._client.v1.payment_intents.retrieve_async(
                authorization_id, {"expand": ["latest_charge"]}
            )
            return await self._payment_of(intent.to_dict())
        except UnitsError as error:
            raise NotUnderstoodError(f"Stripe's books hold an amount that has no minor units: {error}") from error
        except stripe.StripeError as error:
            _raise_unless_definite(error)
            if error.http_status == _NOT_FOUND:
                return None
            raise NotUnderstoodError(f"Stripe refuses to show a payment: {_code_of(error)}") from error

    async def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        """Iterate over the payments on Stripe's books that name an order; see PaymentProcessor.payments."""
        params: Params = {"created": {"gte": since_ms // 1000}, "limit": PAGE, "expand": ["data.latest_charge"]}
        try:
            intents = await self._client.v1.payment_intents.list_async(params)  # type: ignore[arg-type]
            async for intent in intents.auto_paging_iter():
                if (document := intent.to_dict()).get("metadata") and document["metadata"].get("order_id"):
                    yield await self._payment_of(document)
        except UnitsError as error:
            raise NotUnderstoodError(f"Stripe's books hold an amount that has no minor units: {error}") from error
        except stripe.StripeError as error:
            _raise_unless_definite(error)
            raise NotUnderstoodError(f"Stripe refuses to list payments: {_code_of(error)}") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _authorize(self, operation: Operation) -> ProcessorResult:
        params: Params = {
            "amount": to_stripe(operation.amount_minor, operation.currency),
            "currency": operation.currency.lower(),
            "payment_method": operation.payment_token,
            "payment_method_types": ["card"],
            "capture_method": "manual",
            "confirm": True,
            "metadata": {
                "order_id": operation.order_id,
                "operation_id": operation.operation_id,
                "customer_id": operation.customer_id,
            },
            "expand": ["latest_charge"],
        }
        if self._return_url:
            params["return_url"] = self._return_url
        intent = await self._client.v1.payment_intents.create_async(params, _keyed(operation))  # type: ignore[arg-type]
        return authorization_of(intent.to_dict())

    async def _capture(self, operation: Operation) -> ProcessorResult:
        params: Params = {
            "amount_to_capture": to_stripe(operation.amount_minor, operation.currency),
            "metadata": {CAPTURE_ID: operation.operation_id},
        }
        if not operation.is_last:
            params["final_capture"] = False  # needs multicapture (https://docs.stripe.com/payments/multicapture)
        intent = await self._client.v1.payment_intents.capture_async(
            operation.authorization_id,
            params,  # type: ignore[arg-type]
            _keyed(operation),
        )
        return ProcessorResult("succeeded", str(intent.id), "")

    async def _void(self, operation: Operation) -> ProcessorResult:
        intent = await self._client.v1.payment_intents.cancel_async(operation.authorization_id, {}, _keyed(operation))
        return ProcessorResult("succeeded", str(intent.id), "")

    async def _refund(self, operation: Operation) -> ProcessorResult:
        params: Params = {
            "payment_intent": operation.authorization_id,
            "amount": to_stripe(operation.amount_minor, operation.currency),
            "metadata": {"order_id": operation.order_id, "operation_id": operation.operation_id},
        }
        refund = await self._client.v1.refunds.create_async(params, _keyed(operation))  # type: ignore[arg-type]
        return refund_of(refund.to_dict(), operation)

    # --- looking up ---------------------------------------------------------------------------------------------------

    async def _find_authorization(self, operation: Operation) -> ProcessorResult | None:
        if operation.authorization_id:
            named = await self._client.v1.payment_intents.retrieve_async(
                operation.authorization_id, {"expand": ["latest_charge"]}
            )
            return authorization_of(named.to_dict())
        query = f"metadata['operation_id']:'{operation.operation_id}'"
        params: Params = {"query": query, "limit": 1, "expand": ["data.latest_charge"]}
        page = await self._client.v1.payment_intents.search_async(params)  # type: ignore[arg-type]
        return authorization_of(page.data[0].to_dict()) if page.data else None

    async def _find_capture(self, operation: Operation) -> ProcessorResult | None:
        """Return whether the last capture was this one: an order's operations are performed one at a time.

        One that an earlier release asked for left no name. It is known where its sum is all that was captured.
        """
        intent = await self._intent(operation)
        if (intent.get("metadata") or {}).get(CAPTURE_ID) == operation.operation_id:
            return ProcessorResult("succeeded", operation.authorization_id, "")
        if intent["status"] == "canceled":
            return ProcessorResult("failed", operation.authorization_id, "already_voided")
        captured = to_stripe(operation.amount_minor, operation.currency)
        if intent["status"] == "succeeded" and intent.get("amount_received") == captured:
            return ProcessorResult("succeeded", operation.authorization_id, "")
        return None

    async def _find_void(self, operation: Operation) -> ProcessorResult | None:
        match (await self._intent(operation))["status"]:
            case "canceled":
                return ProcessorResult("succeeded", operation.authorization_id, "")
            case "succeeded":
                return ProcessorResult("failed", operation.authorization_id, "already_captured")
        return None

    async def _intent(self, operation: Operation) -> Document:
        return (await self._client.v1.payment_intents.retrieve_async(operation.authorization_id)).to_dict()

    async def _payment_of(self, intent: Document) -> ProcessorPayment:
        charge = intent.get("latest_charge")
        disputes: list[Document] = []
        if charge and not isinstance(charge, str) and charge.get("disputed"):
            params: Params = {"payment_intent": intent["id"], "limit": PAGE}
            page = await self._client.v1.disputes.list_async(params)  # type: ignore[arg-type]
            disputes = [dispute.to_dict() async for dispute in page.auto_paging_iter()]
        return payment_of(intent, disputes)

    async def _find_refund(self, operation: Operation) -> ProcessorResult | None:
        params: Params = {"payment_intent": operation.authorization_id, "limit": PAGE}
        refunds = await self._client.v1.refunds.list_async(params)  # type: ignore[arg-type]
        refund: Any
        async for refund in refunds.auto_paging_iter():
            document = refund.to_dict()
            if (document.get("metadata") or {}).get("operation_id") == operation.operation_id:
                return refund_of(document, operation)
        return None


# --- what went wrong --------------------------------------------------------------------------------------------------


def _keyed(operation: Operation) -> Any:
    return {"idempotency_key": operation.operation_id}


def _refusal(operation: Operation, error: stripe.StripeError) -> ProcessorResult:
    """Return the definite no that an error is. Raises ProcessorError for one that is none."""
    _raise_unless_definite(error)
    return _refused(operation, _code_of(error))


def _refused(operation: Operation, reason: str) -> ProcessorResult:
    verdict: Verdict = "declined" if operation.kind is OperationKind.AUTHORIZE else "failed"
    return ProcessorResult(verdict, operation.authorization_id, reason)


def _raise_unless_definite(error: stripe.StripeError) -> None:
    """Raise what an error means that is no refusal. No message may carry the request: it names a means of payment."""
    code, status = _code_of(error), error.http_status
    if status == _TOO_MANY_REQUESTS:
        retry_after = (error.headers or {}).get("Retry-After", "")
        raise NotSentError(
            "Stripe is busy (429)", float(retry_after) if str(retry_after).isdecimal() else 0.0
        ) from error
    if status in _SERVER_ERRORS or isinstance(error, stripe.APIConnectionError):
        _unknown(f"Stripe gave no answer ({status or type(error).__name__}) and may have executed the operation", error)
    if status == _CONFLICT or code in _NO_REFUSALS:
        _unknown(f"an earlier request with this key is still under way at Stripe ({code})", error)
    if isinstance(error, stripe.CardError | stripe.InvalidRequestError):
        return
    raise NotUnderstoodError(f"Stripe does not take our requests ({status}, {code}): check key and version") from error


def _unknown(message: str, error: Exception) -> NoReturn:
    raise OutcomeUnknownError(message) from error


def _code_of(error: stripe.StripeError) -> str:
    """Return Stripe's own word for an error, for a card's refusal that of its bank."""
    decline = getattr(error.error, "decline_code", None) if error.error else None
    return str(decline or error.code or type(error).__name__)
