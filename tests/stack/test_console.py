"""The console of a shop at work: what it shows, who may do what by it, and what Prometheus scrapes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from infra.base.connections import database
from infra.base.errors import SettingsError
from infra.base.settings import Settings
from infra.edge.access.key_rows import create_key, revoke_key
from infra.edge.console.gate import COOKIE
from infra.edge.console.process import ConsoleProcess
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.api import with_views
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.waiting import until
from topology.topics import INVENTORY_COMMANDS, OPERATOR_ACTIONS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, state_dir=tmp_path), tmp_path) as opened:
        yield opened


@asynccontextmanager
async def console_of(shop: Shop, **changes: Any) -> AsyncIterator[ConsoleProcess]:
    process = ConsoleProcess(shop.settings.model_copy(update=changes))
    running = asyncio.create_task(process.run())
    try:
        listening = asyncio.create_task(process.listening.wait())
        await asyncio.wait({running, listening}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        if not process.listening.is_set():
            listening.cancel()
            await running
        yield process
    finally:
        process.stop()
        await asyncio.wait_for(running, 30)


async def key(shop: Shop, *scopes: str) -> tuple[str, str]:
    """Return a new key, and its id."""
    async with database(shop.settings) as connection:
        made = await create_key(connection, "ann", scopes, None)
    return made.key, made.row.key_id


def browser_of(console: ConsoleProcess) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(console.address, cookie_jar=aiohttp.CookieJar(unsafe=True))


async def token_in(browser: aiohttp.ClientSession, path: str) -> str:
    """Return the session's token, as a form on a page has it."""
    async with browser.get(path) as answer:
        match = re.search(r'name="token" value="([^"]+)"', await answer.text())
    assert match is not None, answer.status
    return match[1]


async def test_the_console_follows_the_shop_and_prometheus_can_read_it(shop: Shop) -> None:
    await shop.receive(MUG=1)
    async with console_of(shop) as console, browser_of(console) as browser, shop.running("inventory", "orders"):

        async def is_ready() -> bool:
            async with browser.get("/readyz") as answer:
                return answer.status == 200

        await shop.until(is_ready)
        await shop.place(order(("MUG", 1)), order(("MUG", 1)))

        async def shows_it() -> bool:
            async with browser.get("/") as answer:
                page = await answer.text()
            return 'MUG</a></th><td class="n">2</td><td class="n">1</td><td class="n">1</td>' in page

        await shop.until(shows_it)

        async def scraped() -> dict[str, Any]:
            async with browser.get("/metrics") as answer:
                parsed: Any = text_string_to_metric_families(await answer.text())  # type: ignore[no-untyped-call]
            by_name = {family.name: family for family in parsed}
            waiting = {
                (sample.labels["axis"], sample.labels["state"]): sample.value
                for sample in by_name["lastunit_waiting"].samples
            }
            return by_name if waiting.get(("order", "reserved")) == 1 else {}

        families = await shop.until(scraped)
        assert families["kafka_lag_exporter_up"].samples[0].value == 1
        groups = {
            sample.labels["group"].rpartition(".")[2] for sample in families["kafka_consumergroup_group_lag"].samples
        }
        assert groups >= {"inventory", "orders"}
        async with browser.get("/events") as stream:
            assert (await stream.content.readline()) == b"event: live\n"


async def test_an_order_a_sku_and_a_customer_are_found_and_shown(shop: Shop) -> None:
    first, second = order(("MUG", 1)), order(("MUG", 1), ("A/B", 1))
    await shop.receive(**{"MUG": 1, "A/B": 3})
    async with (
        console_of(shop) as console,
        browser_of(console) as browser,
        with_views(shop, "inventory", "orders"),
    ):
        await shop.place(first)
        await shop.until_quiet("inventory", "orders")
        await shop.place(second)

        async def is_found() -> bool:
            async with browser.get("/search", params={"q": "customer-1"}) as answer:
                return answer.url.path == "/customer" and second.order_id in await answer.text()

        await shop.until(is_found)
        pages = {}
        for text in (first.order_id, second.order_id.upper(), "MUG", "A/B", "MUF", "nothing at all"):
            async with browser.get("/search", params={"q": text}) as answer:
                pages[text] = (answer.status, answer.url.path, await answer.text())
        assert [page[:2] for page in pages.values()] == [
            *[(200, "/order")] * 2,
            *[(200, "/sku")] * 2,
            *[(404, "/search")] * 2,
        ]
        assert all(
            detail in pages[first.order_id][2] for detail in ("LineReserved", "GBP 5.00", "OrderReserved", "Its way")
        )
        assert first.order_id in pages["MUG"][2]  # holds the unit
        assert second.order_id not in pages["MUG"][2].partition("Latest movements")[0]
        assert 'href="/sku?id=MUG"' in pages["MUF"][2]
        async with browser.get("/order", params={"id": "<script>"}) as answer:
            assert (answer.status, "<script>&#39;" in await answer.text()) == (404, False)


