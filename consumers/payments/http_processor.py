"""The payment processor over HTTP: the port's adapter to the API that `infra.local.sandbox_processor` serves.

Which failures are definite decides whether money can move twice, so every way a request can end is sorted here into
a result, "not sent", "unknown" or "not understood". When in doubt it is unknown: that costs one look-up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError, ProcessorError
from consumers.payments.processor import Operation, OperationKind, ProcessorPayment, ProcessorResult, Verdict

_OK: Final = 200
_NOT_FOUND: Final = 404
_REFUSALS: Final = frozenset({400, 402, 404, 409})
"""Definite noes: malformed, refused by the card network, no such authorisation, in a state that forbids it."""
_TOO_MANY_REQUESTS: Final = 429
_UNAVAILABLE: Final = 503
_SERVER_ERRORS: Final = range(500, 600)


class _Authorize(msgspec.Struct):
    order_id: str
    amount_minor: int
    currency: str
    payment_token: str
    customer_id: str


class _Capture(msgspec.Struct):
    amount_minor: int
    currency: str
    is_last: bool


class _Refund(msgspec.Struct):
    amount_minor: int
    currency: str


class _Void(msgspec.Struct):
    """The path says it all."""


class _Executed(msgspec.Struct):
    """The processor's record of an operation that it executed, whichever way it ended or while its customer is asked."""

    kind: OperationKind
    status: str
    authorization_id: str
    code: str
    action_url: str = ""
    expires_at_ms: int = 0


class _Page(msgspec.Struct):
    """Some of the processor's payments; `next_cursor` is empty on the last page."""

    payments: list[ProcessorPayment]
    next_cursor: str


class _Problem(msgspec.Struct):
    """An RFC 9457 problem; `code` is the processor's own word for it."""

    code: str


_encode = msgspec.json.Encoder().encode
_decode_executed = msgspec.json.Decoder(_Executed).decode
_decode_page = msgspec.json.Decoder(_Page).decode
_decode_payment = msgspec.json.Decoder(ProcessorPayment).decode
_decode_problem = msgspec.json.Decoder(_Problem).decode


