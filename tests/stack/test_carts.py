"""Carts on the real Valkey: nothing added at the same time is lost, merges happen once, and a lost function is loaded again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from infra.base.settings import Settings
from infra.edge.shop.process import valkey as client_of
from producers.checkout.carts import MAX_CART_LINES, MAX_CART_UNITS, CartLine, Carts
from producers.errors import CartChangedError, CartFullError, CartsUnavailableError
from tests.stack.test_shop_failures import valkey

MUG, TEA = CartLine("MUG", 2, 350), CartLine("TEA", 1, 500)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = client_of(settings.redis_url or "")
    yield client
    await client.aclose()


@pytest.fixture
def carts(settings: Settings, redis: Redis) -> Carts:
    return Carts(redis, settings.namespace)


async def test_concurrent_changes_are_never_lost(settings: Settings, carts: Carts) -> None:
    async def device(number: int) -> None:
        client = client_of(settings.redis_url or "")
        own = Carts(client, settings.namespace)
        for _ in range(10):
            await own.add("c-1", [CartLine("MUG", 1), CartLine(f"S{number}", 1)])
        await client.aclose()

    await asyncio.gather(*map(device, range(16)))
    cart = await carts.read("c-1")
    assert {line.sku: line.quantity for line in cart.lines} == {"MUG": 160, **{f"S{n}": 10 for n in range(16)}}


async def test_a_cart_keeps_what_was_seen_what_is_for_later_and_its_version(carts: Carts) -> None:
    first = await carts.add("c", [MUG, TEA])
    assert first.lines == (MUG, TEA)
    later = await carts.save_for_later("c", "MUG")
    assert (later.lines, later.saved) == ((TEA,), (MUG,))
    back = await carts.put_back("c", "MUG")
    assert (back.lines, back.saved) == ((MUG, TEA), ())
    assert first.version < later.version < back.version
    with pytest.raises(CartChangedError) as caught:
        await carts.set("c", CartLine("MUG", 9), version=first.version)
    assert caught.value.version == back.version
    assert (await carts.set("c", CartLine("MUG", 0), version=back.version)).lines == (TEA,)
    with pytest.raises(CartChangedError):
        await carts.erase("c", version=first.version)
    await carts.save_for_later("c", "TEA")
    await carts.set("c", CartLine("TEA", 3))
    replaced = await carts.replace("c", [MUG])
    assert (replaced.lines, replaced.saved) == ((MUG,), (TEA,))  # what is for later stays
    assert (await carts.unsave("c", "TEA")).saved == ()
    await carts.save_for_later("c", "MUG")
    await carts.add("c", [MUG])
    removed = await carts.remove("c", "MUG")
    assert (removed.lines, removed.saved) == ((), ())
    await carts.erase("c")
    assert await carts.read("c") == (await carts.read("never-used")).__class__("c")


async def test_no_cart_grows_beyond_its_caps(carts: Carts) -> None:
    cart = await carts.add("c", [CartLine("MUG", MAX_CART_UNITS), CartLine("MUG", 10**9)])
    assert cart.lines == (CartLine("MUG", MAX_CART_UNITS),)
    others = [CartLine(f"S{number}", 1) for number in range(MAX_CART_LINES)]
    for change in (carts.add, carts.replace):
        with pytest.raises(CartFullError):
            await change("c", [*others, CartLine("TIN", 1)])
        assert await carts.read("c") == cart  # what is refused changes nothing
    full = await carts.replace("c", [*others, *others])
    assert len(full.lines) == MAX_CART_LINES
    with pytest.raises(CartFullError):
        await carts.set("c", CartLine("MUG", 1))
    assert (await carts.add("c", [CartLine("S1", 1)])).lines[1].quantity == 2


async def test_a_merge_takes_the_larger_quantity_once_however_often_it_is_repeated(carts: Carts) -> None:
    await carts.add("guest", [CartLine("MUG", 3), CartLine("TEA", 1)])
    await carts.save_for_later("guest", "TEA")
    await carts.add("mine", [CartLine("MUG", 2), CartLine("TIN", 1)])
    merged = await carts.merge("guest", "mine")
    assert (merged.lines, merged.saved) == ((CartLine("MUG", 3), CartLine("TIN", 1)), (CartLine("TEA", 1),))
    assert (await carts.read("guest")).lines == ()
    await carts.set("mine", CartLine("MUG", 1))
    assert (await carts.merge("guest", "mine")).lines[0] == CartLine("MUG", 1)
    await carts.add("guest", [CartLine("TIN", 5)])
    assert (await carts.merge("guest", "mine")).lines[-1] == CartLine("TIN", 5)


async def test_a_cart_that_is_merged_into_itself_stays_as_it_is(carts: Carts) -> None:
    cart = await carts.add("c", [MUG])
    assert await carts.merge("c", "c") == cart


async def test_what_an_order_wanted_is_put_back_as_often_as_it_is_asked_and_never_twice(carts: Carts) -> None:
    for _ in range(2):
        assert (await carts.restore("c", [MUG])).lines == (MUG,)
    await carts.set("c", CartLine("MUG", 0))
    assert (await carts.restore("c", [MUG])).lines == (MUG,)


async def test_a_merge_that_was_cut_short_is_finished_by_the_next(carts: Carts, redis: Redis) -> None:
    await carts.add("guest", [MUG])
    before = await redis.dump(carts._key("guest"))
    await carts.merge("guest", "mine")
    await redis.restore(
        carts._key("guest"), 0, before or b""
    )  # as if the process had died before the source was dropped
    await carts.set("mine", CartLine("MUG", 0))
    assert (await carts.merge("guest", "mine")).lines == ()
    assert (await carts.read("guest")).lines == ()


async def test_an_order_takes_its_lines_out_once(carts: Carts) -> None:
    await carts.add("c", [CartLine("MUG", 5)])
    for _ in range(3):
        cart = await carts.take("c", [CartLine("MUG", 2)], "order-1")
        assert cart.lines == (CartLine("MUG", 3),)


async def test_lost_functions_and_scripts_are_loaded_again(settings: Settings, carts: Carts, redis: Redis) -> None:
    await carts.add("c", [MUG])
    await redis.function_flush()
    assert (await carts.add("c", [MUG])).lines[0].quantity == 4
    await redis.acl_setuser(
        "script", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-fcall", "-function"], reset=True
    )
    address = urlsplit(settings.redis_url or "")
    own = client_of(f"redis://script:x@{address.hostname}:{address.port}/0")
    scripted = Carts(own, settings.namespace)
    try:
        assert (await scripted.add("c", [MUG])).lines[0].quantity == 6
        await redis.script_flush()
        assert (await scripted.add("c", [MUG])).lines[0].quantity == 8
    finally:
        await own.aclose()
        await redis.acl_deluser("script")


async def test_a_killed_valkey_has_the_carts_that_were_synced_and_is_reported_meanwhile(tmp_path: Path) -> None:
    async with valkey(tmp_path / "own") as server:
        client = client_of(server.address)
        carts = Carts(client)
        name = secrets.token_hex(4)
        try:
            cart = await carts.add(name, [MUG])
            # While a disk syncs what came before, Valkey keeps this in its memory for a moment (docs/decisions, 053).
            synced = cast("Awaitable[Any]", client.execute_command("WAITAOF", 1, 0, 10_000))  # type: ignore[no-untyped-call]
            assert (await synced)[0] == 1
            await server.kill()
            with pytest.raises(CartsUnavailableError):
                await carts.add(name, [MUG])
            await server.start()
            assert await carts.read(name) == cart
        finally:
            await client.aclose()
