"""Carts over HTTP: forms, documents, signing in, and what must not get through."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from infra.edge.shop.visitors import new_guest_id
from schemas.codec.wire import decode
from schemas.messages import ShopSignal
from tests.harness.buying import form_of, shopper
from tests.harness.reading import Catalogue, catalogue, serving
from tests.harness.waiting import until
from tests.stack.test_shop import MUG, TEE, shows
from topology.topics import SHOP_SIGNALS


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings) as opened:
        await opened.put([MUG, TEE])
        await opened.levels({"MUG": 50, "T-S": 3})
        yield opened


@pytest.fixture
async def shop(shelf: Catalogue) -> AsyncIterator[ShopProcess]:
    async with serving(shelf.settings) as process:
        await until(lambda: process.pages.is_ready)
        await until(lambda: shows(process, "MUG", availability="in_stock"))
        yield process


async def test_a_guest_fills_changes_and_empties_a_cart_by_forms_and_links(shop: ShopProcess) -> None:
    async with shopper(shop) as buyer:
        assert (await buyer.get("/cart?add=MUG:3")).headers["location"] == "/cart"
        await buyer.add("T-S", 5)
        page = (await buyer.get("/cart")).text
        assert "Only 3 left" in page
        assert "GBP 10.50" in page
        for form in (
            {"sku": "T-S", "do": "later"},
            {"sku": "MUG", "do": "set", "quantity": "1"},
            {"sku": "T-S", "do": "back"},
            {"sku": "T-S", "do": "remove"},
        ):
            assert (await buyer.post("/cart/lines", form)).status == 303
        page = (await buyer.get("/cart")).text
        assert "GBP 3.50" in page
        assert "Blue Tee" not in page
        for quantity in ("0", "-1", "1000", "1e3", "٣", "", "99999999999999999999"):
            assert (await buyer.post("/cart/lines", {"sku": "MUG", "quantity": quantity})).status == 404
        assert (await buyer.get("/cart?add=NOTHING:1")).status == 404


async def test_signing_in_merges_the_cart_and_gives_a_new_guest_id(shop: ShopProcess) -> None:
    async with shopper(shop) as buyer, shopper(shop) as thief:
        known = new_guest_id()
        buyer.session.cookie_jar.update_cookies({"guest": known})
        await buyer.add("MUG", 2)
        assert (await buyer.post("/signin", {"customer": "guest-1"})).status == 422
        assert (await buyer.post("/signin", {"customer": "ann"})).status == 303
        assert "Red &amp; &lt;b&gt;Retro" in (await buyer.get("/cart")).text
        names = {cookie.key: cookie.value for cookie in buyer.session.cookie_jar}
        assert names["guest"] != known
        thief.session.cookie_jar.update_cookies({"guest": known, "customer": names["customer"][:-2] + "AA"})
        assert "Your cart is empty" in (await thief.get("/cart")).text
        async with shopper(shop) as phone:
            await phone.post("/signin", {"customer": "ann"})
            assert "GBP 7.00" in (await phone.get("/cart")).text
        await buyer.post("/signout")
        assert "Your cart is empty" in (await buyer.get("/cart")).text


async def test_carts_are_documents_with_versions(shop: ShopProcess) -> None:
    async with shopper(shop) as program:
        path = f"/carts/{new_guest_id()}"
        made = await program.send("PUT", path, {"lines": [{"sku": "MUG", "quantity": 2}]})
        assert (made.status, json.loads(made.text)["holds_stock"]) == (200, False)
        changed = await program.send(
            "PATCH", f"{path}/lines/MUG", {"quantity": 3}, **{"If-Match": made.headers["etag"]}
        )
        assert json.loads(changed.text)["lines"][0]["quantity"] == 3
        stale = await program.send("PATCH", f"{path}/lines/MUG", {"quantity": 9}, **{"If-Match": made.headers["etag"]})
        assert (stale.status, stale.headers["content-type"]) == (412, "application/problem+json")
        bodies: tuple[Any, ...] = ({"quantity": -1}, {"quantity": 10**9}, {"quantity": "2"}, [], {"quantity": 1.5})
        for body in bodies:
            assert (await program.send("PATCH", f"{path}/lines/MUG", body)).status == 422
        for tag in ('W/"5"', "abc", "-1"):  # none of them is the cart's
            for method, where, body in (("PATCH", f"{path}/lines/MUG", {"quantity": 9}), ("DELETE", path, None)):
                assert (await program.send(method, where, body, **{"If-Match": tag})).status == 412
        assert (await program.send("PATCH", f"{path}/lines/MUG", {"quantity": 3}, **{"If-Match": "*"})).status == 200
        too_many = {"lines": [{"sku": f"S{number}", "quantity": 1} for number in range(101)]}
        assert (await program.send("PUT", path, too_many)).status == 422
        assert json.loads((await program.send("POST", f"{path}/merge", {"source": path[7:]})).text)["lines"] == [
            {"sku": "MUG", "quantity": 3, "seen_minor": None}
        ]
        assert (await program.send("GET", "/carts/1")).status == 404
        other = f"/carts/{new_guest_id()}"
        merged = await program.send("POST", f"{other}/merge", {"source": path.rpartition("/")[2]})
        assert json.loads(merged.text)["lines"][0]["quantity"] == 3
        assert (await program.send("DELETE", f"{other}/lines/MUG")).status == 200
        assert (await program.send("DELETE", other)).status == 204
        assert json.loads((await program.send("GET", other)).text)["version"] == 0


async def test_a_payment_that_is_none_is_refused_before_anything_is_placed(shop: ShopProcess) -> None:
    async with shopper(shop) as program:
        await program.add("MUG", 2)
        quote = json.loads((await program.send("POST", "/checkouts")).text)
        for token in ("", "x" * 10_000, "a\nb", "tok_\u0000", None, 5):
            body = {"quote": quote["quote"], "payment_token": token}
            assert (await program.send("POST", quote["place"], body)).status == 422
        body = {"quote": quote["quote"], "payment_token": "tok_ok"}
        assert (await program.send("POST", quote["place"], body)).status == 202


async def test_a_quote_of_before_signing_in_leads_to_the_cart_of_now(shop: ShopProcess) -> None:
    async with shopper(shop) as buyer:
        await buyer.add("MUG", 2)
        action, form = await buyer.check_out()
        await buyer.post("/signin", {"customer": "ann"})
        page = await buyer.post(action, form)
        assert (page.status, "You have signed in or out meanwhile" in page.text) == (409, True)
        assert "Order and pay GBP 7.00" in page.text
        action, form = form_of(page.text)
        assert (await buyer.post(action, form)).status == 303


async def test_whatever_a_request_is_the_answer_is_a_page_or_a_problem(shop: ShopProcess) -> None:
    async with shopper(shop) as buyer:
        assert "<h1>That cannot be done</h1>" in (await buyer.get("/checkouts")).text
        wrong = await buyer.send("PATCH", "/checkouts")
        assert (wrong.status, wrong.headers["content-type"]) == (405, "application/problem+json")
        torn = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "text/html"}
        async with buyer.session.post(f"{shop.address}/cart/lines", data=b"--x", headers=torn) as answer:
            assert (answer.status, "<h1>That cannot be done</h1>" in await answer.text()) == (400, True)
        for code in ("<script>", "%00", "x" * 5_000, "%ff"):
            page = await buyer.get(f"/checkout?code={code}")
            assert (page.status, "<script>" in page.text) == (200, False)


async def test_no_other_site_changes_a_cart_and_cookies_are_out_of_scripts_reach(shop: ShopProcess) -> None:
    async with shopper(shop) as buyer:
        form = {"sku": "MUG"}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert (await buyer.post("/cart/lines", form, **headers)).status == 403
        own = await buyer.post("/cart/lines", form, Origin=shop.address)
        assert own.status == 303
        cookie = own.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        page = await buyer.get("/cart")
        assert page.headers["cache-control"] == "private, no-store"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script>" not in page.text


async def test_what_stands_in_a_cart_that_was_left_is_signalled_once(shelf: Catalogue) -> None:
    signals = f"{shelf.settings.namespace}{SHOP_SIGNALS.name}"
    consumer = AIOKafkaConsumer(
        signals, bootstrap_servers=shelf.settings.kafka_bootstrap, auto_offset_reset="earliest", group_id=None
    )
    async with serving(shelf.settings, abandoned_after_s=1, sweep_seconds=0.2) as shop, shopper(shop) as buyer:
        await until(lambda: shows(shop, "MUG", availability="in_stock"))
        path = f"/carts/{new_guest_id()}"
        await buyer.send("PUT", path, {"lines": [{"sku": "MUG", "quantity": 2}]})
        await buyer.send("PUT", f"/carts/{new_guest_id()}", {"lines": []})
        await consumer.start()
        received_signals: list[ShopSignal] = []

        async def left(number: int) -> bool:
            batches = await consumer.getmany(timeout_ms=100)
            messages = [decode(record.value or b"") for records in batches.values() for record in records]
            received_signals.extend(
                each for each in messages if isinstance(each, ShopSignal) and each.kind == "abandoned"
            )
            return len(received_signals) >= number

        try:
            await until(lambda: left(1))
            await buyer.send("PATCH", f"{path}/lines/MUG", {"quantity": 3})
            await until(lambda: left(2))  # left again: only then is there another one
        finally:
            await consumer.stop()
        assert [(each.product_id, len(each.visitor)) for each in received_signals] == [("MUG", 24)] * 2
        assert path.rpartition("/")[2] not in str(received_signals)
