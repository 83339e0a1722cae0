"""Buying over HTTP from a whole system: quote and place per CPU second of the shop, percentiles by an open loop, click to paid."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
import numpy as np

from infra.base.rooms import SHOP
from infra.local.supervisor import Supervisor
from infra.local.system import FEW_PARTITIONS
from infra.ops.audit import verify
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher
from schemas.codec.wire import decode
from schemas.messages import OrderPaid
from tests.benchmarks.harness.report import at_most
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import spread
from tests.harness.reading import Catalogue
from tests.harness.shop import Shop
from tests.harness.waiting import until
from tests.stack.test_shop import current
from tests.unit.search.shelf import product
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from infra.base.settings import Settings
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

SKUS: Final = 40
LINES: Final = 10
AT_A_TIME: Final = 8
UNITS: Final = 900_000
RATE: Final = 4.0
"""Buyers a second in the open loop: an unloaded shop."""
PAID_SECONDS: Final = 120.0
PATIENCE: Final = 20
"""How often a buyer is asked to come again before they give up."""


class Buyer:
    """One buyer with a cart of ten lines; `clicked_ms` is when they placed (epoch, UTC).

    Who is asked to come again (503), as by a shop that is behind with prices on a busy machine, does, and counts it.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str, number: int) -> None:
        self._session, self._address, self._number = session, address, number
        self.times_sent_away = 0
        self._headers = {"Accept": "application/json", "Cookie": f"guest={number:022d}"}
        self._quote: dict[str, Any] = {}
        self.clicked_ms = 0.0

    @property
    def order_id(self) -> str:
        """The id that the quote gave the order."""
        return str(self._quote["order_id"])

    async def fill(self) -> None:
        """Put ten articles into the cart."""
        skus = [f"S{(self._number + line * 3) % SKUS}" for line in range(LINES)]
        await self._asked("PUT", "/carts/me", 200, {"lines": [{"sku": sku, "quantity": 1} for sku in skus]})

    async def quote(self) -> None:
        """Check out."""
        self._quote = await self._asked("POST", "/checkouts", 201)

    async def place(self) -> None:
        """Place the quote."""
        self.clicked_ms = time.time() * 1000
        await self._asked("POST", self._quote["place"], 202, {"quote": self._quote["quote"], "payment_token": "tok_ok"})

    async def _asked(self, method: str, path: str, status: int, body: Any = None) -> Any:
        address = self._address + path
        while True:
            async with self._session.request(method, address, json=body, headers=self._headers) as answer:
                text = await answer.read()
                if answer.status == status:
                    return msgspec.json.decode(text)
                if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or self.times_sent_away >= PATIENCE:
                    raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
                self.times_sent_away += 1
                await asyncio.sleep(int(answer.headers["retry-after"]))


async def check_out(options: Options, report: Report) -> None:
    """Measure all of it in a system of its own, and have its books judged."""
    async with running_servers(options) as servers, AsyncExitStack() as open_ones:
        settings = await servers.shop("buy", partitions=options.partitions or FEW_PARTITIONS)
        publisher = await open_ones.enter_async_context(
            Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace)
        )
        folder = servers.settings.state_dir / "buy"
        system = await open_ones.enter_async_context(
            Supervisor(settings.model_copy(update={"state_dir": folder}), folder=folder, together=True, shop=True)
        )
        await system.start_all()
        await _stock(system.settings, publisher)
        session = await open_ones.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        address = f"http://127.0.0.1:{system.settings.shop_port}"
        await until(lambda: _can_buy(session, address), seconds=PAID_SECONDS)
        await _per_cpu_second(options, report, system, session, address)
        unhurried = await _open_loop(options, report, session, address)
        await _until_paid(report, system.settings, publisher, system, unhurried)
        audit = await verify(system.settings, processor_url=system.processor_url)
        report.breaches += [f"{finding.name}: {finding.detail}" for finding in audit.findings if not finding.holds]


async def _stock(settings: Settings, publisher: Publisher) -> None:
    mugs = [current(product(f"S{number}", f"Mug {number}", price=300 + number)) for number in range(SKUS)]
    await Catalogue(settings, publisher).put(mugs)
    await StockClient(publisher).receive(receipts_of("delivery", {f"S{number}": UNITS for number in range(SKUS)}))


