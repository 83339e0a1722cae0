"""Traces from an HTTP request through the log to an order's last event, as an OTLP collector gets them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.base.settings import Settings
from infra.local.stack.ports import lasting_ports
from infra.local.supervisor import PROCESSOR
from infra.local.targets import write_targets
from schemas.codec.wire import message_type
from schemas.messages import OrderPaid, PlaceOrderLine
from tests.harness.api import order_body
from tests.harness.shop import Shop, in_miniature, open_shop
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


class Collector:
    """Takes spans as OTLP over HTTP: (trace id, name) of each."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str]] = []
        self.address = ""

    async def take(self, request: web.Request) -> web.Response:
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            for scope in resource.scope_spans:
                self.spans += [(span.trace_id.hex(), span.name) for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/v1/traces", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()


async def placed(shop: Shop, traceparent: str) -> str:
    """Place an order over HTTP as soon as the API listens; return named id."""
    url = f"http://127.0.0.1:{shop.settings.api_port}/v1/orders"

    async def answer() -> str | None:
        try:
            headers = {"Idempotency-Key": traceparent, "traceparent": traceparent}
            async with session.post(url, json=order_body(("MUG", 1)), headers=headers) as response:
                return (await response.json())["order_id"] if response.status == 202 else None
        except aiohttp.ClientConnectionError:
            return None

    async with aiohttp.ClientSession() as session:
        return await shop.until(answer)


async def trace_ids(shop: Shop, order_id: str) -> dict[str, str] | None:
    """Return the trace id of each record of the order by named message's name, once the order is paid."""
    records = [record for record in await shop.records(ORDER_EVENTS) if record.key == order_id.encode()]
    if all(message_type(record.value) is not OrderPaid for record in records):
        return None
    records += [
        record for record in await shop.records(INVENTORY_COMMANDS) if message_type(record.value) is PlaceOrderLine
    ]
    headers = [(message_type(record.value).__name__, dict(record.headers)) for record in records]
    return {name: (named.get("traceparent") or b"").decode()[3:35] for name, named in headers}


async def metrics_with_exemplars(shop: Shop) -> set[tuple[str, str]]:
    """Return the process and the metric of each exemplar of the trace that Prometheus would get."""
    series = set()
    listed = json.loads(write_targets(shop.supervisor.settings).read_text(encoding="utf-8"))
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for target in listed:
            async with session.get(f"http://{target['targets'][0]}/metrics") as answer:
                text = await answer.text()
            lines = [line for line in text.splitlines() if f'# {{trace_id="{TRACE_ID}"}}' in line]
            series |= {(target["labels"]["process"], line.partition("_bucket{")[0]) for line in lines}
    return series


@pytest.mark.parametrize("is_on", [True, pytest.param(False, marks=pytest.mark.release)])
async def test_every_record_of_an_order_belongs_to_the_trace_of_its_request_where_traces_are_exported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_on: bool
) -> None:
    collector = Collector()
    async with collector.listening():
        if is_on:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
            monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        port = lasting_ports(tmp_path / "ports", ("api",))["api"]
        async with open_shop(in_miniature(settings, api_port=port), tmp_path / "shop") as shop:
            await shop.receive(MUG=1)
            for name in (PROCESSOR, "inventory", "saga", "api"):
                await shop.supervisor.start(name)
            order_id = await placed(shop, TRACEPARENT)
            by_message = await shop.until(lambda: trace_ids(shop, order_id))
            assert {
                "PlaceOrderLine",
                "LineReserved",
                "OrderReserved",
                "PaymentAuthorized",
                "OrderPaid",
            } <= by_message.keys()
            assert set(by_message.values()) == {TRACE_ID if is_on else ""}, by_message
            wanted = {"POST /v1/orders", "inventory PlaceOrderLine", "orders LineReserved", "payments OrderReserved"}
            if is_on:
                await shop.until(lambda: wanted <= {name for trace_id, name in collector.spans if trace_id == TRACE_ID})
                assert await metrics_with_exemplars(shop) == {
                    ("api", "lastunit_http_request_seconds"),
                    ("inventory", "lastunit_room_delay_seconds"),
                    ("inventory", "lastunit_batch_commit_seconds"),
                    ("saga", "lastunit_room_delay_seconds"),
                    ("saga", "lastunit_batch_commit_seconds"),
                }
            else:
                assert not await metrics_with_exemplars(shop)
    assert bool(collector.spans) is is_on
