"""Reading goes on while servers are away: each is frozen, killed or cut off for real."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.base.errors import ProcessFailedError
from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from infra.local.stack import Stack
from infra.local.stack.valkey import Valkey
from tests.harness.reading import Catalogue, answer_of, catalogue, get, serving
from tests.harness.tables import give_tables
from tests.harness.tcp_proxy import TcpProxy
from tests.harness.waiting import until
from tests.stack.test_shop import HTML, JSON, MUG, TEE, shows, view

PASSWORD = "only-for-this-test"


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings) as opened:
        await opened.put([MUG, TEE])
        await opened.levels({"MUG": 8, "T-S": 3})
        yield opened


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@asynccontextmanager
async def valkey(folder: Path) -> AsyncIterator[Valkey]:
    def on_death(_: ProcessFailedError) -> None:
        """Being killed is what the test is about."""

    server = Valkey(folder, free_port(), PASSWORD, 30, on_death)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def evict(shop: ShopProcess, product_id: str, other: str) -> None:
    """Make the other one the only product that the worker has at hand (its cache holds one)."""
    assert (await get(shop, f"/products/{other}", **JSON))[0] == 200
    assert shop.reader.cached(product_id) is None


async def test_kafka_away_leaves_pages_and_search_without_numbers(stack: Stack, shelf: Catalogue) -> None:
    async with serving(shelf.settings) as shop:
        await until(lambda: shows(shop, "MUG", availability="few"))
        assert (await view(shop, "MUG")).variants[0].available == 8
        stack.kafka.pause()
        try:

            async def number_is_too_old() -> bool:
                shown = await view(shop, "MUG")
                assert shown.availability == "few"
                return shown.variants[0].available is None

            await until(number_is_too_old)
            assert (await get(shop, "/", **HTML))[0] == 200
            assert answer_of((await get(shop, "/search?q=mug", **JSON))[2]).total == 1
        finally:
            stack.kafka.resume()

        async def numbers_are_back() -> bool:
            return (await view(shop, "MUG")).variants[0].available == 8

        await until(numbers_are_back)


async def test_postgresql_away_is_nothing_to_readers(stack: Stack, shelf: Catalogue) -> None:
    """The shop keeps addresses there, and asks for them at a checkout only: it starts and serves without."""
    stack.postgres.pause()
    try:
        async with serving(shelf.settings, postgres_dsn=shelf.settings.postgres_dsn) as shop:
            await shelf.levels({"MUG": 0})
            await until(lambda: shows(shop, "MUG", availability="sold_out"))
            assert (await get(shop, "/search?q=mug", **HTML))[0] == 200
    finally:
        stack.postgres.resume()


async def test_a_frozen_valkey_costs_only_products_that_are_not_at_hand(shelf: Catalogue) -> None:
    address = urlsplit(shelf.settings.redis_url or "")
    async with TcpProxy(address.hostname or "", address.port or 0).listening() as proxy:
        slow = f"redis://:{address.password}@127.0.0.1:{proxy.port}/0"
        async with serving(shelf.settings, redis_url=slow, hot_products=1) as shop:
            await until(lambda: shop.pages.is_ready)
            await evict(shop, "TEE", "MUG")
            proxy.freeze()
            proxy.is_frozen = True
            began = time.monotonic()
            assert (await get(shop, f"/p/{MUG.slug}", **HTML))[0] == 200
            status, headers, _ = await get(shop, f"/p/{TEE.slug}", **HTML)
            assert (status, bool(headers["retry-after"])) == (503, True)
            assert (await get(shop, "/search?q=tee", **HTML))[0] == 200
            assert (await get(shop, "/products/MUG/related", **HTML))[0] == 200
            assert time.monotonic() - began < 10
            proxy.is_frozen = False
            for line in proxy.lines:
                line.cut()

            async def back() -> bool:
                return (await get(shop, f"/p/{TEE.slug}", **HTML))[0] == 200

            await until(back)


async def test_a_killed_valkey_is_replaced_by_its_replica(shelf: Catalogue, tmp_path: Path) -> None:
    async with valkey(tmp_path / "primary") as primary, valkey(tmp_path / "replica") as replica:
        copy = Redis.from_url(replica.address)
        await copy.config_set("masterauth", PASSWORD)
        await copy.replicaof("127.0.0.1", urlsplit(primary.address).port)
        async with serving(
            shelf.settings, redis_url=primary.address, replica_url=replica.address, hot_products=1
        ) as shop:
            await until(lambda: shop.pages.is_ready)

            async def copied() -> bool:
                try:
                    there: int = await copy.exists(f"{shelf.settings.namespace}page:{{TEE}}")
                except RedisError:
                    return False
                return there == 1

            await until(copied)
            await evict(shop, "TEE", "MUG")
            await primary.kill()
            assert (await get(shop, f"/p/{TEE.slug}", **HTML))[0] == 200
        await copy.aclose()


@pytest.mark.release
async def test_a_killed_shop_is_replaced_by_another_with_the_same_answers(
    shelf: Catalogue, environment: dict[str, str]
) -> None:
    await give_tables(shelf.settings.postgres_dsn or "")  # a shop of its own process sells, so it waits for the tables
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.local.room_process", "shop",
        env={**environment, "LASTUNIT_PARTITIONS": "2", "LASTUNIT_SHOP_PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with serving(shelf.settings) as shop:

            class Other:
                address = f"http://127.0.0.1:{port}"

            async def ready() -> bool:
                try:
                    return (await get(Other, "/shop/readyz"))[0] == 200  # type: ignore[arg-type]  # has an address too
                except OSError:
                    return False

            await until(ready)
            there = answer_of((await get(Other, "/search?q=mug", **JSON))[2])  # type: ignore[arg-type]
            process.send_signal(signal.SIGKILL)
            await process.wait()
            here = answer_of((await get(shop, "/search?q=mug", **JSON))[2])
            assert here.hits == there.hits
            assert here.facets == there.facets
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
