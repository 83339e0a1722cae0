"""The shop in a browser: searching, filtering, going back, reading without JavaScript, and stock that goes meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.edge.shop.process import ShopProcess
from tests.browser.conftest import Visitor, visited
from tests.harness.reading import Catalogue

PAGES = {
    "home": "/",
    "category": "/categories/kitchen",
    "search": "/search?q=mug&f.colour=red",
    "product": "/products/P3",
}


async def test_the_address_is_the_state_and_the_back_button_leads_back(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/")
    await page.fill("#q", "mug")
    await page.press("#q", "Enter")
    await page.wait_for_url("**/search?q=mug")
    assert await page.inner_text(".total") == "40 products"
    await page.check("input[name='f.colour'][value=red]")
    await page.wait_for_url("**f.colour=red**")
    await page.locator(".total", has_text="14 products").wait_for()
    await page.check("input[name='f.colour'][value=blue]")
    await page.locator(".total", has_text="27 products").wait_for()
    await page.go_back()
    await page.locator(".total", has_text="14 products").wait_for()
    assert await page.is_checked("input[name='f.colour'][value=red]")
    assert not await page.is_checked("input[name='f.colour'][value=blue]")
    await page.reload()
    assert await page.inner_text(".total") == "14 products"


async def test_a_filter_is_marked_at_one_click_and_back_from_a_product_leads_to_where_one_was(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/search?q=mug")
    for _ in range(3):
        await page.check("input[name='f.colour'][value=red]")
        await page.wait_for_url("**f.colour=red**")
        await page.locator(".total", has_text="14 products").wait_for()
        assert page.url.count("f.colour=red") == 1, "the address does not grow with every click"
        assert await page.is_checked("input[name='f.colour'][value=red]")
        await page.uncheck("input[name='f.colour'][value=red]")
        await page.locator(".total", has_text="40 products").wait_for()
        assert "f.colour" not in page.url
    address = page.url
    await page.locator(".hit a").last.scroll_into_view_if_needed()
    was_at = await page.evaluate("scrollY")
    assert was_at > 500
    await page.locator(".hit a").last.click()
    await page.wait_for_url("**/p/**")
    await page.go_back()
    await page.locator(".hit a").last.wait_for()
    assert page.url == address
    await page.wait_for_function("scrollY > 0")
    assert abs(await page.evaluate("scrollY") - was_at) < 50


@pytest.mark.release
async def test_what_is_typed_is_completed_and_leads_to_the_product(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/")
    await page.type("#q", "green mug number 3", delay=20)
    await page.wait_for_selector("#suggestions a[href^='/p/']")
    assert "Green Mug" in await page.inner_text("#suggestions")
    await page.wait_for_load_state("networkidle")  # or the last request would be cut off, and reported


async def test_a_product_that_is_sold_out_meanwhile_shows_it_without_a_reload(
    shelf: Catalogue, visitor: Visitor
) -> None:
    await visitor.go("/products/P3")
    assert await visitor.page.inner_text("td.stock") == "In stock"
    await shelf.levels({"P3": 0})
    await visitor.page.locator("td.stock", has_text="Sold out").wait_for()


@pytest.mark.release
async def test_the_number_of_the_last_units_is_shown_where_it_is_true(visitor: Visitor) -> None:
    await visitor.go("/products/P1")
    await visitor.page.locator("td.stock", has_text="Only 10 left").wait_for()


@pytest.mark.release
async def test_reading_works_without_javascript(browser: Any, shop: ShopProcess) -> None:
    context = await browser.new_context(java_script_enabled=False)
    with visited(Visitor(await context.new_page(), shop.address)) as visitor:
        page = visitor.page
        await visitor.go("/search?q=mug")
        await page.check("input[name='f.colour'][value=green]")
        await page.click("button.apply")
        assert await page.inner_text(".total") == "13 products"
        await page.click(".hit a")
        assert await page.inner_text("h1") != ""
        assert await page.inner_text("td.stock") in ("In stock", "Only a few left", "Sold out")
        await page.click("text=What others bought with it")
        assert await page.inner_text("h1") == "Bought together"
    await context.close()


@pytest.mark.release
async def test_a_keyboard_reaches_search_filters_and_products(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.go("/search?q=mug")
    reached = set()
    for _ in range(30):
        await page.keyboard.press("Tab")
        reached.add(
            await page.evaluate(
                "document.activeElement.className || document.activeElement.id || document.activeElement.name"
            )
        )
    assert {"skip", "brand", "q", "sort", "in_stock", "f.colour"} <= reached


@pytest.mark.release
async def test_every_page_fits_and_can_be_read_by_everybody(browser: Any, shop: ShopProcess, screenshots: Path) -> None:
    context = await browser.new_context(bypass_csp=True)
    with visited(Visitor(await context.new_page(), shop.address)) as visitor:
        for name, path in PAGES.items():
            await visitor.go(path)
            await visitor.looks_well(name, screenshots)
    await context.close()
