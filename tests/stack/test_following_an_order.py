"""An order with charges and an address, from its checkout to what came back of it, as its buyer sees it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from infra.base.settings import Settings
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.buying import Answer, Shopper, form_of, selling, shopper
from tests.harness.cli import lastunit
from tests.harness.shop import Shop
from tests.harness.waiting import until
from tests.stack.test_shop import current
from tests.unit.search.shelf import product
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS

MUG = current(product("MUG", "Red Mug", price=350, category="Kitchen/Mugs"))
TEA = current(product("TEA", "Tea", price=1_000, category="Food"))
RULES = {
    "shipping_minor": 495,
    "shipping_free_from_minor": 5_000,
    "tax_bp": 2_000,
    "tax_bp_by_category": {"Food": 0},
    "prices_include_tax": False,
    "discounts": {"TEN": {"rate_bp": 1_000}},
}
HOME = {"name": "Ann Lee", "street": "1 High St", "postcode": "N1 1AA", "city": "London", "country": "GB"}

FOREIGN: Any = {"Sec-Fetch-Site": "cross-site"}


async def streamed(buyer: Shopper, location: str) -> list[str]:
    """Return the names of the events of an order's page until it ends."""
    path = location.replace("?", "/live?")
    async with buyer.session.get(buyer.address + path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line[7:].strip().decode() async for line in answer.content if line.startswith(b"event: ")]


async def bought(system: Shop, buyer: Shopper) -> tuple[str, Answer]:
    """Buy with a code and an address; return where the order is."""
    await buyer.add("MUG", 3)
    await buyer.add("TEA")
    page = await buyer.get("/checkout?code=TEN")
    # 2050 less 205; of the mugs' 945 20 % tax are 189; of the shipping 99.
    for amount in ("GBP -2.05", "GBP 1.89", "GBP 5.94", "Order and pay GBP 26.28"):
        assert amount in page.text, page.text
    action, form = form_of(page.text)
    wrong = await buyer.post(action, form | HOME | {"postcode": " ", "country": "Britain"})
    assert (wrong.status, wrong.text.count('aria-invalid="true"')) == (422, 2)
    assert 'value="1 High St"' in wrong.text
    placed = await buyer.post(action, form | HOME)
    assert placed.status == 303, placed
    location = placed.headers["location"]
    await buyer.order(location, "paid")
    await system.until_quiet(orders=1)
    return location, await buyer.get(location)


async def test_what_was_shown_is_charged_followed_sent_back_and_erased(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "charges.json").write_text(json.dumps(RULES))
    options: dict[str, Any] = {"charges_path": tmp_path / "charges.json", "postgres_dsn": settings.postgres_dsn}
    async with (
        selling(settings, tmp_path, [MUG, TEA], {"MUG": 9, "TEA": 9}, **options) as (system, _, shop),
        shopper(shop) as buyer,
        shopper(shop) as stranger,
    ):
        location, page = await bought(system, buyer)
        order_id = location.removeprefix("/orders/").partition("?")[0]
        for text in ("GBP -2.05", "GBP 26.28", "N1 1AA London", "Cancel the order"):
            assert text in page.text
        assert await system.value("SELECT captured_minor FROM payments") == 2_628
        assert await no_address_on_the_log(system)
        await refused_to_strangers(stranger, order_id)
        printed = await lastunit({**os.environ, **system.settings.environment()}, "shop", "address", order_id)
        assert printed.output.splitlines() == ["Ann Lee", "1 High St", "N1 1AA London", "GB"]
        await erased(buyer, kept=1)

        following = asyncio.create_task(streamed(buyer, location))
        await system.say(m.ShipOrder(order_id, "S1", (), "post", "T1"))
        await buyer.order(location, "shipped")
        await system.say(m.ConfirmDelivery(order_id, "S1"))
        arrived = await buyer.order(location, "delivered")
        assert "post T1: delivered" in arrived.text
        back = location.replace("?", "/returns?")
        asked = {"return_id": "shop-1", "line": "1", "reason": "too small"}
        answers = await asyncio.gather(*(buyer.post(back, asked) for _ in range(3)))
        assert {answer.status for answer in answers} == {303}
        await shows(buyer, location, "Return 1: asked for")
        assert (await buyer.post(back, asked)).status == 303
        assert (await buyer.post(back, asked | {"return_id": "shop-2"})).status == 422
        await system.say(m.ApproveReturn(order_id, "shop-1"))
        await system.say(m.ReceiveReturn(order_id, "shop-1", ()))
        # 1050 less 105 and 189 of tax; what it cost to send them is not paid back.
        await shows(buyer, location, "Paid back <b>GBP 11.34</b>")
        await buyer.post(back, {"return_id": "shop-2", "line": "2"})
        await shows(buyer, location, "Return 2: asked for")
        await system.say(m.ApproveReturn(order_id, "shop-2"), m.ReceiveReturn(order_id, "shop-2", ()))
        assert (await asyncio.wait_for(following, 30))[-1] == "end"
        await erased(buyer, kept=0)
        assert "N1 1AA" not in (await buyer.get(location)).text
        await system.until_quiet(orders=1)
        assert await system.value("SELECT captured_minor - refunded_minor FROM payments") == 594
        await cancelled_before_it_left(system, buyer)
        await asked_again_with_what_was_typed(stranger)
        await system.assert_sound()


async def asked_again_with_what_was_typed(buyer: Shopper) -> None:
    """Place a quote of before signing in: the answer is another quote, and the address stays where it was typed."""
    await buyer.add("TEA")
    action, form = await buyer.check_out()
    await buyer.post("/signin", {"customer": "eve"})
    other = await buyer.post(action, form | HOME)
    assert (other.status, 'value="1 High St"' in other.text) == (409, True)
    assert other.headers["cache-control"] == "private, no-cache"  # the back button leads to it


async def shows(buyer: Shopper, location: str, text: str) -> None:
    async def there() -> bool:
        return text in (await buyer.get(location)).text

    await until(there)


async def no_address_on_the_log(system: Shop) -> bool:
    texts = [
        repr(decode(record.value))
        for topic in (INVENTORY_COMMANDS, ORDER_EVENTS)
        for record in await system.records(topic)
    ]
    return not any(part in text for part in ("Ann Lee", "High St", "N1 1AA") for text in texts)


async def refused_to_strangers(stranger: Shopper, order_id: str) -> None:
    for path in ("", "/live"):
        assert (await stranger.get(f"/orders/{order_id}{path}")).status == 404
    for path in ("/cancel", "/returns", "/again"):
        assert (await stranger.post(f"/orders/{order_id}{path}")).status == 404


async def erased(buyer: Shopper, *, kept: int) -> None:
    foreign = await buyer.post("/addresses/erase", **FOREIGN)
    assert foreign.status == 403
    answer = await buyer.post("/addresses/erase", Accept="application/json")
    assert json.loads(answer.text) == {"erased": 1 - kept, "kept": kept}


async def cancelled_before_it_left(system: Shop, buyer: Shopper) -> None:
    await buyer.add("TEA")
    action, form = await buyer.check_out()
    location = (await buyer.post(action, form | HOME)).headers["location"]
    await buyer.order(location, "paid")
    cancel = location.replace("?", "/cancel?")
    assert (await buyer.post(cancel, **FOREIGN)).status == 403
    assert (await buyer.post(cancel)).status == 303
    page = await buyer.order(location, "cancelled")
    await shows(buyer, location, "Paid back <b>GBP 15.94</b>")
    assert "Cancel the order" not in page.text
    await system.until_quiet(orders=2)
