"""The shop behind Varnish: no page shows for longer than the bound what is sold out, and pages outlive the shop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest

from infra.base.settings import Settings
from schemas.shop import MAX_AGE_MS
from tests.harness.buying import shopper
from tests.harness.programs import environment, find_program, unpacked
from tests.harness.reading import Catalogue, catalogue, serving
from tests.harness.waiting import until
from tests.stack.test_shop import HTML, current
from tests.unit.search.shelf import product

VARNISH = find_program("varnishd")
pytestmark = pytest.mark.skipif(not VARNISH, reason="there is no varnishd; `make tools` unpacks it")
PROPAGATION_S = 0.7
"""What reading, purging and sampling add on two busy cores to the bound that holds for what a page was made from."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@asynccontextmanager
async def varnish(folder: Path, port: int, origin_port: int) -> AsyncIterator[str]:
    text = files("infra.deploy").joinpath("varnish/shop.vcl").read_text(encoding="utf-8")
    (folder / "shop.vcl").write_text(text.replace('"8080"', f'"{origin_port}"'))
    command = [VARNISH, "-F", "-n", str(folder / "varnish"), "-f", str(folder / "shop.vcl"), "-a", f"127.0.0.1:{port}"]
    for modules in unpacked("varnish/vmods"):
        command += ["-p", f"vmod_path={modules}"]
    process = await asyncio.create_subprocess_exec(
        *command, "-s", "malloc,32m", "-p", "default_grace=0", "-j", "none",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    try:

        async def listens() -> bool:
            assert process.returncode is None, (await process.stderr.read()).decode()  # type: ignore[union-attr]
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            return False

        await until(listens)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def read(session: aiohttp.ClientSession, address: str) -> tuple[int, str, str]:
    async with session.get(address, headers=HTML) as answer:
        return answer.status, answer.headers.get("X-Cache", ""), await answer.text()


MUG = current(product("MUG", "Red Mug", price=350))


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings) as opened:
        await opened.put([MUG])
        await opened.levels({"MUG": 60})
        yield opened


async def test_no_page_shows_what_is_sold_out_for_longer_than_the_bound(shelf: Catalogue, tmp_path: Path) -> None:
    port, origin = free_port(), free_port()
    cache = f"http://127.0.0.1:{port}"
    async with (
        serving(shelf.settings, port=origin, caches=[cache]),
        varnish(tmp_path, port, origin),
        aiohttp.ClientSession() as session,
    ):
        page = f"{cache}/p/{MUG.slug}"
        assert "In stock" in (await read(session, page))[2]
        assert (await read(session, page))[1] == "hit"
        sold_out_at = float("inf")
        seen: list[tuple[float, str]] = []

        async def sampled() -> bool:
            asked = time.monotonic()
            status, _, text = await read(session, page)
            assert status == 200
            seen.append((asked, "Sold out" if "Sold out" in text else "there"))
            return asked > sold_out_at + 3

        sampling = asyncio.create_task(until(sampled))
        for left in range(55, -1, -5):
            await shelf.levels({"MUG": left})
            pages = len(seen)
            await until(lambda pages=pages: len(seen) > pages)  # type: ignore[misc]
        sold_out_at = time.monotonic()
        await sampling
        wrong = [asked - sold_out_at for asked, text in seen if text == "there" and asked > sold_out_at]
        assert max(wrong, default=0) < MAX_AGE_MS / 1000 + PROPAGATION_S
        assert seen[-1][1] == "Sold out"
        assert len(seen) > 10


async def test_pages_outlive_the_shop(shelf: Catalogue, tmp_path: Path) -> None:
    port, origin = free_port(), free_port()
    async with varnish(tmp_path, port, origin) as cache, aiohttp.ClientSession() as session:
        page = f"{cache}/p/{MUG.slug}"
        async with serving(shelf.settings, port=origin):

            async def there() -> bool:
                return (await read(session, page))[0] == 200

            await until(there)
        shop_ended_at = time.monotonic()

        async def is_well_past_max_age_and_probe() -> bool:
            assert (await read(session, page))[0] == 200
            return time.monotonic() > shop_ended_at + 4

        await until(is_well_past_max_age_and_probe)
        assert (await read(session, f"{cache}/p/never-asked_NEVER"))[0] == 503


async def test_json_is_kept_apart_from_html(shelf: Catalogue, tmp_path: Path) -> None:
    port, origin = free_port(), free_port()
    async with (
        serving(shelf.settings, port=origin),
        varnish(tmp_path, port, origin) as cache,
        aiohttp.ClientSession() as session,
    ):
        assert "<html" in (await read(session, f"{cache}/search"))[2]
        async with session.get(f"{cache}/search", headers={"Accept": "application/json"}) as answer:
            assert answer.content_type == "application/json"


async def test_a_cart_is_its_visitors_own_and_the_administration_is_not_reachable(
    shelf: Catalogue, tmp_path: Path
) -> None:
    port, origin = free_port(), free_port()
    async with (
        serving(shelf.settings, port=origin) as shop,
        varnish(tmp_path, port, origin) as cache,
        shopper(shop) as buyer,
        shopper(shop) as stranger,
    ):
        buyer.address = stranger.address = cache
        await until(lambda: shop.pages.is_ready)
        form = {"sku": "MUG", "quantity": "1"}
        for name in ("Origin", "Referer"):
            assert (await buyer.post("/cart/lines", form, **{name: cache})).status == 303
        assert (await buyer.post("/cart/lines", form, Origin="https://evil.example")).status == 403
        assert "GBP 7.00" in (await buyer.get("/cart")).text
        assert "GBP 7.00" in (await buyer.get("/checkout")).text
        assert "Your cart is empty" in (await stranger.get("/cart")).text
        assert (await buyer.send("PUT", "/admin/products/MUG/publication")).status == 404
