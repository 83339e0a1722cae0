"""Webhooks from a payment processor over HTTP: what is taken is on the log, what is not is named, and nothing is a 500."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest_asyncio
from standardwebhooks import Webhook

from infra.base.rooms import RECEIVER
from infra.base.settings import Settings
from infra.edge.receiver import WebhookIntake
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from schemas.messages import RecordPaymentResult
from tests.harness.api import serving_api
from tests.harness.shop import Shop, in_miniature, open_shop
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

A = new_order_id()


class Receiver(NamedTuple):
    """The receiver as a process of its own, spoken to over HTTP only."""

    shop: Shop
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        settings = self.shop.supervisor.settings
        return f"http://{settings.receiver_host}:{settings.receiver_port}/webhooks/payments/simulated"

    def signed(self, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        signature = Webhook(self.shop.supervisor.settings.processor_webhook_secret or "").sign(
            "evt_1", now, body.decode(errors="replace")
        )
        return {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }

    async def post(self, body: Any, url: str = "", **headers: str) -> tuple[int, Any]:
        """Return status and document of the answer to a rightly signed webhook."""
        signature = self.signed(body) if isinstance(body, bytes) else {}
        async with self.session.post(url or self.url, data=body, headers={**signature, **headers}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def listens(self) -> bool:
        try:
            async with self.session.get(self.url):
                return True
        except aiohttp.ClientConnectionError:
            return False


@pytest_asyncio.fixture
async def receiver(settings: Settings, tmp_path: Path) -> AsyncIterator[Receiver]:
    async with open_shop(in_miniature(settings), tmp_path, webhooks=True) as shop, aiohttp.ClientSession() as session:
        await shop.supervisor.start(RECEIVER)
        served = Receiver(shop, session)
        await shop.until(served.listens)
        yield served


def outcome(**changes: Any) -> bytes:
    usual = {"operation_id": f"{A}:authorize", "order_id": A, "kind": "authorize", "status": "requires_action"}
    return json.dumps({**usual, "authorization_id": "auth_1", **changes}).encode()


async def test_what_is_beyond_our_limits_is_a_bad_request_and_a_long_address_is_taken(receiver: Receiver) -> None:
    address = "https://bank.example/3ds?return=".ljust(8_192, "x")
    for nonsense in (
        {"expires_at_ms": 10**30},
        {"operation_id": "x" * 5_000},
        {"operation_id": "a\0b"},
        {"action_url": address + "x"},
    ):
        status, problem = await receiver.post(outcome(**nonsense))
        assert (status, problem["status"]) == (400, 400), nonsense
    assert await receiver.post(outcome(action_url=address)) == (
        200,
        {"taken": True, "order_id": A},
    )
    records = [record for topic in (ORDER_COMMANDS, ORDER_EVENTS) for record in await receiver.shop.records(topic)]
    [taken] = [
        message
        for message in map(decode, (record.value for record in records))
        if isinstance(message, RecordPaymentResult)
    ]
    assert taken.action_url == address
    assert receiver.shop.supervisor.restarts(RECEIVER) == 0


async def test_a_stranger_and_a_large_body_are_refused_also_one_that_comes_in_chunks(receiver: Receiver) -> None:
    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1_000):
            yield body[at : at + 1_000]

    large = b"x" * 300 * 1024
    for body in (large, chunks(large)):
        status, problem = await receiver.post(body)
        assert (status, problem["title"]) == (413, "The message is too large")
    status, _ = await receiver.post(chunks(outcome(action_url="x" * 8_000)), **receiver.signed(outcome()))
    assert status == 401
    status, _ = await receiver.post(chunks(outcome()), **receiver.signed(outcome()))
    assert status == 200
    async with receiver.session.get(receiver.url) as answer:
        assert answer.status == 405
    async with receiver.session.post(receiver.url + "/else") as answer:
        assert answer.status == 404


async def test_the_api_takes_webhooks_too_and_only_signed_ones(receiver: Receiver) -> None:
    settings = receiver.shop.supervisor.settings
    secrets = {"simulated": settings.processor_webhook_secret or ""}
    async with serving_api(settings, intake=lambda publisher: WebhookIntake(publisher, secrets)) as (_, client):
        url = f"{client.address}/webhooks/payments/simulated"
        assert await receiver.post(outcome(), url) == (200, {"taken": True, "order_id": A})
        assert (await receiver.post(outcome(), url, **{"webhook-id": "evt_2"}))[0] == 401
        assert (await receiver.post(b"x" * 300 * 1024, url))[0] == 413
        assert (await client.post("/v1/orders", b"{}", Content_Type="text/plain")).status == 415
