"""The processor's HTTP face.

One raw aiohttp handler without router, middlewares and access log: it shares two cores with everything under test.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from infra.processor.books import CONFLICT, NOT_FOUND, OK, Authorization, Books, Entry, Request, Totals
from infra.processor.faults import Fault, FaultPlan
from infra.processor.journal import Journal

_AUTHORIZATIONS: Final = "/v1/authorizations"
_OPERATIONS: Final = "/v1/operations/"
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422
_UNAVAILABLE: Final = 503
_JSON: Final = {"Content-Type": "application/json"}
_PROBLEM: Final = {"Content-Type": "application/problem+json"}
_FINGERPRINT_BYTES: Final = 12
_LONGEST_KEY: Final = 255
_HANG_CHECK_SECONDS: Final = 0.25

_Amount = Annotated[int, msgspec.Meta(gt=0)]
_Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]

_TITLES: Final = {
    "already_captured": "The authorisation is captured already",
    "already_voided": "The authorisation is voided already",
    "amount_exceeds_authorization": "More was to be captured than is authorised",
    "authorization_unknown": "There is no such authorisation",
    "capture_failed": "The card's bank refused the capture",
    "card_declined": "The card was declined",
    "currency_mismatch": "The authorisation is in another currency",
    "insufficient_funds": "The card has too little money on it",
    "invalid_request": "The request is not well-formed",
    "key_in_flight": "A request with this Idempotency-Key is still under way",
    "key_missing": "An Idempotency-Key header is needed",
    "key_reused": "This Idempotency-Key belongs to another request",
    "operation_unknown": "No operation was executed under this key",
    "route_unknown": "There is nothing here",
    "unavailable": "Nothing was executed: come back later",
    "void_failed": "The card's bank refused the void",
}


class _AuthorizeBody(msgspec.Struct):
    order_id: _Name
    amount_minor: _Amount
    currency: _Currency
    payment_token: _Name
    customer_id: str


class _CaptureBody(msgspec.Struct):
    amount_minor: _Amount
    currency: _Currency


class _BooksAnswer(msgspec.Struct):
    operations: int
    totals: dict[str, Totals]
    lines: list[Authorization]


class _UnknownRouteError(Exception):
    """No such method and path."""


_encode = msgspec.json.Encoder().encode
_decode_authorize = msgspec.json.Decoder(_AuthorizeBody).decode
_decode_capture = msgspec.json.Decoder(_CaptureBody).decode


class Processor:
    """Answers requests out of the books."""

    def __init__(self, books: Books, journal: Journal, plan: FaultPlan) -> None:
        self._books = books
        self._journal = journal
        self._plan = plan
        self._in_flight: dict[str, str] = {}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if request.method == "POST":
            return await self._operate(request, path)
        if request.method == "GET":
            if path.startswith(_OPERATIONS):
                return await self._look_up(request, unquote(path[len(_OPERATIONS) :]))
            if path == "/books":
                return self._show_books(request.query.get("order_id"))
            if path == "/books/totals":
                return web.Response(body=_encode(self._books.totals()), headers=_JSON)
            if path == "/health":
                return web.Response(body=b'{"status":"up"}', headers=_JSON)
        return _problem(NOT_FOUND, "route_unknown")

    async def _operate(self, http: web.BaseRequest, path: str) -> web.StreamResponse:
        key = http.headers.get("Idempotency-Key", "")
        if not 0 < len(key) <= _LONGEST_KEY:
            return _problem(_BAD_REQUEST, "key_missing")
        try:
            request = _read(key, path, await http.read())
        except _UnknownRouteError:
            return _problem(NOT_FOUND, "route_unknown")
        except msgspec.DecodeError as error:
            return _problem(_BAD_REQUEST, "invalid_request", detail=str(error))

        fault = self._plan.next_fault(key)
        if fault is Fault.UNAVAILABLE:
            return self._unavailable()
        if fault is Fault.SILENT_UNEXECUTED:
            return await self._say_nothing(http)
        answer = await self._execute_once(request)
        return await self._deliver(http, answer, fault)

    async def _look_up(self, http: web.BaseRequest, key: str) -> web.StreamResponse:
        # A look-up is a request too and gets lost as others do, by draws of its own.
        fault = self._plan.next_fault(f"look up {key}")
        if fault is Fault.UNAVAILABLE:
            return self._unavailable()
        if key in self._in_flight:
            return await self._deliver(http, _problem(CONFLICT, "key_in_flight"), fault)
        entry = self._books.find(key)
        answer = _problem(NOT_FOUND, "operation_unknown") if entry is None else _operation(entry)
        return await self._deliver(http, answer, fault)

    async def _execute_once(self, request: Request) -> web.Response:
        """Execute the operation, or answer again what was answered to this key before."""
        entry = self._books.find(request.key)
        known = self._in_flight.get(request.key) if entry is None else entry.fingerprint
        if known not in {None, request.fingerprint}:
            return _problem(_UNPROCESSABLE, "key_reused")
        if entry is not None:
            return _answer(entry)
        if known is not None:
            return _problem(CONFLICT, "key_in_flight")
        self._in_flight[request.key] = request.fingerprint
        try:
            if (latency_seconds := self._plan.latency_seconds(request.key)) > 0.0:
                await asyncio.sleep(latency_seconds)
            entry = self._books.judge(request, self._plan)
            self._journal.append(entry)
            self._books.apply(entry)
        finally:
            del self._in_flight[request.key]
        return _answer(entry)

    async def _deliver(self, http: web.BaseRequest, answer: web.Response, fault: Fault) -> web.StreamResponse:
        if fault is Fault.LOST_ANSWER and http.transport is not None:
            http.transport.abort()
        if fault in {Fault.SILENT_EXECUTED, Fault.SILENT_UNEXECUTED}:
            return await self._say_nothing(http)
        return answer

    async def _say_nothing(self, http: web.BaseRequest) -> web.StreamResponse:
        """Wait until the client gives up, or hang up on a client that never does."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._plan.settings.hang_seconds
        while http.transport is not None and loop.time() < give_up_at:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(_HANG_CHECK_SECONDS)
        if http.transport is not None:
            http.transport.abort()
        return web.Response()

    def _unavailable(self) -> web.Response:
        answer = _problem(_UNAVAILABLE, "unavailable")
        answer.headers["Retry-After"] = str(self._plan.settings.retry_after_seconds)
        return answer

    def _show_books(self, order_id: str | None) -> web.Response:
        books = self._books
        answer = _BooksAnswer(len(books), books.totals(order_id), list(books.lines(order_id)))
        return web.Response(body=_encode(answer), headers=_JSON)


