"""docs/pictures: the console and the shop, photographed while a system of its own is at work (`make screenshots`).

Needs Chromium and playwright, as the tests in a browser do. What is on the pictures is seeded; times and ids differ from run to run.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from infra.base.connections import database
from infra.base.settings import Settings, load_settings
from infra.cli.commands.shop import fill
from infra.edge.access.key_rows import create_key
from infra.edge.access.scopes import CONSOLE_OPERATE, CONSOLE_READ
from infra.local.demo.inputs import Race, generated_race
from infra.local.demo.place import fresh_place
from infra.local.stack import progress_for
from infra.local.system import running_system
from infra.ops.pausing import Place, pause
from producers.clients.orders import OrderClient, OrderRequest
from producers.clients.stock import StockClient, receipts_of
from producers.importing.seeded_catalogue import seeded_catalogue
from producers.publisher import Outgoing, Publisher
from topology.topics import INVENTORY_COMMANDS

DIRECTORY: Final = Path(__file__).parents[1] / "pictures"
ORDERS: Final = 600
PRODUCTS: Final = 300
SEED: Final = 1
SECONDS: Final = 90
"""How long orders trickle in, so that charts have something to show."""
READY_SECONDS: Final = 180.0
QUALITY: Final = 80
WIDE: Final = (1280, 800)
NARROW: Final = (390, 844)


class Picture(NamedTuple):
    """One page at one width; `wait_for` is what it must show first."""

    name: str
    path: str
    wait_for: str
    size: tuple[int, int] = WIDE


async def main() -> None:
    """Start a system, seed it, take the pictures, stop it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no chromium; `make tools` installs it, and playwright.")
    playwright = importlib.import_module("playwright.async_api")
    DIRECTORY.mkdir(exist_ok=True)
    async with (
        fresh_place(load_settings()) as place,
        running_system(place.settings, progress_for(), webhooks=True, shop=True, api=True) as system,
        playwright.async_playwright() as driver,
    ):
        browser = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        await photograph(browser, system.settings)
        await browser.close()


async def photograph(browser: Any, settings: Settings) -> None:
    """Let orders come in, and take every picture."""
    race = generated_race(ORDERS, stock_factor=1.0, seed=SEED)
    async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
        await fill(settings, list(seeded_catalogue(SEED, PRODUCTS)), SEED)
        await StockClient(publisher).receive(receipts_of("pictures", race.stock))
        await publisher.publish([Outgoing(INVENTORY_COMMANDS.name, 0, b"MUG", b"\x00nothing")])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_trickle(race, OrderClient(publisher)))
            await asyncio.sleep(SECONDS / 2)
            await pause(settings, Place("fulfilment", 1), by="ann", why="a carrier is being changed")
            await asyncio.sleep(SECONDS / 3)
            await _take_all(browser, settings, race)


async def _take_all(browser: Any, settings: Settings, race: Race) -> None:
    async with database(settings) as connection:
        key = (await create_key(connection, "ann", (CONSOLE_READ, CONSOLE_OPERATE), None)).key
        paid = await connection.fetchval("SELECT order_id FROM orders WHERE state = 'paid' ORDER BY order_id LIMIT 1")
    console = f"http://{settings.console_host}:{settings.console_port}"
    await _take(browser, console, _of_console(race, settings, str(paid)), key)
    await _take(browser, f"http://{settings.shop_host}:{settings.shop_port}", _OF_SHOP)


async def _trickle(race: Race, client: OrderClient) -> None:
    """Place the orders little by little; the flash sale comes as it comes in the generated traffic."""
    began, orders = time.monotonic(), race.orders
    placed: list[OrderRequest] = []
    while len(placed) < len(orders):
        due = round(len(orders) * min(1.0, (time.monotonic() - began + 1) / SECONDS))
        await client.place(orders[len(placed) : due])
        placed = orders[:due]
        await asyncio.sleep(1)


def _of_console(race: Race, settings: Settings, order_id: str) -> list[Picture]:
    live = "#line:has-text('live')"
    return [
        Picture("overview", "/", ".uplot"),
        Picture("overview-narrow", "/", live, NARROW),
        Picture("group", f"/group?id={settings.namespace}fulfilment", ".v-PAUSED"),
        Picture("order", f"/order?id={order_id}", ".timeline li"),
        Picture("sku", f"/sku?id={race.flash_sku}", ".uplot"),
        Picture("letters", "/letters", ".letters li"),
    ]


_OF_SHOP: Final = [Picture("shop", "/", "a[href^='/p/']"), Picture("shop-narrow", "/", "a[href^='/p/']", NARROW)]


async def _take(browser: Any, address: str, pictures: list[Picture], key: str = "") -> None:
    """Photograph the pages of one address; with a key its visitor has signed in."""
    context = await browser.new_context()
    page = await context.new_page()
    if key:
        await page.goto(f"{address}/signin")
        await page.fill("#key", key)
        await page.press("#key", "Enter")
        await page.locator(".who", has_text="operator").wait_for()
    session = await context.new_cdp_session(page)
    for picture in pictures:
        width, height = picture.size
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto(address + picture.path)
        await page.locator(picture.wait_for).first.wait_for(timeout=READY_SECONDS * 1000)
        await page.wait_for_timeout(1_500)
        shot = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        (DIRECTORY / f"{picture.name}.webp").write_bytes(base64.b64decode(shot["data"]))
    await context.close()


if __name__ == "__main__":
    asyncio.run(main())
