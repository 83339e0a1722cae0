"""The HTTP server that payment processors tell their outcomes to, beside the answers to our own requests.

    POST /webhooks/payments/simulated   from infra.processor, signed as Standard Webhooks has it
    POST /webhooks/payments/stripe      from Stripe, signed in its own way

What is told is put on the log before it is answered: 200 says that Kafka has it. 401 is a wrong signature or one that is
too old, 400 is a message that makes no sense, 503 asks the sender to come back. Problems are RFC 9457 documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from aiohttp import web

from consumers.payments.webhooks import WebhookError, WebhookRefusedError, result_from_processor, result_from_stripe
from consumers.runtime.decision import outgoing
from producers.errors import PublishError

if TYPE_CHECKING:
    from producers.publisher import Publisher
    from schemas.messages import RecordPaymentResult

log = structlog.get_logger()

ROUTES: Final = "/webhooks/payments/"
LARGEST_BODY: Final = 256 * 1024
_TITLES: Final = {
    400: "The message makes no sense",
    401: "The signature is not right",
    404: "There is nothing here",
    405: "Only POST is answered here",
    413: "The message is too large",
    503: "The outcome could not be written down: send it again",
}

_STATUS_OF: Final[Mapping[type[WebhookError], int]] = {WebhookRefusedError: 401}


class WebhookReceiver:
    """Serves until it is stopped. `secrets` has one for each processor that may tell us anything: simulated, stripe."""

    def __init__(self, publisher: Publisher, secrets: Mapping[str, str], *, host: str, port: int) -> None:
        self._publisher = publisher
        self._secrets = secrets
        self._host = host
        self._port = port
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ask for a graceful end: what is being written down is answered first."""
        self._stopped.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises OSError where the address is taken."""
        runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=5.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            log.info("receiver_listens", host=self._host, port=runner.addresses[0][1], processors=sorted(self._secrets))
            await self._stopped.wait()
        finally:
            await runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one webhook."""
        processor = request.path.removeprefix(ROUTES)
        if not request.path.startswith(ROUTES) or processor not in self._secrets:
            return _problem(404, f"{request.path} is no address of a processor that is set up here")
        if request.method != "POST":
            return _problem(405, request.method)
        if (request.content_length or 0) > LARGEST_BODY:
            return _problem(413, f"at most {LARGEST_BODY:,} bytes")
        try:
            return await self._take(self._result(processor, await request.read(), request))
        except WebhookError as error:
            log.warning("webhook_not_taken", processor=processor, error=str(error))
            return _problem(_STATUS_OF.get(type(error), 400), str(error))
        except PublishError as error:
            log.warning("webhook_not_taken", processor=processor, error=str(error))
            return _problem(503, "Kafka did not take it")

    async def _take(self, result: RecordPaymentResult | None) -> web.Response:
        if result is None:
            return web.json_response({"taken": False})
        await self._publisher.publish([outgoing(result)])
        return web.json_response({"taken": True, "operation_id": result.operation_id})

    def _result(self, processor: str, body: bytes, request: web.BaseRequest) -> RecordPaymentResult | None:
        secret = self._secrets[processor]
        if processor == "stripe":
            return result_from_stripe(body, request.headers.get("Stripe-Signature", ""), secret)
        return result_from_processor(body, request.headers, secret)


def _problem(status: int, detail: str) -> web.Response:
    document = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail}
    headers = {"Content-Type": "application/problem+json"} | ({"Retry-After": "5"} if status == 503 else {})  # noqa: PLR2004
    return web.Response(status=status, body=msgspec.json.encode(document), headers=headers)
