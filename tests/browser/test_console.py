"""The operator console in a browser: content, live updates, both colour schemes, narrow and wide, no serious finding of axe."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra.base.settings import Settings
from infra.edge.console.process import ConsoleProcess
from tests.browser.conftest import Visitor, visited
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.stack.test_console import console_of


@pytest.fixture
async def at_work(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, state_dir=tmp_path), tmp_path) as opened:
        await opened.receive(MUG=1, TIN=40)
        async with opened.running("inventory", "orders"):
            await opened.place(order(("MUG", 1)), order(("MUG", 1)), order(("TIN", 3)), order(("TIN", 2)))
            await opened.until_quiet("inventory", "orders")
            yield opened


@pytest.fixture
async def console(at_work: Shop) -> AsyncIterator[ConsoleProcess]:
    async with console_of(at_work) as process:

        async def is_ready() -> bool:
            return process.watch.is_ready and bool(process.watch.demand)

        await at_work.until(is_ready)
        yield process


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_overview_is_readable_and_accessible(
    browser: Any, console: ConsoleProcess, screenshots: Path, width: int, scheme: str
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    with visited(Visitor(await context.new_page(), console.address)) as one:
        await one.page.goto(one.address + "/")
        await one.page.locator("#line", has_text="live").wait_for()
        await one.page.screenshot(path=screenshots / f"console-{width}-{scheme}.png", full_page=True)
        assert await one.page.inner_text("#flow") == "Orders on their way"
        wide = await one.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        assert await one.serious() == []
    await context.close()


async def test_what_happens_is_on_the_page_without_a_reload(
    browser: Any, console: ConsoleProcess, at_work: Shop
) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    with visited(Visitor(await context.new_page(), console.address)) as one:
        await one.page.goto(one.address + "/")
        await one.page.locator("#line", has_text="live").wait_for()
        await at_work.receive(CUP=5)
        await at_work.place(order(("CUP", 1)))
        began = time.monotonic()
        await one.page.locator("th", has_text="CUP").wait_for()
        assert time.monotonic() - began < 15  # looked at every 5 s
    await context.close()


async def test_without_javascript_the_page_shows_the_last_load(browser: Any, console: ConsoleProcess) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(console.address + "/")
    assert "MUG" in await page.inner_text("main")
    await context.close()
