"""The operator console in a browser: content, live updates, both colour schemes, narrow and wide, no serious finding of axe."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra.base.settings import Settings
from infra.edge.console.process import ConsoleProcess
from producers.clients.orders import OrderRequest
from producers.publisher import Outgoing
from tests.browser.conftest import Visitor, visited
from tests.harness.api import with_views
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.stack.test_console import console_of, key
from topology.topics import INVENTORY_COMMANDS

SOLD = order(("MUG", 1), ("TIN", 2))
UPDATE_SECONDS = 2.0
"""From an event on the log to what a page shows."""
PAINT_MS = 1_000
PAINT_TRIES_SECONDS = 60.0
"""A machine that is busy with others has a moment for one page within it."""
FIRST_PAINT = """new Promise((done) => new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") done(entry.startTime)
}).observe({type: "paint", buffered: true}))"""


@pytest.fixture
async def at_work(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, state_dir=tmp_path), tmp_path) as opened:
        await opened.receive(MUG=1, TIN=40)
        async with with_views(opened, "inventory", "orders"):
            await opened.place(SOLD)
            await opened.until_quiet("inventory", "orders")
            await opened.place(order(("MUG", 1)), order(("TIN", 2)))
            await opened.publisher.publish([Outgoing(INVENTORY_COMMANDS.name, 0, b"MUG", b"\x00nothing")])
            await opened.until_quiet("inventory", "orders")
            yield opened


@pytest.fixture
async def console(at_work: Shop) -> AsyncIterator[ConsoleProcess]:
    async with console_of(at_work) as process:

        async def is_ready() -> bool:
            return process.watch.is_ready and bool(process.watch.observed.demand) and bool(process.watch.letters)

        await at_work.until(is_ready)
        yield process


@pytest.mark.release
async def test_every_page_is_readable_and_accessible(
    browser: Any, console: ConsoleProcess, at_work: Shop, screenshots: Path
) -> None:
    operator, _ = await key(at_work, "console:read", "console:operate")
    [letter] = console.watch.letters
    context = await browser.new_context()
    with visited(Visitor(await context.new_page(), console.address)) as one:
        pages = {
            "signin": "/signin",
            "console": "/",
            "order": f"/order?id={SOLD.order_id}",
            "sku": "/sku?id=TIN",
            "customer": "/customer?id=customer-1",
            "letters": "/letters",
            "letter": f"/letter?id={letter.id}",
            "group": f"/group?id={at_work.settings.namespace}inventory",
            "suspend": "/act/suspend?id=TIN",
        }
        for name, path in pages.items():
            await one.page.goto(one.address + path)
            if name not in ("signin", "suspend"):
                await one.page.locator("#line", has_text="live").wait_for()
            await one.looks_well(f"console-{name}", screenshots)
            if name == "signin":
                await one.page.fill("#key", operator)
                await one.page.press("#key", "Enter")
                await one.page.locator(".who", has_text="operator").wait_for()
    await context.close()


@pytest.mark.release
async def test_what_happens_is_on_the_pages_within_two_seconds(
    browser: Any, console: ConsoleProcess, at_work: Shop
) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    overview, tin = [Visitor(await context.new_page(), console.address) for _ in range(2)]
    with visited(overview), visited(tin):
        for one, path in ((overview, "/"), (tin, "/sku?id=TIN")):
            await one.page.goto(one.address + path)
            await one.page.locator("#line", has_text="live").wait_for()
        for number in range(3):  # the first look after a page was opened may be one that was due late
            await at_work.place(*[order(("TIN", 1)) for _ in range(4)])
            began = time.monotonic()
            shown = 42 - 4 - 4 * (number + 1) - 2
            await tin.page.locator(".legend div", has_text="available").locator("dd", has_text=str(shown)).wait_for()
            assert time.monotonic() - began < UPDATE_SECONDS
            lines = str(2 + 4 * (number + 1))
            row = overview.page.locator("tr", has=overview.page.locator("th", has_text="TIN"))
            await row.locator("td", has_text=lines).first.wait_for()
            assert time.monotonic() - began < UPDATE_SECONDS
    await context.close()


@pytest.mark.release
async def test_the_first_paint_of_a_page_takes_less_than_a_second(
    browser: Any, console: ConsoleProcess, at_work: Shop
) -> None:
    for path in ("/", f"/order?id={SOLD.order_id}", "/sku?id=TIN", f"/group?id={at_work.settings.namespace}inventory"):
        took_ms: list[float] = []
        give_up_at = time.monotonic() + PAINT_TRIES_SECONDS
        while not took_ms or (min(took_ms) >= PAINT_MS and time.monotonic() < give_up_at):
            context = await browser.new_context(viewport={"width": 1280, "height": 900})  # with nothing in its cache
            with visited(Visitor(await context.new_page(), console.address)) as one:
                await one.page.goto(one.address + path)
                took_ms.append(await one.page.evaluate(FIRST_PAINT))
            await context.close()
        assert min(took_ms) < PAINT_MS, (path, took_ms)


@pytest.mark.release
async def test_charts_are_drawn_without_an_inline_script_and_outlive_the_updates_of_their_page(
    browser: Any, console: ConsoleProcess, at_work: Shop
) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    with visited(Visitor(await context.new_page(), console.address)) as one:
        await one.page.goto(one.address + "/sku?id=TIN")
        await one.page.locator(".uplot canvas").nth(1).wait_for()  # the level, and the race
        await one.page.evaluate("document.querySelector('.uplot').dataset.kept = 'yes'")
        await at_work.place(order(("TIN", 1)))
        await one.page.locator(".legend dd", has_text="35").first.wait_for()
        assert await one.page.locator(".uplot[data-kept=yes]").count() == 1
        answer = await one.page.evaluate("fetch('/series/race?id=TIN').then((it) => it.json())")
        assert [line["name"] for line in answer["lines"]] == ["units sold", "orders refused"]
        assert answer["lines"][0]["values"][-1] >= 1
    await context.close()


async def test_by_keyboard_and_without_javascript_an_order_is_found_and_a_sku_taken_off_sale(
    browser: Any, console: ConsoleProcess, at_work: Shop
) -> None:
    operator, operator_id = await key(at_work, "console:read", "console:operate")
    context = await browser.new_context(java_script_enabled=False)
    with visited(Visitor(await context.new_page(), console.address)) as one:
        page = one.page
        await page.goto(one.address + "/")
        assert "MUG" in await page.inner_text("main")
        for _ in range(3):
            await page.keyboard.press("Tab")
        await page.keyboard.type(SOLD.order_id)
        await page.keyboard.press("Enter")
        assert "OrderReserved" in await page.inner_text(".timeline")
        await page.locator("table a", has_text="TIN").press("Enter")
        await page.locator("#act-suspend").press("Enter")
        await page.fill("#key", operator)
        await page.press("#key", "Enter")
        await page.fill("#why", "recalled")
        await page.press("#why", "Enter")

        async def is_off_sale() -> bool:
            await page.reload()
            return "off sale" in await page.inner_text("main") and operator_id in await page.inner_text("main")

        await at_work.until(is_off_sale)
        refused = order(("TIN", 1))
        await at_work.place(refused)
        await at_work.until(lambda: _has_state(at_work, refused, "rejected"))
    await context.close()


async def _has_state(shop: Shop, placed: OrderRequest, state: str) -> bool:
    return (await shop.state(placed))[0] == state


@pytest.mark.release
async def test_a_dead_letter_is_acknowledged_with_the_reason(
    browser: Any, console: ConsoleProcess, at_work: Shop
) -> None:
    operator, _ = await key(at_work, "console:read", "console:operate")
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    with visited(Visitor(await context.new_page(), console.address)) as one:
        page = one.page
        await page.goto(one.address + "/signin?next=/letters")
        await page.fill("#key", operator)
        await page.press("#key", "Enter")
        await page.click(".letters a")
        await page.click("#act-acknowledge")
        await page.fill("#why", "a test of the producer")
        await page.click("main button")
        await page.locator(".stand", has_text="acknowledged").wait_for()
        await page.locator(".letters", has_text="a test of the producer").wait_for()
        [note] = console.watch.actions_about(f"dead.letters/{console.watch.letters[0].id}")
        assert (note.action, note.why) == ("acknowledge", "a test of the producer")
    await context.close()
