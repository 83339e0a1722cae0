"""The routes that payment processors send their outcomes to, beside the answers to our own requests.

    POST /webhooks/payments/simulated   from infra.local.sandbox_processor, signed as Standard Webhooks has it
    POST /webhooks/payments/stripe      from Stripe, signed in its own way

An outcome is put on the log before it is answered: 200 means that Kafka has it. 401 is a wrong signature or one that is
too old, 400 is a message that makes no sense, 503 asks the sender to come back. Problems are RFC 9457 documents.

`WebhookIntake` knows nothing of HTTP servers: it turns headers and a body into an answer. `WebhookRoutes` serve it in front of
another application, as in the API, or alone, as in `WebhookReceiver`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from consumers.payments.errors import NotUnderstoodError, ProcessorError
from consumers.payments.webhooks import (
    UnnamedPayment,
    WebhookError,
    WebhookRefusedError,
    from_processor,
    from_stripe_event,
)
from consumers.runtime.deciding.decision import outgoing
from infra.edge.server import HttpServer
from producers.errors import PublishError
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.payments.processor import PaymentProcessor
    from consumers.payments.webhooks import Received
    from producers.publisher import Publisher

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

log = structlog.get_logger()

ROUTES: Final = "/webhooks/payments/"
LARGEST_BODY: Final = 256 * 1024
MAX_IN_FLIGHT: Final = 200
"""Webhooks that one process takes at once; a processor sends those that get a 503 again."""
_TITLES: Final = {
    400: "The message makes no sense",
    401: "The signature is not right",
    404: "There is nothing here",
    405: "Only POST is answered here",
    413: "The message is too large",
    503: "The outcome could not be written down: send it again",
}


class WebhookAnswer(msgspec.Struct, frozen=True):
    """An HTTP answer: 200 with a JSON document, else an RFC 9457 problem."""

    status: int
    document: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the document."""
        if self.status == 200:  # noqa: PLR2004
            return {"Content-Type": "application/json"}
        retry = {"Retry-After": "5"} if self.status == 503 else {}  # noqa: PLR2004
        return {"Content-Type": "application/problem+json", **retry}

    @property
    def body(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document)


def problem(status: int, detail: str) -> WebhookAnswer:
    """Return the problem that a webhook is answered with."""
    return WebhookAnswer(status, {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": detail})


class WebhookIntake:
    """Puts on the log what processors send. `secrets` has one for each processor that may send anything: simulated, stripe.

    Stripe's events about disputes do not name our order; `stripe` is asked for it.
    """

    def __init__(
        self, publisher: Publisher, secrets: Mapping[str, str], stripe: PaymentProcessor | None = None
    ) -> None:
        self._publisher = publisher
        self._stripe = stripe
        self.secrets = secrets

    def refusal(self, method: str, path: str) -> WebhookAnswer | None:
        """Return the answer to a request whose body need not be read, None for one whose must."""
        processor = path.removeprefix(ROUTES)
        if not path.startswith(ROUTES) or processor not in self.secrets:
            return problem(404, f"{path[:200]} is no address of a processor that is set up here")
        return None if method == "POST" else problem(405, method)

    async def take(self, path: str, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """Answer one webhook; the names in `headers` are in lower case."""
        processor = path.removeprefix(ROUTES)
        try:
            received = await self._received(processor, headers, body)
            if received is None:
                return WebhookAnswer(200, {"taken": False})
            await self._publisher.publish([outgoing(received)])
        except WebhookError as error:
            log.warning("webhook_not_taken", processor=processor, error=str(error))
            return problem(401 if isinstance(error, WebhookRefusedError) else 400, str(error))
        except PublishError as error:
            log.warning("webhook_not_taken", processor=processor, error=str(error))
            return problem(503, "Kafka did not take it")
        except ProcessorError as error:
            log.warning("webhook_not_taken", processor=processor, error=str(error))
            return problem(503, "the processor did not name the order that it is about")
        return WebhookAnswer(200, {"taken": True, "order_id": received.order_id})

    async def _received(self, processor: str, headers: Mapping[str, str], body: bytes) -> Received | None:
        secret = self.secrets[processor]
        if processor != "stripe":
            return from_processor(body, headers, secret)
        received = from_stripe_event(body, headers.get("stripe-signature", ""), secret)
        return await self._named(received) if isinstance(received, UnnamedPayment) else received

    async def _named(self, event: UnnamedPayment) -> Received | None:
        """Return an event with the order that it is about, None where that is none of ours. Raises ProcessorError."""
        if self._stripe is None:
            raise NotUnderstoodError(
                f"{event.cause} names no order; set LASTUNIT_STRIPE_API_KEY, so that Stripe can be asked"
            )
        payment = await self._stripe.payment(event.authorization_id)
        return event.of(payment.order_id) if payment is not None and is_order_id(payment.order_id) else None


class WebhookRoutes:
    """An ASGI application: the addresses of processors; whatever is below another path goes to `other`, if there is one."""

    def __init__(self, intake: WebhookIntake, other: Application | None = None) -> None:
        self._intake, self._other = intake, other
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._other is not None and not scope.get("path", "").startswith(ROUTES):
            await self._other(scope, receive, send)
        elif scope["type"] == "http":
            self._in_flight += 1
            try:
                answer = await self._answer(scope, receive)
            finally:
                self._in_flight -= 1
            if answer is not None:
                await _send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> WebhookAnswer | None:
        """Return the answer, None where nobody waits for it any more."""
        if (refusal := self._intake.refusal(scope["method"], scope["path"])) is not None:
            return refusal
        if self._in_flight > MAX_IN_FLIGHT:
            return problem(503, f"{MAX_IN_FLIGHT} are being written down already")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = bytearray()
        announced = headers.get("content-length", "0")
        is_whole, is_too_large = False, announced.isdigit() and int(announced) > LARGEST_BODY
        while not is_whole and not is_too_large:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            is_whole, is_too_large = not message.get("more_body"), len(body) > LARGEST_BODY
        if is_too_large:
            return problem(413, f"at most {LARGEST_BODY:,} bytes")
        return await self._intake.take(scope["path"], headers, bytes(body))


async def _send(answer: WebhookAnswer, send: Send) -> None:
    body = answer.body
    headers = {**answer.headers, "Content-Length": str(len(body))}
    named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": named})
    await send({"type": "http.response.body", "body": body})


class WebhookReceiver:
    """Serves an intake alone until it is stopped."""

    def __init__(self, intake: WebhookIntake, *, host: str, port: int) -> None:
        self._processors = sorted(intake.secrets)
        self._server = HttpServer(WebhookRoutes(intake), host=host, port=port)

    def stop(self) -> None:
        """Ask for a graceful end: what is being written down is answered first."""
        self._server.stop()

    async def run(self) -> None:
        """Serve until `stop`. Raises OSError where the address is taken."""
        log.info("receiver_starts", processors=self._processors)
        await self._server.run()
