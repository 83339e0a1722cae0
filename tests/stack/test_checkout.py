"""Buying, with all rooms at work: one order for however many clicks, at the price that was shown, or everything that is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
from redis.asyncio import Redis

from infra.base.settings import Settings
from infra.edge.shop.placing import Claim
from infra.local.stack import Stack
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.buying import Shopper, form_of, selling, shopper
from tests.harness.shop import PARTITIONS, Shop
from tests.harness.waiting import until
from tests.stack.test_shop import NOW, current
from tests.stack.test_shop_failures import free_port
from tests.unit.search.shelf import product
from topology.topics import INVENTORY_COMMANDS

MUG = current(product("MUG", "Red <i>Mug</i>", price=350, category="Kitchen/Mugs"))
CUP = current(product("CUP", "Blue Mug", price=420, category="Kitchen/Mugs"))


async def orders_on_the_log(system: Shop) -> set[str]:
    messages = [decode(record.value) for record in await system.records(INVENTORY_COMMANDS)]
    return {message.order_id for message in messages if isinstance(message, m.PlaceOrderLine)}


async def test_one_order_of_however_many_clicks_is_paid_at_the_price_that_was_shown(
    settings: Settings, tmp_path: Path
) -> None:
    async with (
        selling(settings, tmp_path, [MUG, CUP], {"MUG": 3, "CUP": 5}) as (system, _, shop),
        shopper(shop) as buyer,
        shopper(shop) as stranger,
    ):
        await buyer.add("MUG", 2)
        await buyer.add("CUP")
        cart = (await buyer.get("/cart")).text
        assert "GBP 11.20" in cart
        assert "A cart reserves nothing" in cart
        assert "<i>Mug" not in cart
        action, form = await buyer.check_out()
        answers = await asyncio.gather(*(buyer.post(action, form) for _ in range(4)))
        assert {answer.status for answer in answers} == {303}
        (location,) = {answer.headers["location"] for answer in answers}
        page = await buyer.order(location, "paid")
        assert "GBP 11.20" in page.text
        assert (await buyer.post(action, form)).headers["location"] == location
        assert len(await orders_on_the_log(system)) == 1
        assert "Your cart is empty" in (await buyer.get("/cart")).text
        assert location.split("?")[0] in (await buyer.get("/orders")).text
        await system.until_quiet(orders=1)
        assert {sku: level.allocated for sku, level in (await system.levels()).items()} == {"MUG": 2, "CUP": 1}
        assert (await stranger.get(location.split("?")[0])).status == 404
        assert (await stranger.get(location.split("?")[0] + "?key=AAAA")).status == 404
        assert (await stranger.post(location.split("?")[0] + "/cancel")).status == 404
        refused = await stranger.post(action, form)
        assert (refused.status, "Your cart is empty" in refused.text) == (409, True)
        assert (await stranger.get(location)).status == 200  # whoever has the whole link was given it


async def test_what_changed_meanwhile_is_shown_before_anything_is_charged(settings: Settings, tmp_path: Path) -> None:
    async with (
        selling(settings, tmp_path, [MUG, CUP], {"MUG": 3, "CUP": 5}) as (system, catalogue, shop),
        shopper(shop) as buyer,
        shopper(shop) as other,
    ):
        await buyer.add("MUG", 2)
        await buyer.add("CUP", 5)
        action, form = await buyer.check_out()
        await other.add("MUG", 2)
        there, other_form = await other.check_out()
        placed = await other.post(there, other_form)
        await other.order(placed.headers["location"], "paid")
        dearer = current(CUP, (500, NOW))
        await catalogue.put([msgspec.structs.replace(dearer, version=2)])

        async def dear() -> bool:
            cart = (await buyer.get("/cart")).text
            return "GBP 25.00" in cart and "It was GBP 4.20" in cart and "Only 1 left" in cart

        await until(dear)
        refused = await buyer.post(action, form, Accept="application/json")
        assert refused.status == 409
        problems = {each["sku"]: each for each in json.loads(refused.text)["quote"]["problems"]}
        assert (problems["MUG"]["kind"], problems["MUG"]["wanted"], problems["MUG"]["available"]) == ("too_few", 2, 1)
        assert problems["MUG"]["alternatives"] == [[CUP.slug, "Blue Mug"]]
        assert (problems["CUP"]["old_minor"], problems["CUP"]["new_minor"]) == (420, 500)
        assert len(await orders_on_the_log(system)) == 1
        await buyer.post("/cart/lines", {"sku": "MUG", "quantity": "1", "do": "set"})
        page = await buyer.post("/checkouts")
        assert "costs GBP 5.00 now; it was GBP 4.20" in page.text
        action, form = form_of(page.text)
        forged = form | {"quote": form["quote"][:-4] + "AAAA"}
        assert (await buyer.post(action, forged)).status == 422
        placed = await buyer.post(action, form | {"payment_token": "tok_declined"})
        lost = await buyer.order(placed.headers["location"], "rejected")
        assert "payment declined" in lost.text
        assert (await buyer.post(placed.headers["location"].replace("?", "/again?"))).status == 303
        action, form = await buyer.check_out()
        await buyer.order((await buyer.post(action, form)).headers["location"], "paid")
        await system.until_quiet(orders=3)
        paid = await system.database.fetch("SELECT amount_minor FROM orders WHERE state = 'paid' ORDER BY amount_minor")
        assert [row["amount_minor"] for row in paid] == [700, 350 + 2500]
        await system.assert_sound()


async def test_servers_away_lose_no_cart_and_make_no_second_order(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    async with (
        selling(settings, tmp_path, [MUG], {"MUG": 1}) as (system, _, shop),
        shopper(shop) as buyer,
    ):
        await buyer.add("MUG")
        action, form = await buyer.check_out()
        stack.kafka.pause()
        try:
            refused = await buyer.post(action, form)
        finally:
            stack.kafka.resume()
        assert (refused.status, bool(refused.headers["retry-after"])) == (503, True)
        assert "GBP 3.50" in (await buyer.get("/cart")).text

        async def placed() -> bool:
            return (await buyer.post(action, form)).status == 303

        await until(placed)
        location = (await buyer.post(action, form)).headers["location"]
        await buyer.order(location, "paid")
        # As if the process had died between publishing and noting that it had.
        redis = Redis.from_url(settings.redis_url or "")
        (key,) = await redis.keys(f"{settings.namespace}shop:checkout:*")
        await redis.set(key, msgspec.json.encode(Claim("tok_ok")))
        assert (await buyer.post(action, form)).headers["location"] == location
        await system.until_quiet(orders=1)
        assert len(await orders_on_the_log(system)) == 1
        await redis.aclose()
        stack.valkey.pause()
        try:
            away = await buyer.get("/cart")
        finally:
            stack.valkey.resume()
        assert (away.status, bool(away.headers["retry-after"])) == (503, True)
        await system.assert_sound()


async def test_a_shop_that_is_killed_while_orders_are_placed_makes_each_once(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    own = {
        **environment,
        "LASTUNIT_PARTITIONS": str(PARTITIONS),
        "LASTUNIT_SHOP_PORT": str(port),
        "LASTUNIT_STATE_DIR": str(tmp_path / "state"),
    }

    async def started(buyer: Shopper) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.local.room_process", "shop",
            env=own, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

        async def ready() -> bool:
            with contextlib.suppress(aiohttp.ClientError):
                return (await buyer.get("/shop/readyz")).status == 200
            return False

        await until(ready)
        return process

    async with selling(settings, tmp_path, [MUG], {"MUG": 9}) as (system, _, _), AsyncExitStack() as sessions:
        buyers = []
        for _ in range(4):
            session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
            buyers.append(Shopper(await sessions.enter_async_context(session), f"http://127.0.0.1:{port}"))
        process = await started(buyers[0])
        quotes = []
        for buyer in buyers:
            await buyer.add("MUG", 2)
            quotes.append(await buyer.check_out())
        clicks = [
            asyncio.create_task(buyer.post(action, form)) for buyer, (action, form) in zip(buyers, quotes, strict=True)
        ]
        await asyncio.wait(clicks, return_when=asyncio.FIRST_COMPLETED)  # the others are anywhere
        process.kill()
        await process.wait()
        await asyncio.gather(*clicks, return_exceptions=True)
        process = await started(buyers[0])
        try:
            for buyer, (action, form) in zip(buyers, quotes, strict=True):
                answer = await buyer.post(action, form)
                assert answer.status == 303, answer
                await buyer.order(answer.headers["location"], "paid")
                assert "Your cart is empty" in (await buyer.get("/cart")).text
        finally:
            process.kill()
            await process.wait()
        assert len(await orders_on_the_log(system)) == len(buyers)
        await system.until_quiet(orders=len(buyers))
        await system.assert_sound()
