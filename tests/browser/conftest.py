"""A browser: Debian's Chromium, driven by playwright. Without them these tests are skipped: `make tools` installs them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from tests.harness.programs import find_program
from tests.harness.reading import Catalogue, catalogue, serving
from tests.samples import samples
from tests.stack.test_shop import current
from tests.unit.search.shelf import product

CHROMIUM = find_program("chromium")
AXE = Path(__file__).parents[2] / ".lastunit" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = tuple(itertools.product((390, 1280), ("light", "dark")))[: samples(4)]
"""Widths and colour schemes; a change is seen at the smallest only."""
COLOURS = ("red", "blue", "green")


@pytest.fixture(scope="session")
def playwright_api() -> Any:
    if not CHROMIUM:
        pytest.skip("there is no chromium; `make tools` installs it")
    return pytest.importorskip("playwright.async_api", reason="there is no playwright; `make tools` installs it")


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings) as opened:
        products = [
            current(
                product(
                    f"P{number}",
                    f"{COLOURS[number % 3].title()} Mug Number {number}",
                    price=300 + 10 * number,
                    attributes={"colour": [COLOURS[number % 3]]},
                    product_type="mugs & cups",
                    category="Kitchen/Mugs",
                    description=("A mug to drink from.",),
                )
            )
            for number in range(40)
        ]
        await opened.put(products)
        await opened.levels({f"P{number}": number % 5 * 10 for number in range(40)})
        yield opened


@pytest.fixture
async def shop(shelf: Catalogue) -> AsyncIterator[ShopProcess]:
    async with serving(shelf.settings) as process:
        yield process


class Visitor:
    """A page of the shop or the console in a browser, and everything that its own console reported."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def go(self, path: str) -> None:
        await self.page.goto(self.address + path, wait_until="networkidle")

    async def looks_well(self, name: str, screenshots: Path) -> None:
        """Require of the page at each width and in each scheme that it fits, and that axe finds nothing serious."""
        for width, scheme in LOOKS:
            await self.page.set_viewport_size({"width": width, "height": 900})
            await self.page.emulate_media(color_scheme=scheme)
            await self.page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
            assert await self.page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            assert await self.serious() == [], (name, width, scheme)

    async def serious(self) -> list[str]:
        """Return what axe finds serious or critical on the page."""
        if not AXE.exists():
            pytest.skip("there is no axe-core; `make tools` installs it")
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        report = await self.page.evaluate("axe.run()")
        return [
            f"{violation['id']}: {violation['nodes'][0]['html']}"
            for violation in report["violations"]
            if violation["impact"] in ("serious", "critical")
        ]


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("LASTUNIT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def visited(visitor: Visitor) -> Iterator[Visitor]:
    yield visitor
    assert visitor.complaints == []


@pytest.fixture(scope="session")
async def browser(playwright_api: Any) -> AsyncIterator[Any]:
    async with playwright_api.async_playwright() as driver:
        opened = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
async def visitor(browser: Any, shop: ShopProcess) -> AsyncIterator[Visitor]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    with visited(Visitor(await context.new_page(), shop.address)) as one:
        yield one
    await context.close()
