"""A quote that was accepted is placed at its price or not at all, wherever the shop dies and whenever the click comes again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from consumers.views.store import _order_key
from infra.base.settings import Settings
from infra.edge.shop import placing
from infra.edge.shop.placing import Claim
from infra.edge.shop.process import ShopProcess
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.buying import Answer, Shopper, selling, shopper
from tests.harness.reading import Catalogue
from tests.harness.shop import Shop
from tests.harness.waiting import until
from tests.stack.test_shop import NOW, current
from tests.unit.search.shelf import product
from topology.topics import INVENTORY_COMMANDS

MUG = current(product("MUG", "Red Mug", price=350, category="Kitchen/Mugs"))


async def dearer(catalogue: Catalogue, shop: ShopProcess, version: int, minor: int) -> None:
    """Change the price of a mug, and wait until the shop knows it."""
    await catalogue.put([msgspec.structs.replace(current(MUG, (minor, NOW)), version=version)])

    async def known() -> bool:
        mug = await shop.reader.product("MUG")
        return mug is not None and mug.version == version

    await until(known)


async def died_before_publishing(redis: Redis, settings: Settings, order_id: str) -> None:
    """Leave what a process leaves that died after it had claimed an order."""
    await redis.delete(f"{settings.namespace}shop:verdict:{{{order_id}}}")
    await redis.set(f"{settings.namespace}shop:checkout:{{{order_id}}}", msgspec.json.encode(Claim("tok_ok")))


async def prices_on_the_log(system: Shop, order_id: str) -> list[int]:
    """Return the unit prices of all that was published to place an order."""
    messages = [decode(record.value) for record in await system.records(INVENTORY_COMMANDS)]
    return [
        message.unit_price_minor
        for message in messages
        if isinstance(message, m.PlaceOrderLine) and message.order_id == order_id
    ]


async def accepted(buyer: Shopper) -> tuple[str, str, dict[str, str]]:
    """Put a mug into the cart and check out; return the order's id, where the quote is placed, and the form."""
    await buyer.add("MUG")
    action, form = await buyer.check_out()
    return action.split("/")[2], action, form


async def clicked(buyer: Shopper, action: str, form: dict[str, str]) -> Answer:
    """Click until there is an answer other than to come again."""
    answers: list[Answer] = []

    async def answered() -> bool:
        answers.append(await buyer.post(action, form, Accept="application/json"))
        return answers[-1].status != 503

    await until(answered)
    return answers[-1]


async def state_of(system: Shop, order_id: str) -> str | None:
    state: str | None = await system.value("SELECT state FROM orders WHERE order_id = $1", order_id)
    return state


async def test_a_click_whose_shop_died_is_placed_at_a_price_that_holds_or_withdrawn(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = Redis.from_url(settings.redis_url or "")
    monkeypatch.setattr(placing, "SEEN_SECONDS", 0.3)
    async with (
        selling(settings, tmp_path, [MUG], {"MUG": 9}) as (system, catalogue, shop),
        shopper(shop) as buyer,
        shopper(shop) as other,
        shopper(shop) as third,
    ):
        # It died before it published: the price that was accepted is over when the click comes again.
        order_id, action, form = await accepted(buyer)
        await died_before_publishing(redis, settings, order_id)
        await dearer(catalogue, shop, 2, 500)
        twice = await asyncio.gather(*(clicked(buyer, action, form) for _ in range(2)))
        assert {answer.status for answer in twice} == {409}
        again = json.loads(twice[0].text)["quote"]
        assert (again["problems"][0]["old_minor"], again["problems"][0]["new_minor"]) == (350, 500)
        assert again["order_id"] != order_id
        assert "GBP 5.00" in (await buyer.get("/cart")).text
        action, form = await buyer.check_out()
        location = (await clicked(buyer, action, form)).headers["location"]
        await buyer.order(location, "paid")
        assert await prices_on_the_log(system, order_id) == []

        # It died before it noted that it had published: seen on the log, the order stands, whatever the price is by now.
        order_id, action, form = await accepted(other)
        location = (await clicked(other, action, form)).headers["location"]
        await other.order(location, "paid")
        await died_before_publishing(redis, settings, order_id)
        await dearer(catalogue, shop, 3, 600)
        assert (await clicked(other, action, form)).headers["location"] == location
        assert await prices_on_the_log(system, order_id) == [500]

        # The same, and it is not to be seen: what it has done by now is undone.
        order_id, action, form = await accepted(third)
        await third.order((await clicked(third, action, form)).headers["location"], "paid")
        await died_before_publishing(redis, settings, order_id)
        view = _order_key(settings.namespace, order_id)
        events: dict[Any, Any] = await redis.hgetall(view)
        await redis.delete(view)
        await dearer(catalogue, shop, 4, 700)
        assert (await clicked(third, action, form)).status == 409
        await redis.hset(view, mapping=events)

        async def is_cancelled() -> bool:
            return await state_of(system, order_id) == "cancelled"

        await until(is_cancelled)
        assert (await clicked(third, action, form)).status == 409
        await system.until_quiet()
        assert (
            await system.value("SELECT captured_minor - refunded_minor FROM payments WHERE order_id = $1", order_id)
            == 0
        )
        await system.assert_sound()

        # What one click was refused for, no other one gets, though the price is back meanwhile.
        order_id, action, form = await accepted(third)
        await dearer(catalogue, shop, 5, 750)
        assert (await clicked(third, action, form)).status == 409
        await dearer(catalogue, shop, 6, 700)
        assert (await clicked(third, action, form)).status == 409
        assert (await prices_on_the_log(system, order_id), await state_of(system, order_id)) == ([], None)

        # The control: where nothing is compared, a price that is over is charged.
        order_id, action, form = await accepted(third)
        await asyncio.gather(died_before_publishing(redis, settings, order_id), dearer(catalogue, shop, 7, 800))
        monkeypatch.setattr(placing, "differences", lambda _quote, _offers: [])
        assert (await clicked(third, action, form)).status == 202
        assert await prices_on_the_log(system, order_id) == [700]
    await redis.aclose()
