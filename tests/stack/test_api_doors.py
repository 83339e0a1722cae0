"""What does not get through the API's door: pages of other origins, other names, large and slow requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from infra.base.settings import Settings
from infra.edge import server
from infra.edge.api.guard import MAX_BODY_BYTES
from tests.harness.api import Client, order_body, serving_api
from tests.harness.shop import in_miniature
from tests.harness.tables import give_tables
from topology import admin

ORDER = order_body(("MUG", 1))


@pytest_asyncio.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    small = in_miniature(settings)
    await admin.apply(
        small.kafka_bootstrap or "", namespace=small.namespace, partitions=1, expected_cluster_id=small.cluster_id
    )
    await give_tables(small.postgres_dsn or "")
    async with serving_api(small) as (_, opened):
        yield opened


async def raw(client: Client, *parts: bytes, seconds: float = 10.0) -> bytes:
    """Send bytes on a connection of their own and return all that comes back until it is closed."""
    host, _, port = client.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for part in parts:
        writer.write(part)
    async with asyncio.timeout(seconds):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_page_of_another_origin_cannot_post(client: Client) -> None:
    for headers in (
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
    ):
        refused = await client.post("/v1/orders", ORDER, **headers)
        assert refused.status in (403, 415, 421), headers
        assert refused.document["status"] == refused.status
    assert (await client.post("/v1/orders", ORDER, Origin=client.address, Sec_Fetch_Site="same-origin")).status == 202


async def test_a_page_is_not_allowed_to_ask_for_more(client: Client) -> None:
    preflight = await raw(
        client,
        b"OPTIONS /v1/orders HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n"
        b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\nConnection: close\r\n\r\n",
    )
    assert b"access-control-allow" not in preflight.lower()


async def test_a_large_body_is_cut_off_announced_or_not(client: Client) -> None:
    head = b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunk = b"%x\r\n" % 65_536 + b" " * 65_536 + b"\r\n"
    for parts in (
        [head + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)],
        [head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 17],
    ):
        answer = await raw(client, *parts)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"body-too-large" in answer


async def test_a_slow_or_endless_request_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    head = b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for slow in (b"", b"POST /v1", head, head + b"Content-Length: 10\r\n\r\n{"):
        assert (await raw(client, slow)).startswith(b"HTTP/1.1 408 ")
    endless = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (server.MAX_HEAD_BYTES + 1)
    assert (await raw(client, endless)).startswith(b"HTTP/1.1 431 ")
    assert (await client.post("/v1/orders", ORDER)).status == 202


async def test_what_is_wrong_is_named_and_nothing_is_published(client: Client) -> None:
    body: Any = {"customer_id": "", "lines": [{"sku": "MUG", "quantity": 0, "unit_price_minor": 1}]}
    refused = await client.post("/v1/orders", body)
    assert refused.status == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert {fault["pointer"] for fault in refused.document["errors"]} == {
        "/customer_id",
        "/currency",
        "/payment_token",
        "/lines/0/quantity",
    }
    assert (await client.post("/v1/orders", ORDER, key=None)).document["errors"][0]["header"] == "Idempotency-Key"
    assert (await client.post("/v1/orders", b"[" * 100_000)).status == 400
    assert (await client.post("/v1/orders/no-id/cancel", {})).status == 404
    assert (await client.post("/v1/stock/%ff/receipts", {"quantity": 1})).status == 400
    assert (await client.get("/v1/stock/MUG/receipts")).status == 405
    listed = await client.get("/v1/orders?limit=0&state=x&from=yesterday&cursor=a&colour=red&customer=")
    assert listed.status == 400
    assert {fault["parameter"] for fault in listed.document["errors"]} == {
        *("limit", "state", "from", "cursor", "colour", "customer"),
    }
    assert (await client.get("/nowhere")).document["type"] == "/docs#not-found"
    assert (await client.get("/v1/events", Last_Event_ID="x")).status == 400
    assert json.dumps(refused.document).count("MUG") == 0


async def test_the_page_needs_nothing_from_elsewhere(client: Client) -> None:
    answer = await raw(client, b"GET /docs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    page = answer.decode()
    assert page.startswith("HTTP/1.1 200")
    assert "<script" not in page
    assert "style-src 'self'" in page
    assert "placeOrder" in page
    assert "//" not in page.replace("http://localhost", "").partition("<html")[2].replace("</", "")
