"""The console of a shop at work: what it shows, within two seconds of what happens, and what Prometheus scrapes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from infra.base.errors import SettingsError
from infra.base.settings import Settings
from infra.edge.console.process import ConsoleProcess
from infra.local.targets import write_targets
from tests.harness.shop import Shop, in_miniature, open_shop, order


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, state_dir=tmp_path), tmp_path) as opened:
        yield opened


@asynccontextmanager
async def console_of(shop: Shop) -> AsyncIterator[ConsoleProcess]:
    process = ConsoleProcess(shop.settings)
    running = asyncio.create_task(process.run())
    try:
        await asyncio.wait_for(process.listening.wait(), 30)
        yield process
    finally:
        process.stop()
        await asyncio.wait_for(running, 30)


async def test_the_console_follows_the_shop_and_prometheus_can_read_it(shop: Shop) -> None:
    await shop.receive(MUG=1)
    async with (
        console_of(shop) as console,
        aiohttp.ClientSession(console.address) as browser,
        shop.running("inventory", "orders"),
    ):

        async def is_ready() -> bool:
            async with browser.get("/readyz") as answer:
                return answer.status == 200

        await shop.until(is_ready)
        await shop.place(order(("MUG", 1)), order(("MUG", 1)))

        async def shows_it() -> bool:
            async with browser.get("/") as answer:
                page = await answer.text()
            return '<th scope="row">MUG</th><td class="n">2</td><td class="n">1</td><td class="n">1</td>' in page

        await shop.until(shows_it)
        async with browser.get("/metrics") as answer:
            parsed: Any = text_string_to_metric_families(await answer.text())  # type: ignore[no-untyped-call]
        families = {it.name: it for it in parsed}
        assert families["kafka_lag_exporter_up"].samples[0].value == 1
        waiting = {(it.labels["axis"], it.labels["state"]): it.value for it in families["lastunit_waiting"].samples}
        assert waiting["order", "reserved"] == 1
        groups = {it.labels["group"].rpartition(".")[2] for it in families["kafka_consumergroup_group_lag"].samples}
        assert groups >= {"inventory", "orders"}
        async with browser.get("/events") as stream:
            assert (await stream.content.readline()) == b"event: overview\n"


async def test_a_page_of_another_name_cannot_be_read_through_the_browser(shop: Shop) -> None:
    async with console_of(shop) as console, aiohttp.ClientSession(console.address) as browser:
        async with browser.get("/status.json", headers={"Host": "evil.example:80"}) as answer:
            assert answer.status == 403
        async with browser.get("/livez") as answer:
            assert (answer.status, "default-src 'none'" in answer.headers["Content-Security-Policy"]) == (200, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "console.example"])  # noqa: S104  that is refused
def test_a_console_without_a_login_listens_on_loopback_only(settings: Settings, host: str) -> None:
    with pytest.raises(SettingsError, match="has no login"):
        ConsoleProcess(settings.model_copy(update={"console_host": host}))


def test_prometheus_gets_the_console_as_its_target(settings: Settings, tmp_path: Path) -> None:
    here = settings.model_copy(update={"state_dir": tmp_path, "console_port": 4711})
    assert '"127.0.0.1:4711"' in write_targets(here).read_text()
    assert os.access(write_targets(here.model_copy(update={"console_port": 0})), os.R_OK)
