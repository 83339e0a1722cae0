"""Whoever buys: a browser's worth of cookies and forms over HTTP, and a system with all rooms to buy from."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from consumers.views.room import OrderViews, ViewsOptions
from infra.base.rooms import RECEIVER
from infra.base.settings import Settings
from infra.edge.shop.process import ShopProcess
from schemas import messages as m
from tests.harness.reading import Catalogue, serving
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.harness.waiting import until


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Shopper:
    """One browser: its cookies, and what it sends."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session, self.address = session, address

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._ask("GET", path, headers=headers)

    async def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        return await self._ask("POST", path, data=form or {}, headers=headers)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return await self._ask(method, path, json=body, headers={"Accept": "application/json", **headers})

    async def _ask(self, method: str, path: str, **arguments: Any) -> Answer:
        headers = {"Accept": "text/html"} | arguments.pop("headers")
        async with self.session.request(
            method, self.address + path, headers=headers, allow_redirects=False, **arguments
        ) as answer:
            return Answer(
                answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.text()
            )

    async def add(self, sku: str, quantity: int = 1) -> None:
        answer = await self.post("/cart/lines", {"sku": sku, "quantity": str(quantity)})
        assert (answer.status, answer.headers["location"]) == (303, "/cart"), answer

    async def check_out(self) -> tuple[str, dict[str, str]]:
        """Return where the quote of the cart is placed, and the form that places it."""
        answer = await self.get("/checkout")
        assert answer.status == 200, answer
        return form_of(answer.text)

    async def order(self, location: str, state: str) -> Answer:
        """Wait until an order is in this state, as its own page shows it."""
        answers: list[Answer] = []

        async def there() -> bool:
            answers.append(await self.get(location))
            return f'class="state {state}"' in answers[-1].text

        await until(there)
        return answers[-1]


def form_of(page: str) -> tuple[str, dict[str, str]]:
    """Return the address and the fields of the form that places a quote."""
    action = re.findall(r'action="(/checkouts/[^"]+)"', page)
    token = re.findall(r'name="quote" value="([^"]+)"', page)
    assert action, page
    return action[0], {"quote": token[0], "payment_token": "tok_ok"}


@asynccontextmanager
async def shopper(shop: ShopProcess) -> AsyncIterator[Shopper]:
    # The jar must keep cookies of an address without a name.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Shopper(session, shop.address)


@asynccontextmanager
async def selling(
    settings: Settings,
    folder: Path,
    products: list[m.Product],
    units: dict[str, int],
    *,
    webhooks: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[Shop, Catalogue, ShopProcess]]:
    """Run a whole system that sells these products, in this process but for the payment processor and its receiver.

    `options` are the shop's; with `postgres_dsn` it keeps addresses.
    """
    async with open_shop(in_miniature(settings), folder, webhooks=webhooks) as system, system.running():
        if webhooks:
            await system.supervisor.start(RECEIVER)
        catalogue = Catalogue(system.settings, system.publisher)
        await catalogue.put(products)
        await system.receive(**units)
        views = OrderViews(
            ViewsOptions(
                kafka_bootstrap=settings.kafka_bootstrap or "",
                redis_url=settings.redis_url or "",
                namespace=settings.namespace,
            )
        )
        viewing = asyncio.create_task(views.run())
        try:
            async with serving(system.settings, **options) as shop:

                async def stocked() -> bool:
                    product_ids = [product.product_id for product in products]
                    stored = await shop.reader.products(product_ids)
                    levels = [shop.reader.levels_of(product) for product in stored.values()]
                    known = {sku: level.available for each in levels for sku, level in each.items()}
                    return all(known.get(sku) == number for sku, number in units.items())

                await until(stocked)
                yield system, catalogue, shop
        finally:
            views.stop()
            await viewing
