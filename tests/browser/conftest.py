"""A browser: Debian's Chromium, driven by playwright. Without them these tests are skipped: `make browser` installs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from tests.harness.reading import Catalogue, catalogue, serving
from tests.stack.conftest import endpoints, environment, settings, stack  # noqa: F401  the same servers
from tests.stack.test_shop import current
from tests.unit.search.shelf import product

CHROMIUM = shutil.which("chromium") or ""
AXE = Path(__file__).parents[2] / ".lastunit" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
COLOURS = ("red", "blue", "green")


@pytest.fixture(scope="session")
def playwright_api() -> Any:
    if not CHROMIUM:
        pytest.skip("there is no chromium; `make browser` installs it")
    return pytest.importorskip("playwright.async_api", reason="there is no playwright; `make browser` installs it")


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:  # noqa: F811  pytest's way
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
    """A page of the shop in a browser, and everything that its console reported."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def go(self, path: str) -> None:
        await self.page.goto(self.address + path, wait_until="networkidle")

    async def serious(self) -> list[str]:
        """Return what axe finds serious or critical on the page."""
        if not AXE.exists():
            pytest.skip("there is no axe-core; `make browser` installs it")
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


@pytest.fixture
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
