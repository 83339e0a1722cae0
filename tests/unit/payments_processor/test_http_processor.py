"""How the HTTP adapter sorts what our own processor never says: proxies' pages, nonsense, bare server errors."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from aiohttp import web

from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError, ProcessorError
from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import OperationKind, ProcessorResult
from tests.unit.payments_processor.fakes import operation

SECRET = "tok_4242424242424242"


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: dict[str, str] | None = None


class Script:
    """A server that says what it is told to."""

    def __init__(self) -> None:
        self.answer = Answer(200)
        self.paths: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.paths.append(f"{request.method} {request.raw_path}")
        return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)


@pytest.fixture
async def script() -> AsyncIterator[tuple[Script, HttpProcessor]]:
    script = Script()
    runner = web.ServerRunner(web.Server(script.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    processor = HttpProcessor(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    yield script, processor
    await processor.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500), OutcomeUnknownError),
        (Answer(502, b"<html>Bad Gateway</html>"), OutcomeUnknownError),
        (Answer(503), OutcomeUnknownError),
        (Answer(503, headers={"Retry-After": "soon"}), OutcomeUnknownError),
        (Answer(503, headers={"Retry-After": "3"}), NotSentError),
        (Answer(429), NotSentError),
        (Answer(200, b"<html>Welcome</html>"), OutcomeUnknownError),
        (Answer(200, b'{"kind":"authorize"}'), OutcomeUnknownError),
        (Answer(200, b'{"kind":"capture","status":"pending","authorization_id":"","code":""}'), OutcomeUnknownError),
        (Answer(409, b'{"code":"key_in_flight"}'), OutcomeUnknownError),
        (Answer(422, b'{"code":"key_reused"}'), NotUnderstoodError),
        (Answer(401, b'{"code":"unauthorized"}'), NotUnderstoodError),
        (Answer(404, b'{"code":"route_unknown"}'), NotUnderstoodError),
        (Answer(404, b"<html>Not Found</html>"), NotUnderstoodError),
        (Answer(302, b"", {"Location": "/elsewhere"}), NotUnderstoodError),
    ],
)
async def test_whatever_is_no_definite_answer_is_an_error_for_both_calls(
    script: tuple[Script, HttpProcessor], answer: Answer, error: type[ProcessorError]
) -> None:
    server, processor = script
    server.answer = answer
    with pytest.raises(error):
        await processor.perform(operation("a"))
    with pytest.raises(error):
        await processor.look_up(operation("a"))


async def test_the_wait_that_a_busy_processor_asks_for_is_passed_on(script: tuple[Script, HttpProcessor]) -> None:
    server, processor = script
    server.answer = Answer(503, headers={"Retry-After": "3"})
    with pytest.raises(NotSentError) as caught:
        await processor.perform(operation("a"))
    assert caught.value.retry_after_seconds == 3.0


@pytest.mark.parametrize(
    ("kind", "status", "code", "verdict"),
    [
        (OperationKind.AUTHORIZE, 402, "card_declined", "declined"),
        (OperationKind.AUTHORIZE, 400, "invalid_request", "declined"),
        (OperationKind.CAPTURE, 402, "capture_failed", "failed"),
        (OperationKind.CAPTURE, 404, "authorization_unknown", "failed"),
        (OperationKind.VOID, 409, "already_captured", "failed"),
        (OperationKind.REFUND, 409, "amount_exceeds_captured", "failed"),
    ],
)
async def test_a_definite_no_is_a_result(
    script: tuple[Script, HttpProcessor], kind: OperationKind, status: int, code: str, verdict: str
) -> None:
    server, processor = script
    server.answer = Answer(status, b'{"code":"%s"}' % code.encode())
    authorization_id = "" if kind is OperationKind.AUTHORIZE else "auth_1"
    answered = await processor.perform(operation("a", kind, authorization_id=authorization_id))
    assert (answered.result, answered.authorization_id, answered.reason) == (verdict, authorization_id, code)


async def test_only_the_processors_own_words_say_that_it_never_saw_an_operation(
    script: tuple[Script, HttpProcessor],
) -> None:
    server, processor = script
    server.answer = Answer(404, b'{"code":"operation_unknown"}')
    assert await processor.look_up(operation("a/b c")) is None
    assert server.paths == ["GET /v1/operations/a%2Fb%20c"]


async def test_a_looked_up_refusal_is_the_refusal_that_got_lost(script: tuple[Script, HttpProcessor]) -> None:
    server, processor = script
    server.answer = Answer(
        200, b'{"kind":"authorize","status":"refused","authorization_id":"","code":"card_declined","extra":1}'
    )
    assert await processor.look_up(operation("a")) == ProcessorResult("declined", "", "card_declined")


async def test_a_customer_to_be_asked_is_neither_yes_nor_no(script: tuple[Script, HttpProcessor]) -> None:
    server, processor = script
    server.answer = Answer(
        200,
        b'{"kind":"authorize","status":"requires_action","authorization_id":"auth_1","code":"",'
        b'"action_url":"https://bank.example/1"}',
    )
    expected = ProcessorResult("requires_action", "auth_1", "", "https://bank.example/1")
    assert await processor.perform(operation("a")) == expected
    assert await processor.look_up(operation("a")) == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500), OutcomeUnknownError),
        (Answer(503, headers={"Retry-After": "3"}), NotSentError),
        (Answer(200, b"<html>Welcome</html>"), NotUnderstoodError),
        (Answer(400, b'{"code":"invalid_request"}'), NotUnderstoodError),
    ],
)
async def test_books_that_cannot_be_read_are_no_empty_books(
    script: tuple[Script, HttpProcessor], answer: Answer, error: type[ProcessorError]
) -> None:
    server, processor = script
    server.answer = answer
    with pytest.raises(error):
        _ = [payment async for payment in processor.payments(0)]


async def test_nobody_listening_means_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused and nobody else gets the port
        processor = HttpProcessor(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(NotSentError):
            await processor.perform(operation("a"))
        with pytest.raises(NotSentError):
            await processor.look_up(operation("a"))
        await processor.close()


async def test_no_error_and_no_representation_shows_the_token(script: tuple[Script, HttpProcessor]) -> None:
    server, processor = script
    asked = operation("a", payment_token=SECRET)
    assert SECRET not in repr(asked)
    for answer in (Answer(500), Answer(429), Answer(422, b'{"code":"key_reused"}'), Answer(200, b"?")):
        server.answer = answer
        with pytest.raises(ProcessorError) as caught:
            await processor.perform(asked)
        error: BaseException | None = caught.value
        while error is not None:
            assert SECRET not in repr(error)
            error = error.__cause__