def _read(key: str, path: str, body: bytes) -> Request:
    """Return the request in our words. Raises _UnknownRouteError or msgspec.DecodeError."""
    fingerprint = hashlib.blake2b(path.encode() + b"\n" + body, digest_size=_FINGERPRINT_BYTES).hexdigest()
    if path == _AUTHORIZATIONS:
        new = _decode_authorize(body)
        return Request(
            key, fingerprint, "authorize", "", new.order_id, new.amount_minor, new.currency, new.payment_token
        )
    parent, _, verb = path.rpartition("/")
    root, _, authorization_id = parent.rpartition("/")
    if root != _AUTHORIZATIONS or not authorization_id:
        raise _UnknownRouteError
    if verb == "capture":
        wanted = _decode_capture(body)
        return Request(key, fingerprint, "capture", authorization_id, "", wanted.amount_minor, wanted.currency)
    if verb == "void":
        return Request(key, fingerprint, "void", authorization_id)
    raise _UnknownRouteError


def _answer(entry: Entry) -> web.Response:
    if entry.status == OK:
        return _operation(entry)
    return _problem(entry.status, entry.code, kind=entry.kind, authorization_id=entry.authorization_id)


def _operation(entry: Entry) -> web.Response:
    document = {
        "object": "operation",
        "id": entry.key,
        "kind": entry.kind,
        "status": "succeeded" if entry.status == OK else "refused",
        "code": entry.code,
        "authorization_id": entry.authorization_id,
        "order_id": entry.order_id,
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
    }
    return web.Response(body=_encode(document), headers=_JSON)


def _problem(status: int, code: str, **members: str) -> web.Response:
    """Return an RFC 9457 problem; `code` and what else is given are its extension members."""
    document = {"type": f"urn:lastunit:processor:{code}", "title": _TITLES[code], "status": status, "code": code}
    return web.Response(status=status, body=_encode(document | members), headers=_PROBLEM)
