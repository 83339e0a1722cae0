"""Buying in a browser: from a search to a paid order, with double clicks, two tabs, a declined card, and without JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from tests.browser.conftest import Visitor, visited
from tests.harness.buying import selling
from tests.harness.shop import Shop
from tests.stack.test_shop import current
from tests.unit.search.shelf import product

MUG = current(product("MUG", "Red Mug", price=350, category="Kitchen/Mugs", product_type="mugs & cups"))
POT = current(product("POT", "Tea Pot", price=1990, category="Kitchen/Pots", product_type="teapots"))


@pytest.fixture
async def system(settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[Shop, ShopProcess]]:
    async with selling(settings, tmp_path, [MUG, POT], {"MUG": 4, "POT": 9}, webhooks=True) as (rooms, _, shop):
        yield rooms, shop


async def test_from_a_search_to_one_paid_order_however_often_it_is_clicked(
    browser: Any, system: tuple[Shop, ShopProcess], screenshots: Path
) -> None:
    rooms, shop = system
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    with visited(Visitor(await context.new_page(), shop.address)) as visitor:
        page = visitor.page

        async def look(name: str) -> None:
            for width in (390, 1280):
                for scheme in ("light", "dark"):
                    await page.set_viewport_size({"width": width, "height": 900})
                    await page.emulate_media(color_scheme=scheme)
                    await page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
                    assert await visitor.serious() == []

        await visitor.go("/")
        await page.fill("#q", "mug")
        await page.press("#q", "Enter")
        await page.click(".hit a")
        await page.click("text=Add to cart")
        await page.wait_for_url("**/cart")
        await page.fill("input[name=quantity]", "2")
        await page.click("text=Update")
        await page.locator(".sum", has_text="GBP 7.00").wait_for()
        await look("cart")
        await page.click("text=To the checkout")
        await page.locator("h1", has_text="Checkout").wait_for()
        await look("checkout")
        other = await context.new_page()
        await other.goto(f"{shop.address}/cart")
        await page.dblclick("text=Order and pay")
        await page.locator(".state.paid").wait_for()
        await look("order")
        await page.go_back()
        await other.click("text=To the checkout")
        await other.locator("text=Your cart is empty").wait_for()
        await visitor.go("/orders")
        assert await page.locator("tbody tr").count() == 1
        await look("orders")
        await visitor.go("/signin")
        await look("signin")
        assert await rooms.value("SELECT count(*) FROM orders") == 1
    await context.close()


async def test_a_declined_card_a_confirmed_one_and_a_session_that_ended_without_javascript(
    browser: Any, system: tuple[Shop, ShopProcess]
) -> None:
    _, shop = system
    context = await browser.new_context(java_script_enabled=False)
    with visited(Visitor(await context.new_page(), shop.address)) as visitor:
        page = visitor.page
        await visitor.go(f"/p/{POT.slug}")
        await page.click("text=Add to cart")
        await page.click("text=To the checkout")
        await page.check("text=A card that is declined")
        await page.click("text=Order and pay")
        await page.locator(".state.rejected").wait_for()  # the page loads itself again
        await page.click("text=Put these back into the cart")
        await page.click("text=To the checkout")
        await page.check("text=A card that asks for a confirmation")
        await page.click("text=Order and pay")
        await page.locator("text=Confirm the payment").wait_for()
        order = page.url
        await page.click("text=Confirm the payment")
        await page.click("button:has-text('Confirm')")
        await page.click("text=Back to the shop")
        await page.click("tbody a")
        await page.locator(".state.paid").wait_for()
        await context.clear_cookies()
        await page.goto(order)
        assert await page.locator(".state.paid").count() == 1
        await visitor.go("/cart")
        assert await page.locator("text=Your cart is empty").count() == 1
        await visitor.go("/orders")
        assert await page.locator("text=There is none yet").count() == 1
    await context.close()
