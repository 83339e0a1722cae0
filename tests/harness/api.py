"""The HTTP API of a test's shop, in this process, and how a client speaks to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import asyncpg

from consumers.views.room import OrderViews, ViewsOptions
from infra.base.settings import Settings
from infra.edge.access.key_rows import create_key
from infra.edge.access.scopes import SCOPES
from infra.edge.api.options import ApiOptions
from infra.edge.api.process import ApiProcess
from infra.edge.receiver import WebhookIntake
from producers.publisher import Publisher
from tests.harness.shop import Shop
from tests.harness.waiting import PATIENCE_SECONDS

ATTEMPTS = 10


class Answer(NamedTuple):
    """What came back: status, headers (names in lower case) and the JSON document, None where there is none."""

    status: int
    headers: dict[str, str]
    document: Any


class Client:
    """A program that speaks JSON with one API process."""

    def __init__(self, session: aiohttp.ClientSession, address: str, key: str = "") -> None:
        self._session = session
        self.address = address
        self.is_patient = True
        self.shown = {"Authorization": f"Bearer {key}"} if key else {}

    def with_key(self, key: str) -> Client:
        """Return one that shows a key or a token."""
        return Client(self._session, self.address, key)

    async def get(self, path: str, **headers: str) -> Answer:
        async with self._session.get(self.address + path, headers=self.shown | _named(headers)) as answer:
            return await _read(answer)

    async def post(self, path: str, body: Any, *, key: str | None = "", **headers: str) -> Answer:
        """Post JSON; with a new Idempotency-Key, or the given one, or (None) without any.

        A patient client (as each is at first) sends it again where it is asked to come again, as on a machine that is short of time.
        """
        sent = {"Content-Type": "application/json"} | self.shown
        if key is not None:
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for attempt in range(ATTEMPTS):
            async with self._session.post(self.address + path, data=data, headers=sent | _named(headers)) as response:
                answer = await _read(response)
            if not self.is_patient or answer.status != 503 or attempt == ATTEMPTS - 1:
                break
            await asyncio.sleep(int(answer.headers["retry-after"]))
        return answer

    @asynccontextmanager
    async def events(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[tuple[str, Mapping[str, Any]]]]:
        """Follow a stream of events: (id, data) of each."""
        async with self._session.get(self.address + path, headers=self.shown | _named(headers)) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream"), await answer.text()
            yield _events(answer)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


async def _read(answer: aiohttp.ClientResponse) -> Answer:
    body = await answer.read()
    document = json.loads(body) if "json" in answer.headers.get("content-type", "") else None
    return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, document)


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    event_id = ""
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("id: "):
            event_id = line[4:]
        elif line.startswith("data: "):
            yield event_id, json.loads(line[6:])


def order_body(*lines: tuple[str, int], **changes: Any) -> dict[str, Any]:
    """Return the body of an order of (SKU, quantity) lines at 5.00 a unit."""
    wanted = [{"sku": sku, "quantity": quantity, "unit_price_minor": 500} for sku, quantity in lines]
    return {"customer_id": "customer-1", "currency": "GBP", "payment_token": "tok_ok", "lines": wanted, **changes}


def api_options(settings: Settings, **changes: Any) -> ApiOptions:
    named: dict[str, Any] = {
        name: getattr(settings, name) or "" for name in ("kafka_bootstrap", "postgres_dsn", "redis_url")
    }
    return ApiOptions(**named, namespace=settings.namespace, **changes)


@asynccontextmanager
async def serving_api(
    settings: Settings, *, intake: Callable[[Publisher], WebhookIntake] | None = None, **changes: Any
) -> AsyncIterator[tuple[ApiProcess, Client]]:
    """Serve the API for the length of the block."""
    process = ApiProcess(api_options(settings, **changes), intake=intake)
    running = asyncio.create_task(process.run())
    listening = asyncio.create_task(process.listening.wait())
    await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_SECONDS)
    if running.done():
        await running
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield process, Client(session, process.address)
    finally:
        process.stop()
        await asyncio.wait_for(running, PATIENCE_SECONDS)


@asynccontextmanager
async def keyed_api(settings: Settings, **changes: Any) -> AsyncIterator[tuple[ApiProcess, Client]]:
    """Serve the API for the length of the block, for a client that has a key to everything."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        made = await create_key(connection, "test", list(SCOPES), None)
    finally:
        await connection.close()
    async with serving_api(settings, **changes) as (process, client):
        yield process, client.with_key(made.key)


@asynccontextmanager
async def with_views(shop: Shop, *rooms: str) -> AsyncIterator[None]:
    """Run rooms and the views in this process."""
    settings = shop.settings
    views = OrderViews(
        ViewsOptions(
            kafka_bootstrap=settings.kafka_bootstrap or "",
            redis_url=settings.redis_url or "",
            postgres_dsn=settings.postgres_dsn,
            namespace=settings.namespace,
        )
    )
    async with AsyncExitStack() as open_ones:
        task = asyncio.create_task(views.run())

        async def stopped() -> None:
            views.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, PATIENCE_SECONDS)

        open_ones.push_async_callback(stopped)
        await open_ones.enter_async_context(shop.running(*rooms))
        yield