async def _can_buy(session: aiohttp.ClientSession, address: str) -> bool:
    """Return whether everything is there for a first buyer, who buys."""
    buyer = Buyer(session, address, 0)
    try:
        await buyer.fill()
        await buyer.quote()
        await buyer.place()
    except (RuntimeError, KeyError, aiohttp.ClientError, OSError):
        return False
    return True


async def _per_cpu_second(
    options: Options, report: Report, system: Supervisor, session: aiohttp.ClientSession, address: str
) -> None:
    number = 20 if options.quick else 200
    rates: dict[str, list[float]] = {"quote": [], "place": []}
    away = 0
    for turn in range(options.rounds):
        own = [Buyer(session, address, 1 + turn * number + each) for each in range(number)]
        await _all(own, Buyer.fill)
        for name, step in (("quote", Buyer.quote), ("place", Buyer.place)):
            before = system.cpu_seconds()[SHOP]
            await _all(own, step)
            rates[name].append(number / (system.cpu_seconds()[SHOP] - before))
        away += sum(buyer.times_sent_away for buyer in own)
        say(f"round {turn + 1} of {options.rounds}: {rates['quote'][-1]:.0f} quotes, {rates['place'][-1]:.0f} placed")
    report.figure("http_buyers_asked_to_come_again", away)
    for name, text in (("quote", "quotes over HTTP"), ("place", "orders placed over HTTP")):
        report.spreads[f"{text}, ten lines, per CPU second of the shop"] = spread(rates[name])
        report.figure(f"http_{name}s_per_cpu_s", spread(rates[name]).median)


async def _all(buyers: Sequence[Buyer], step: Callable[[Buyer], Awaitable[None]]) -> None:
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(buyer: Buyer) -> None:
        async with turns:
            await step(buyer)

    await asyncio.gather(*map(one, buyers))


async def _open_loop(options: Options, report: Report, session: aiohttp.ClientSession, address: str) -> list[Buyer]:
    """Let buyers come by a schedule that waits for nobody; a late answer counts from when it was due."""
    number = 10 if options.quick else 200
    buyers = [Buyer(session, address, 1_000_000 + each) for each in range(number)]
    await _all(buyers, Buyer.fill)
    taken: dict[str, list[float]] = {"quote": [], "place": []}
    began = time.perf_counter()

    async def buy(buyer: Buyer, due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await buyer.quote()
        quoted = time.perf_counter()
        await buyer.place()
        taken["quote"].append((quoted - due) * 1000)
        taken["place"].append((time.perf_counter() - quoted) * 1000)

    await asyncio.gather(*(buy(buyer, began + each / RATE) for each, buyer in enumerate(buyers)))
    for name, values in taken.items():
        p50_ms, p99_ms = np.percentile(values, (50, 99)).tolist()
        report.figure(f"http_{name}_p50_ms", p50_ms)
        report.figure(f"http_{name}_p99_ms", p99_ms)
    report.figure("open_loop_buyers_asked_to_come_again", sum(buyer.times_sent_away for buyer in buyers))
    report.bars["http_quote_p99_ms"] = at_most(report.figures["http_quote_p99_ms"], 20)
    return buyers


async def _until_paid(
    report: Report, settings: Settings, publisher: Publisher, system: Supervisor, buyers: Sequence[Buyer]
) -> None:
    """Wait until every order is paid, and report how long that was, from the click to the record of it."""
    shop = Shop(settings, system, publisher, None)  # type: ignore[arg-type]  # reads the log only
    paid: dict[str, int] = {}

    async def all_are() -> bool:
        for record in await shop.records(ORDER_EVENTS):
            message = decode(record.value) if record.value is not None else None
            if isinstance(message, OrderPaid):
                paid.setdefault(message.order_id, record.timestamp)
        return all(buyer.order_id in paid for buyer in buyers)

    await until(all_are, seconds=PAID_SECONDS, poll_seconds=1.0)
    waits = [paid[buyer.order_id] - buyer.clicked_ms for buyer in buyers]
    p50_ms, p99_ms = np.percentile(waits, (50, 99)).tolist()
    report.figure("click_to_paid_p50_ms", p50_ms)
    report.figure("click_to_paid_p99_ms", p99_ms)
