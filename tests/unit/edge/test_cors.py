"""Pages of other origins: none may command anything, but those of origins that the operator names, and these only with JSON."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import pytest

from infra.edge.access.authentication import Authentication
from infra.edge.access.known_keys import KnownKeys
from infra.edge.access.limits import RateLimits
from infra.edge.api.cors import Cors
from infra.edge.api.guard import Guard

SHOP, OTHER = b"https://shop.example", b"https://evil.example"
PREFLIGHT = {
    b"access-control-request-method": b"POST",
    b"access-control-request-headers": b"content-type,idempotency-key",
}


class CorsAnswer(NamedTuple):
    status: int
    allowed: dict[bytes, bytes]
    """The headers of the CORS protocol."""
    reached: bool
    """Whether the request came to the routes."""


async def asked(method: str, origin: bytes, *named: bytes, **headers: bytes) -> CorsAnswer:
    """Return how a page's request is answered on loopback, where nobody shows a key, with these origins named."""
    sent: list[dict[str, Any]] = []
    reached = False

    async def routes(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal reached
        reached = True
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    origins = [each.decode() for each in named]
    limits = RateLimits(cast("Any", None), "", quota=0, window_seconds=60)
    authentication = Authentication(KnownKeys(""), None, is_for_this_machine=True)
    guard = Guard(routes, authentication, limits, max_in_flight=1, origins=origins)
    app: Any = Cors(guard, origins) if origins else guard
    given = {b"host": b"127.0.0.1", b"origin": origin, b"sec-fetch-site": b"cross-site"}
    given |= {name.replace("_", "-").encode(): value for name, value in headers.items()}
    head = {"type": "http", "scheme": "http", "path": "/v1/orders", "client": ("127.0.0.1", 1)}
    await app({**head, "method": method, "headers": list(given.items())}, receive, send)
    cors = {name: value for name, value in sent[0]["headers"] if name.startswith(b"access-control-")}
    return CorsAnswer(sent[0]["status"], cors, reached)


def preflight(*named: bytes, origin: bytes = SHOP) -> Any:
    request = {name.decode().replace("-", "_"): value for name, value in PREFLIGHT.items()}
    return asked("OPTIONS", origin, *named, **request)


async def test_a_preflight_gets_no_leave_unless_its_origin_is_named() -> None:
    assert (await preflight()).allowed == {}
    assert b"access-control-allow-origin" not in (await preflight(SHOP, origin=OTHER)).allowed
    assert b"access-control-allow-origin" not in (await preflight(SHOP, origin=b"null")).allowed
    leave = await preflight(SHOP)
    assert leave.status == 204
    assert not leave.reached
    assert leave.allowed[b"access-control-allow-origin"] == SHOP
    assert leave.allowed[b"access-control-allow-methods"] == b"GET, POST"
    assert {b"idempotency-key", b"content-type", b"authorization"} <= {
        *leave.allowed[b"access-control-allow-headers"].lower().split(b", ")
    }


@pytest.mark.parametrize("media", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"])
@pytest.mark.parametrize("named", [(), (SHOP,)])
async def test_what_a_page_may_send_unasked_places_nothing(media: bytes, named: tuple[bytes, ...]) -> None:
    for origin in (SHOP, OTHER, b"null"):
        answer = await asked("POST", origin, *named, content_type=media)
        assert answer.status in (403, 415)
        assert not answer.reached


async def test_a_page_of_a_named_origin_commands_and_reads_the_answer_and_no_other_does() -> None:
    answer = await asked("POST", SHOP, SHOP, content_type=b"application/json")
    assert (answer.status, answer.reached, answer.allowed[b"access-control-allow-origin"]) == (202, True, SHOP)
    assert b"access-control-allow-credentials" not in answer.allowed
    for origin in (OTHER, b"null", b"https://shop.example.evil.example", b"http://shop.example", b"http://[", b""):
        refused = await asked("POST", origin, SHOP, content_type=b"application/json")
        assert (refused.status, refused.reached) == (403, False), origin
        assert b"access-control-allow-origin" not in refused.allowed
    assert (await asked("POST", SHOP, content_type=b"application/json")).status == 403


async def test_a_page_of_a_named_origin_can_read_why_it_is_refused() -> None:
    answer = await asked("POST", SHOP, SHOP, content_type=b"text/html")
    assert (answer.status, answer.allowed[b"access-control-allow-origin"]) == (415, SHOP)
