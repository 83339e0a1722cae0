"""Every query of every dashboard returns data from a real Prometheus that scrapes a system at work.

Prometheus is Debian's package; without it the test is skipped (`make tools` unpacks it).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from docs.tools.dashboard_panels import BOARDS
from infra.base.rooms import API, BOOKKEEPERS, CONSOLE, SYSTEM
from infra.base.settings import Settings
from infra.local.stack.ports import lasting_ports
from infra.local.targets import NAME, keep_targets
from tests.harness.programs import environment, find_program
from tests.harness.shop import Shop, in_miniature, open_shop, order

PROMETHEUS = find_program("prometheus")
INTERVAL = "15s"
"""In the place of $__rate_interval: some scrapes of a second each."""


@asynccontextmanager
async def prometheus(folder: Path, targets: Path) -> AsyncIterator[aiohttp.ClientSession]:
    [port] = lasting_ports(folder / "prometheus-port.json", ("prometheus",)).values()
    scraped = {"job_name": "lastunit", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}))
    command = [
        PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'series'}",
        "--enable-feature=exemplar-storage",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log, env=environment()
        )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def answer_of(client: aiohttp.ClientSession, expression: str) -> list[Any]:
    """Return the series of a query; Prometheus refuses one that is none."""
    query = expression.replace("$__rate_interval", INTERVAL).replace("$sku", "MUG")
    async with client.get("/api/v1/query", params={"query": query}) as answer:
        document = await answer.json()
    assert document["status"] == "success", (query, document)
    series: list[Any] = document["data"]["result"]
    return series


async def traces_in(client: aiohttp.ClientSession, metric: str) -> set[str]:
    """Return the traces that Prometheus has exemplars of, of the buckets of a histogram."""
    now = time.time()
    span: dict[str, str | float] = {"query": f"{metric}_bucket", "start": now - 3_600, "end": now + 60}
    async with client.get("/api/v1/query_exemplars", params=span) as answer:
        document = await answer.json()
    return {exemplar["labels"]["trace_id"] for series in document["data"] for exemplar in series["exemplars"]}


async def is_up(client: aiohttp.ClientSession) -> bool:
    try:
        async with client.get("/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest.mark.skipif(not PROMETHEUS, reason="there is no prometheus; `make tools` unpacks it")
@pytest.mark.release
async def test_every_query_returns_data_workers_are_distinguished_and_histograms_name_traces(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")  # a collector that is away stops nobody
    async with open_shop(in_miniature(settings, state_dir=tmp_path), tmp_path, api=True) as shop:
        await shop.supervisor.start_all()
        keeping = asyncio.create_task(keep_targets(shop.supervisor.settings))
        try:
            async with prometheus(tmp_path, tmp_path / NAME) as client:
                await shop.until(lambda: is_up(client))
                await _see_all(shop, client)
        finally:
            keeping.cancel()
        listed = json.loads((tmp_path / NAME).read_text(encoding="utf-8"))
        assert {target["labels"]["process"] for target in listed} >= {"system", *SYSTEM, API, CONSOLE}


async def _see_all(shop: Shop, client: aiohttp.ClientSession) -> None:
    queries = {query.expression for board in BOARDS.values() for panel in board.panels for query in panel.queries}
    missing = {
        *queries,
        'lastunit_http_request_seconds_count{application="api", route="/v1/stock/{sku}", status="200"}',
    }
    await shop.receive(MUG=1_000)

    async def all_answer() -> bool:
        await shop.place(order(("MUG", 1)), order(("MUG", 1), token="tok_3ds"))
        await _ask_the_api(shop)
        for expression in sorted(missing):
            if await answer_of(client, expression):
                missing.discard(expression)
        await asyncio.sleep(0.5)
        return not missing

    try:
        await shop.until(all_answer)
    except TimeoutError:
        raise AssertionError(sorted(missing)) from None
    rooms = await answer_of(client, "lastunit_room_records_total")
    assert {(series["metric"]["process"], series["metric"]["room"]) for series in rooms} >= {
        (name, name) for name in BOOKKEEPERS
    }
    assert all(series["metric"]["worker"].isdigit() for series in rooms)
    await shop.until(lambda: traces_in(client, "lastunit_http_request_seconds"))
    assert await answer_of(client, "lastunit_no_such_metric") == []  # what a query of a wrong name would return


async def _ask_the_api(shop: Shop) -> None:
    address = f"http://127.0.0.1:{shop.supervisor.settings.api_port}"
    async with aiohttp.ClientSession(address) as api:
        try:
            async with api.get("/v1/stock/MUG"):
                pass
        except aiohttp.ClientError:
            return  # it starts still