async def test_who_has_no_key_reads_and_only_an_operator_acts_with_the_reason_noted(shop: Shop) -> None:
    await shop.receive(MUG=1)
    (viewer, _), (operator, operator_id) = (
        await key(shop, "console:read"),
        await key(shop, "console:read", "console:operate"),
    )
    (other, _) = await key(shop, "sales:write")
    async with console_of(shop) as console, shop.running("inventory"):
        await shop.until_quiet("inventory")
        asked = {"id": "MUG", "why": "recalled by the maker", "own_id": "suspend/1"}
        async with browser_of(console) as browser:
            async with browser.get("/act/suspend", params={"id": "MUG"}) as answer:
                assert answer.url.path == "/signin"
            for text in (other, "lastunit_no", "", viewer[:-1] + "x"):
                async with browser.post("/signin", data={"key": text}) as answer:
                    assert (answer.status, COOKIE in answer.cookies) == (401, False), text
            async with browser.post("/act/suspend", data=asked) as answer:
                assert answer.status == 403
            async with browser.post("/signin", data={"key": viewer, "next": "//evil.example/"}) as answer:
                assert (answer.status, answer.url.path, answer.url.host) == (200, "/", "127.0.0.1")
            asked["token"] = await token_in(browser, "/")
            async with browser.post("/act/suspend", data=asked) as answer:
                assert answer.status == 403
        async with browser_of(console) as browser:
            async with browser.post("/signin", data={"key": operator}, allow_redirects=False) as answer:
                assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["Set-Cookie"].split("; "))
            for token, headers in (
                ("", {}),
                (asked["token"], {}),
                (await token_in(browser, "/"), {"Origin": "https://evil.example"}),
                (await token_in(browser, "/"), {"Sec-Fetch-Site": "cross-site"}),
            ):
                async with browser.post("/act/suspend", data={**asked, "token": token}, headers=headers) as answer:
                    assert answer.status == 403
            assert not [
                record for record in await shop.records(INVENTORY_COMMANDS) if b"recalled" in (record.value or b"")
            ]
            asked["token"] = await token_in(browser, "/act/suspend?id=MUG")
            async with browser.post("/act/suspend", data={**asked, "why": " "}) as answer:
                assert (answer.status, "Give the reason" in await answer.text()) == (400, True)
            for _ in range(2):  # a double click
                async with browser.post("/act/suspend", data=asked) as answer:
                    assert (answer.status, answer.url.path) == (200, "/sku")

            async def is_off_sale() -> bool:
                async with browser.get("/sku?id=MUG") as answer:
                    text = await answer.text()
                return "off sale" in text and f"<b>suspend</b> by {operator_id}" in text

            await shop.until(is_off_sale)
            note = decode((await shop.records(OPERATOR_ACTIONS))[0].value)
            wanted = m.OperatorAction("sku/MUG", "suspend", operator_id, "recalled by the maker", "SuspendSale")
            assert note == wanted
            assert await shop.value("SELECT count(*) FROM movements WHERE command_id = 'suspend/1'") == 1
            async with database(shop.settings) as connection:
                await revoke_key(connection, operator_id)

            async def is_out() -> bool:
                async with browser.post("/act/resume", data={**asked, "own_id": "resume/1"}) as answer:
                    return answer.status == 403

            await shop.until(is_out)


