"""Buying in a browser: from a search to a paid order, with double clicks, two tabs, a declined card, and without JavaScript."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from schemas import messages as m
from tests.browser.conftest import Visitor, visited
from tests.harness.buying import selling, shopper
from tests.harness.shop import Shop
from tests.harness.waiting import until
from tests.stack.test_shop import current
from tests.unit.search.shelf import product

MUG = current(product("MUG", "Red Mug", price=350, category="Kitchen/Mugs", product_type="mugs & cups"))
POT = current(product("POT", "Tea Pot", price=1990, category="Kitchen/Pots", product_type="teapots"))

HOME = {"name": "Ann Lee", "street": "1 High St", "postcode": "N1 1AA", "city": "London", "country": "GB"}


@pytest.fixture
async def system(settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[Shop, ShopProcess]]:
    (tmp_path / "charges.json").write_text(
        '{"shipping_minor": 495, "tax_bp": 2000, "discounts": {"TEN": {"rate_bp": 1000}}}'
    )
    options: dict[str, Any] = {"charges_path": tmp_path / "charges.json", "postgres_dsn": settings.postgres_dsn}
    units = {"MUG": 4, "POT": 9}
    async with selling(settings, tmp_path, [MUG, POT], units, webhooks=True, **options) as (rooms, _, shop):
        yield rooms, shop


async def fill_in_the_address(page: Any) -> None:
    for field, text in HOME.items():
        await page.fill(f"[name={field}]", text)


async def test_from_a_search_to_one_paid_order_however_often_it_is_clicked(
    browser: Any, system: tuple[Shop, ShopProcess], screenshots: Path
) -> None:
    rooms, shop = system
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    with visited(Visitor(await context.new_page(), shop.address)) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.fill("#q", "mug")
        await page.press("#q", "Enter")
        await page.click(".hit a")
        await page.click("text=Add to cart")
        await page.wait_for_url("**/cart")
        await page.fill("input[name=quantity]", "2")
        await page.click("text=Update")
        await page.locator(".sum", has_text="GBP 7.00").wait_for()
        await visitor.looks_well("cart", screenshots)
        await page.click("text=To the checkout")
        await page.locator("h1", has_text="Checkout").wait_for()
        await page.fill("#code", "TEN")
        await page.click("text=Apply")
        await page.locator("tfoot", has_text="GBP -0.70").wait_for()
        await page.locator(".sum", has_text="GBP 11.25").wait_for()
        await fill_in_the_address(page)
        await visitor.looks_well("checkout", screenshots)
        other = await context.new_page()
        await other.goto(f"{shop.address}/cart")
        await page.dblclick("text=Order and pay")
        await page.locator(".state.paid").wait_for()
        await visitor.looks_well("order", screenshots)
        await sent_back(rooms, visitor, screenshots)
        await page.go_back()
        await page.go_back()
        await other.click("text=To the checkout")
        await other.locator("text=Your cart is empty").wait_for()
        await visitor.go("/orders")
        assert await page.locator("tbody tr").count() == 1
        await visitor.looks_well("orders", screenshots)
        await visitor.go("/signin")
        await visitor.looks_well("signin", screenshots)
        assert await rooms.value("SELECT count(*) FROM orders") == 1
    await context.close()


async def sent_back(rooms: Shop, visitor: Visitor, screenshots: Path) -> None:
    """Ship the only order, let it arrive and ask for a return: the page follows by itself."""
    page = visitor.page
    order_id = await rooms.value("SELECT order_id::text FROM orders")
    await rooms.say(m.ShipOrder(order_id, "S1", (), "post", "T1"))
    await page.locator(".state.shipped").wait_for()
    await rooms.say(m.ConfirmDelivery(order_id, "S1"))
    await page.locator(".state.delivered").wait_for()
    await visitor.looks_well("order-delivered", screenshots)
    await page.check("input[name=line]")
    await page.fill("#reason", "too small")
    await page.click("text=Ask for the return")
    await page.locator("text=Return 1: asked for").wait_for()
    await visitor.looks_well("order-returned", screenshots)


@pytest.mark.release
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
        await page.click("text=Order and pay")  # the browser asks for what is missing
        await fill_in_the_address(page)
        await page.check("text=A card that is declined")
        await page.click("text=Order and pay")
        await page.locator(".state.rejected").wait_for()  # the page loads itself again
        await page.click("text=Put these back into the cart")
        await page.click("text=To the checkout")
        assert await page.input_value("[name=street]") == HOME["street"]  # where the last one went
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


async def test_what_changed_meanwhile_is_shown_on_the_page_and_placed_as_it_is_now(
    browser: Any, settings: Settings, tmp_path: Path
) -> None:
    async with selling(settings, tmp_path, [MUG, POT], {"MUG": 1, "POT": 9}) as (rooms, catalogue, shop):
        context = await browser.new_context()
        with visited(Visitor(await context.new_page(), shop.address)) as visitor:
            page = visitor.page
            for sku in ("MUG", "POT"):
                await visitor.go(f"/cart?add={sku}:1")
            await page.click("text=To the checkout")
            await page.locator(".sum", has_text="GBP 23.40").wait_for()
            dearer = current(POT, (2_500, int(time.time() * 1000)))
            await catalogue.put([msgspec.structs.replace(dearer, version=2)])
            async with shopper(shop) as other:
                await other.add("MUG")
                action, form = await other.check_out()
                await other.order((await other.post(action, form)).headers["location"], "paid")

            async def is_known() -> bool:
                pot = await shop.reader.product("POT")
                return pot is not None and pot.version == 2 and shop.reader.levels_of(MUG)["MUG"].available == 0

            await until(is_known)
            await page.click("text=Order and pay")
            await page.locator("h1", has_text="Something has changed meanwhile").wait_for()
            await page.locator("text=Red Mug is sold out").wait_for()
            await page.locator("text=Tea Pot costs GBP 25.00 now; it was GBP 19.90").wait_for()
            assert await page.locator("text=Order and pay").count() == 0
            assert ["409" in complaint for complaint in visitor.complaints] == [True]
            await visitor.go("/cart")
            await page.go_back()  # to the answer of a form, without being asked to send it again
            await page.locator("h1", has_text="Something has changed meanwhile").wait_for()
            visitor.complaints.clear()
            await visitor.go("/cart")
            await page.click("tr:has-text('Red Mug') >> text=Remove")
            await page.click("text=To the checkout")
            await page.click("text=Order and pay GBP 25.00")
            await page.locator(".state.paid").wait_for()
            assert await rooms.value("SELECT count(*) FROM orders") == 2
        await context.close()