class HttpProcessor:
    """A PaymentProcessor at `base_url`. Must be made inside a running event loop, and closed.

    A request takes at most `total_timeout_seconds`, of which `connect_timeout_seconds` to get a connection out of at
    most `connections`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout_seconds: float = 1.0,
        total_timeout_seconds: float = 5.0,
        connections: int = 64,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=total_timeout_seconds, connect=connect_timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def perform(self, operation: Operation) -> ProcessorResult:
        """Ask for the operation; see PaymentProcessor.perform."""
        path, body = _request_of(operation)
        headers = {"Idempotency-Key": operation.operation_id, "Content-Type": "application/json"}
        status, answer, retry_after = await self._exchange("POST", path, headers, _encode(body))
        if status == _OK:
            return _result_of(_executed(answer))
        if status in _REFUSALS:
            problem = _problem(answer)
            if problem.code == "key_in_flight":
                raise OutcomeUnknownError("an earlier request with this key is still under way: look it up later")
            # Any other 404 comes from a wrong address, and then nothing was decided about the operation.
            if status != _NOT_FOUND or problem.code == "authorization_unknown":
                return _refusal(operation.kind, operation.authorization_id, problem.code)
        raise _error_for(status, answer, retry_after)

    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        """Ask what became of an operation; see PaymentProcessor.look_up."""
        path = f"/v1/operations/{quote(operation.operation_id, safe='')}"
        status, answer, retry_after = await self._exchange("GET", path, {})
        if status == _OK:
            return _result_of(_executed(answer))
        if status == _NOT_FOUND and _problem(answer).code == "operation_unknown":
            return None
        if status in _REFUSALS and _problem(answer).code == "key_in_flight":
            raise OutcomeUnknownError("the operation is still under way: look it up later")
        raise _error_for(status, answer, retry_after)

    async def payment(self, authorization_id: str) -> ProcessorPayment | None:
        """Ask where the money of an authorisation is; see PaymentProcessor.payment."""
        path = f"/v1/payments/{quote(authorization_id, safe='')}"
        status, answer, retry_after = await self._exchange("GET", path, {})
        if status == _OK:
            return _payment(answer)
        if status == _NOT_FOUND and _problem(answer).code == "authorization_unknown":
            return None
        raise _error_for(status, answer, retry_after)

    async def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        """Read the processor's books, a page at a time; see PaymentProcessor.payments."""
        cursor = ""
        while True:
            path = f"/v1/payments?since_ms={since_ms}&cursor={quote(cursor, safe='')}"
            status, answer, retry_after = await self._exchange("GET", path, {})
            if status != _OK:
                raise _error_for(status, answer, retry_after)
            page = _page(answer)
            for payment in page.payments:
                yield payment
            if not (cursor := page.next_cursor):
                return

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, bytes, str]:
        """Return status, body and Retry-After. No error's text or cause may carry the body: it holds a token."""
        url = URL(self._base_url + path, encoded=True)
        try:
            async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, await answer.read(), answer.headers.get("Retry-After", "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSentError(f"no connection to the payment processor: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknownError(f"{method} was sent, no answer came: {type(error).__name__}") from error


def _request_of(operation: Operation) -> tuple[str, msgspec.Struct]:
    if operation.kind is OperationKind.AUTHORIZE:
        return "/v1/authorizations", _Authorize(
            order_id=operation.order_id,
            amount_minor=operation.amount_minor,
            currency=operation.currency,
            payment_token=operation.payment_token,
            customer_id=operation.customer_id,
        )
    authorization = quote(operation.authorization_id, safe="")
    if operation.kind is OperationKind.CAPTURE:
        wanted = _Capture(operation.amount_minor, operation.currency, operation.is_last)
        return f"/v1/authorizations/{authorization}/capture", wanted
    if operation.kind is OperationKind.REFUND:
        return f"/v1/authorizations/{authorization}/refunds", _Refund(operation.amount_minor, operation.currency)
    return f"/v1/authorizations/{authorization}/void", _Void()


def _result_of(executed: _Executed) -> ProcessorResult:
    if executed.status == "succeeded":
        return ProcessorResult("succeeded", executed.authorization_id, "", expires_at_ms=executed.expires_at_ms)
    if executed.status == "requires_action":
        return ProcessorResult("requires_action", executed.authorization_id, "", executed.action_url)
    if executed.status == "refused":
        return _refusal(executed.kind, executed.authorization_id, executed.code)
    raise OutcomeUnknownError(f"the payment processor calls an operation {executed.status!r}, which says nothing to us")


def _refusal(kind: OperationKind, authorization_id: str, code: str) -> ProcessorResult:
    verdict: Verdict = "declined" if kind is OperationKind.AUTHORIZE else "failed"
    return ProcessorResult(verdict, authorization_id, code)


def _executed(answer: bytes) -> _Executed:
    try:
        return _decode_executed(answer)
    except msgspec.DecodeError as error:
        raise OutcomeUnknownError("the payment processor answered 200 with a body that is no operation") from error


def _payment(answer: bytes) -> ProcessorPayment:
    try:
        return _decode_payment(answer)
    except msgspec.DecodeError as error:
        raise NotUnderstoodError("the payment processor answered 200 with a body that is no payment") from error


def _page(answer: bytes) -> _Page:
    try:
        return _decode_page(answer)
    except msgspec.DecodeError as error:
        raise NotUnderstoodError("the payment processor answered 200 with a body that lists no payments") from error


def _problem(answer: bytes) -> _Problem:
    try:
        return _decode_problem(answer)
    except msgspec.DecodeError:
        # Not the processor's own words: a proxy's page, perhaps. Then the status alone decides nothing.
        raise NotUnderstoodError("a refusal without a problem body: check the payment processor's address") from None


def _error_for(status: int, answer: bytes, retry_after: str) -> ProcessorError:
    """Sort every other status. A 503 promises that nothing was executed only where it says when to come back."""
    if status == _TOO_MANY_REQUESTS or (status == _UNAVAILABLE and retry_after.isdecimal()):
        seconds = float(retry_after) if retry_after.isdecimal() else 0.0
        return NotSentError(f"the payment processor is busy ({status})", retry_after_seconds=seconds)
    if status in _SERVER_ERRORS:
        return OutcomeUnknownError(f"the payment processor failed ({status}) and may have executed the operation")
    return NotUnderstoodError(f"unexpected answer {status} ({_problem(answer).code}) from the payment processor")