async def test_an_operator_pauses_and_resumes_a_partition(shop: Shop) -> None:
    operator, operator_id = await key(shop, "console:read", "console:operate")
    async with console_of(shop) as console, browser_of(console) as browser, shop.running("inventory"):
        async with browser.post("/signin", data={"key": operator}) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        await shop.until(lambda: console.watch.is_ready)
        token = await token_in(browser, "/act/pause_room?id=inventory%2F1")
        pause = {"id": "inventory/1", "why": "stock count", "own_id": "", "token": token}
        async with browser.post("/act/pause_room", data=pause) as answer:
            assert (answer.status, answer.url.path) == (200, "/group")
        for nowhere in ("kitchen", "inventory/99"):
            async with browser.post("/act/pause_room", data={**pause, "id": nowhere}) as answer:
                assert answer.status == 400, nowhere

        async def is_paused() -> bool:
            async with browser.get("/group", params={"id": f"{shop.settings.namespace}inventory"}) as answer:
                text = await answer.text()
            resume = 'href="/act/resume_room?id=inventory%2F1"' in text
            return resume and f"PAUSED: by {operator_id}: stock count" in text and "<b>pause_room</b>" in text

        await shop.until(is_paused)
        async with browser.post("/act/resume_room", data={**pause, "why": "counted"}) as answer:
            assert (answer.status, answer.url.path) == (200, "/group")
        assert await shop.value("SELECT count(*) FROM pauses") == 0


async def test_beyond_loopback_nobody_reads_without_a_key(shop: Shop) -> None:
    with pytest.raises(SettingsError, match="nobody could sign in"):
        async with console_of(shop, console_host="0.0.0.0"):  # noqa: S104  that is refused
            pass
    reader, _ = await key(shop, "console:read")
    with pytest.raises(SettingsError, match="in the clear"):
        async with console_of(shop, console_host="0.0.0.0"):  # noqa: S104  that too
            pass
    async with console_of(shop, api_proxies="127.0.0.1") as console, browser_of(console) as browser:
        for path, status in {"/": 401, "/metrics": 401, "/order/events?id=x": 401, "/livez": 200}.items():
            async with browser.get(path) as answer:
                assert answer.status == status, path
        async with browser.get("/", headers={"Accept": "text/html"}) as answer:
            assert answer.url.path == "/signin"
        async with browser.get("/metrics", headers={"Authorization": f"Bearer {reader}"}) as answer:
            assert answer.status == 200
        through_the_proxy = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
        async with browser.post("/signin", data={"key": reader}, headers=through_the_proxy) as answer:
            assert "Secure" in answer.history[0].headers["Set-Cookie"]
        in_the_clear = {"X-Forwarded-For": "10.1.2.3"}
        async with browser.post("/signin", data={"key": reader}, headers=in_the_clear) as answer:
            assert (answer.status, "plain HTTP" in await answer.text()) == (401, True)


async def test_a_page_of_another_name_cannot_be_read_through_the_browser(shop: Shop) -> None:
    async with console_of(shop) as console, browser_of(console) as browser:
        async with browser.get("/status.json", headers={"Host": "evil.example:80"}) as answer:
            assert answer.status == 403
        async with browser.get("/livez") as answer:
            assert (answer.status, "default-src 'none'" in answer.headers["Content-Security-Policy"]) == (200, True)


@pytest.mark.slow
async def test_a_frozen_owner_is_a_stall_within_15_seconds_on_the_page_and_in_the_metrics(shop: Shop) -> None:
    group = f"{shop.settings.namespace}inventory"
    await shop.receive(MUG=5)
    await shop.supervisor.start("inventory")
    async with console_of(shop) as console, browser_of(console) as browser:

        async def named() -> tuple[bool, bool]:
            """Tell whether the group's page and its metric name the stall."""
            async with browser.get("/group", params={"id": group}) as answer:
                page = await answer.text()
            async with browser.get("/metrics") as answer:
                lines = [line for line in (await answer.text()).splitlines() if "lastunit_lag_verdict{" in line]
            of_group = [line for line in lines if f'group="{group}"' in line and 'verdict="STALL"' in line]
            return "v-STALL" in page, bool(of_group)

        async def are_named() -> bool:
            return await named() == (True, True)

        await shop.until_quiet("inventory")
        assert await named() == (False, False)
        shop.supervisor.pause("inventory")
        try:
            frozen_at = time.monotonic()
            await shop.receive(MUG=5)
            await until(are_named, seconds=15)
            assert time.monotonic() - frozen_at < 15
        finally:
            shop.supervisor.resume("inventory")
