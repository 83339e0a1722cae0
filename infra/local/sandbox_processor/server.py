"""The processor's HTTP face.

One raw aiohttp handler without router, middlewares and access log: it shares two cores with everything under test.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from infra.local.sandbox_processor import action_page
from infra.local.sandbox_processor.answers import ACTIONS, JSON, answer, encode, operation, problem
from infra.local.sandbox_processor.books import Authorization, Totals
from infra.local.sandbox_processor.entries import CONFLICT, NOT_FOUND, Request
from infra.local.sandbox_processor.faults import Fault, FaultPlan
from infra.local.sandbox_processor.ledger import Ledger
from infra.local.sandbox_processor.requests import UnknownRouteError, read_confirmation, read_operation

_OPERATIONS: Final = "/v1/operations/"
_PAYMENTS: Final = "/v1/payments"
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422
_UNAVAILABLE: Final = 503
_LONGEST_KEY: Final = 255
_HANG_CHECK_SECONDS: Final = 0.25
_PAGE: Final = 500


class _BooksAnswer(msgspec.Struct):
    operations: int
    totals: dict[str, Totals]
    lines: list[Authorization]


class Processor:
    """Answers requests out of the books."""

    def __init__(self, ledger: Ledger, plan: FaultPlan) -> None:
        self._ledger = ledger
        self._books = ledger.books
        self._plan = plan
        self._in_flight: dict[str, str] = {}
        self.base_url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if request.method == "POST":
            if path.startswith(ACTIONS):
                return await self._confirm(request, unquote(path[len(ACTIONS) :]))
            return await self._operate(request, path)
        if request.method == "GET":
            if path.startswith(ACTIONS):
                return action_page.ask(request)
            if path.startswith(_OPERATIONS):
                return await self._look_up(request, unquote(path[len(_OPERATIONS) :]))
            if path.startswith(_PAYMENTS):
                return await self._read_payments(request, unquote(path[len(_PAYMENTS) :]))
        return self._show(request)

    async def _read_payments(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        if not name:
            return await self._list_payments(request)
        return await self._find_payment(request, name.removeprefix("/"))

    def _show(self, request: web.BaseRequest) -> web.Response:
        """Answer what has no faults: it is there for those who check."""
        route = f"{request.method} {request.path}"
        if route == "GET /books":
            return self._show_books(request.query.get("order_id"))
        if route == "GET /books/totals":
            return web.Response(body=encode(self._books.totals()), headers=JSON)
        if route == "GET /health":
            return web.Response(body=b'{"status":"up"}', headers=JSON)
        return problem(NOT_FOUND, "route_unknown")

    async def _operate(self, http: web.BaseRequest, path: str) -> web.StreamResponse:
        key = http.headers.get("Idempotency-Key", "")
        if not 0 < len(key) <= _LONGEST_KEY:
            return problem(_BAD_REQUEST, "key_missing")
        try:
            request = read_operation(key, path, await http.read())
        except UnknownRouteError:
            return problem(NOT_FOUND, "route_unknown")
        except msgspec.DecodeError as error:
            return problem(_BAD_REQUEST, "invalid_request", detail=str(error))

        fault = self._plan.next_fault(key)
        if fault is Fault.UNAVAILABLE:
            return self._unavailable()
        if fault is Fault.SILENT_UNEXECUTED:
            return await self._withhold_answer(http)
        return await self._deliver(http, await self._execute_once(request), fault)

    async def _confirm(self, http: web.BaseRequest, authorization_id: str) -> web.Response:
        """Take the customer's answer; given twice, or too late, it changes nothing and shows how things stand."""
        body = await http.read()
        is_form = http.content_type == action_page.FORM
        try:
            confirmed = read_confirmation(action_page.as_confirmation(body) if is_form else body)
        except msgspec.DecodeError as error:
            return problem(_BAD_REQUEST, "invalid_request", detail=str(error))
        entry = self._ledger.confirm(authorization_id, confirmed=confirmed)
        if is_form:
            return action_page.thank(body, entry)
        if entry is None:
            return problem(NOT_FOUND, "authorization_unknown")
        return operation(entry, self.base_url)

    async def _look_up(self, http: web.BaseRequest, key: str) -> web.StreamResponse:
        # A look-up is a request too and gets lost as others do, by draws of its own.
        fault = self._plan.next_fault(f"look up {key}")
        if fault is Fault.UNAVAILABLE:
            return self._unavailable()
        if key in self._in_flight:
            return await self._deliver(http, problem(CONFLICT, "key_in_flight"), fault)
        entry = self._books.find(key)
        response = problem(NOT_FOUND, "operation_unknown") if entry is None else operation(entry, self.base_url)
        return await self._deliver(http, response, fault)

    async def _list_payments(self, http: web.BaseRequest) -> web.StreamResponse:
        since, cursor = http.query.get("since_ms") or "0", http.query.get("cursor") or "0"
        fault = self._plan.next_fault(f"payments {since} {cursor}")
        if fault is Fault.UNAVAILABLE:
            return self._unavailable()
        if not (since.isdecimal() and cursor.isdecimal()):
            return problem(_BAD_REQUEST, "invalid_request", detail="since_ms and cursor are whole numbers")
        lines, following = self._books.page(int(since), int(cursor), _PAGE)
        page = {"payments": lines, "next_cursor": "" if following is None else str(following)}
        return await self._deliver(http, web.Response(body=encode(page), headers=JSON), fault)

    async def _find_payment(self, http: web.BaseRequest, authorization_id: str) -> web.StreamResponse:
        fault = self._plan.next_fault(f"payment {authorization_id}")
        if fault is Fault.UNAVAILABLE:
            return self._unavailable()
        line = self._books.authorization(authorization_id)
        if line is None:
            return await self._deliver(http, problem(NOT_FOUND, "authorization_unknown"), fault)
        return await self._deliver(http, web.Response(body=encode(line), headers=JSON), fault)

    async def _execute_once(self, request: Request) -> web.Response:
        """Execute the operation, or answer again what was answered to this key before."""
        entry = self._books.find(request.key)
        known = self._in_flight.get(request.key) if entry is None else entry.fingerprint
        if known not in {None, request.fingerprint}:
            return problem(_UNPROCESSABLE, "key_reused")
        if entry is not None:
            return answer(entry, self.base_url)
        if known is not None:
            return problem(CONFLICT, "key_in_flight")
        self._in_flight[request.key] = request.fingerprint
        try:
            if (latency_seconds := self._plan.latency_seconds(request.key)) > 0.0:
                await asyncio.sleep(latency_seconds)
            entry = self._ledger.execute(request)
        finally:
            del self._in_flight[request.key]
        return answer(entry, self.base_url)

    async def _deliver(self, http: web.BaseRequest, answer: web.Response, fault: Fault) -> web.StreamResponse:
        if fault is Fault.LOST_ANSWER and http.transport is not None:
            http.transport.abort()
        if fault in {Fault.SILENT_EXECUTED, Fault.SILENT_UNEXECUTED}:
            return await self._withhold_answer(http)
        return answer

    async def _withhold_answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """Wait until the client gives up, or hang up on a client that never does."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._plan.settings.hang_seconds
        while http.transport is not None and loop.time() < give_up_at:  # noqa: ASYNC110 - aiohttp has no event for it
            await asyncio.sleep(_HANG_CHECK_SECONDS)
        if http.transport is not None:
            http.transport.abort()
        return web.Response()

    def _unavailable(self) -> web.Response:
        busy = problem(_UNAVAILABLE, "unavailable")
        busy.headers["Retry-After"] = str(self._plan.settings.retry_after_seconds)
        return busy

    def _show_books(self, order_id: str | None) -> web.Response:
        books = self._books
        shown = _BooksAnswer(len(books), books.totals(order_id), list(books.lines(order_id)))
        return web.Response(body=encode(shown), headers=JSON)
