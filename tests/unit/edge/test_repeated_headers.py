"""Of a header that decides who asks and what for there is one, or the request is refused: which of two counts is a guess."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from infra.edge.access.authentication import Authentication
from infra.edge.access.known_keys import KnownKeys
from infra.edge.access.limits import RateLimits
from infra.edge.api.guard import ONCE, Guard

GOOD = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"accept", b"*/*")]


async def answered(*headers: tuple[bytes, bytes]) -> tuple[int, Any]:
    """Return the status and the document that a request on loopback with these headers is answered with."""
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    limits = RateLimits(cast("Any", None), "", quota=0, window_seconds=60)
    guard = Guard(app, Authentication(KnownKeys(""), None, is_for_this_machine=True), limits, max_in_flight=1)
    head = {"type": "http", "scheme": "http", "method": "POST", "path": "/v1/orders", "client": ("127.0.0.1", 1)}
    await guard({**head, "headers": list(headers)}, receive, send)
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


@pytest.mark.parametrize("name", ONCE, ids=bytes.decode)
async def test_a_header_that_decides_comes_once(name: bytes) -> None:
    value = dict(GOOD).get(name, b"none")
    status, problem = await answered(*(each for each in GOOD if each[0] != name), (name, value), (name, value))
    assert status == 400
    assert problem["errors"] == [{"detail": "came more than once", "header": name.decode()}]


async def test_other_headers_may_be_repeated() -> None:
    assert (await answered(*GOOD))[0] == 204
    assert (await answered(*GOOD, (b"accept", b"text/html"), (b"cookie", b"a"), (b"cookie", b"b")))[0] == 204


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ((b"content-type", b"application/json; charset=UTF-8"), 204),
        ((b"content-type", b'application/json;charset="utf-8"'), 204),
        ((b"content-type", b"application/json; charset=utf-16"), 415),
        ((b"content-type", b"application/json; x=1; Charset=iso-8859-1"), 415),
        ((b"content-encoding", b"identity"), 204),
        ((b"content-encoding", b"gzip"), 415),
        ((b"transfer-encoding", b"Chunked"), 204),
        ((b"transfer-encoding", b"gzip, chunked"), 400),
    ],
)
async def test_a_body_is_taken_for_what_it_is_and_never_unpacked(header: tuple[bytes, bytes], status: int) -> None:
    assert (await answered(*(each for each in GOOD if each[0] != header[0]), header))[0] == status
