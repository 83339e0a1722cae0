"""`make chaos-shoppers`: shoppers walk through the shop while every process is killed; each click is one order, at what it showed.

It prints progress, then one line of JSON. The exit status is 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec

from infra.base.migrate import migrate
from infra.base.rooms import RECEIVER, ROOMS, SHOP, TOGETHER
from infra.base.settings import Settings
from infra.local.stack import run_until_interrupted
from infra.local.supervisor import Supervisor
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher
from schemas import messages as m
from schemas.codec.wire import decode
from tests.benchmarks.harness.options import ROOT, Options
from tests.benchmarks.harness.servers import running_servers
from tests.chaos.killing import Killer
from tests.chaos.run import REST_SECONDS, SESSION_MS
from tests.chaos.walk import Click, Walk, Walked
from tests.harness.buying import Shopper
from tests.harness.reading import Catalogue
from tests.harness.shop import Shop
from tests.harness.waiting import until
from tests.stack.test_shop import current
from tests.unit.search.shelf import product
from topology import admin
from topology.topics import INVENTORY_COMMANDS

FOLDER: Final = ROOT / ".lastunit" / "chaos-shoppers"
SKUS: Final = tuple(f"MUG-{number}" for number in range(12))
STALE_MS: Final = 20_000
"""How long after its end a price may come on the log: a click that was accepted is published when its shop process is back."""
CHARGES: Final = """{"shipping_minor": 495, "shipping_free_from_minor": 2500, "tax_bp": 2000, "prices_include_tax": false,
 "discounts": {"TEN": {"rate_bp": 1000}, "FIVE": {"amount_minor": 500}}}"""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How many shoppers, how many come each second, and the pause between two kills of a process (s)."""

    shoppers: int = 1_000
    seed: int = 1
    per_second: float = 8.0
    kill_pause_seconds: tuple[float, float] = (6.0, 18.0)
    price_pause_seconds: float = 4.0

    @property
    def killed(self) -> tuple[str, ...]:
        """The names of the processes."""
        return (*TOGETHER, RECEIVER, SHOP)


class Result(msgspec.Struct, kw_only=True):
    """What came of it; amounts are minor units. Prices that were just over were charged `charged_within_grace` times."""

    plan: Plan
    breaches: list[str] = []
    kills: dict[str, int] = {}
    ends: dict[str, int] = {}
    clicks: int = 0
    orders: int = 0
    requoted: int = 0
    price_changes: int = 0
    charged_within_grace: int = 0
    longest_over_ms: int = 0
    requests: int = 0
    paid_minor: int = 0
    seconds: float = 0.0


class Prices:
    """What each SKU costs since when: changed now and then, and the past kept for the judgement."""

    def __init__(self, catalogue: Catalogue, seed: int) -> None:
        self._catalogue, self._draw = catalogue, random.Random(seed)
        self.products = {
            sku: current(product(sku, f"Mug {sku}", price=300 + 10 * number, category="Kitchen/Mugs"))
            for number, sku in enumerate(SKUS)
        }
        self.past: dict[str, list[tuple[int, int]]] = {sku: [(0, 300 + 10 * number)] for number, sku in enumerate(SKUS)}

    async def put_all(self) -> None:
        """Publish every product."""
        await self._catalogue.put(self.products.values())

    async def change_now_and_then(self, pause_seconds: float) -> None:
        """Change one price after the other, until cancelled."""
        while True:
            await asyncio.sleep(pause_seconds)
            sku = self._draw.choice(SKUS)
            now_ms, minor = time.time_ns() // 1_000_000, self._draw.randrange(200, 900)
            before = self.products[sku]
            dated = (*before.prices, m.Price(sku, minor, now_ms))
            self.products[sku] = msgspec.structs.replace(before, prices=dated, version=before.version + 1)
            await self._catalogue.put([self.products[sku]])
            self.past[sku].append((now_ms, minor))

    def over_ms(self, sku: str, minor: int, at_ms: int) -> int | None:
        """Return for how long a price was over at a time, 0 where it was true; None where it had never been."""
        past = self.past[sku]
        ends = [since for since, _ in past[1:]] + [2**62]
        over = [
            max(0, at_ms - end)
            for (since, price), end in zip(past, ends, strict=True)
            if price == minor and since <= at_ms
        ]
        return min(over, default=None)


async def run(plan: Plan, settings: Settings, folder: Path, say: Callable[[str], None]) -> Result:
    """Carry a plan out on an empty database and in a namespace without topics; `folder` is for logs and books."""
    settings = settings.model_copy(
        update={
            "session_timeout_ms": SESSION_MS,
            "log_format": "json",
            "shop_charges": _written_charges(folder),
            "state_dir": folder,
        }
    )
    bootstrap, dsn = settings.kafka_bootstrap or "", settings.postgres_dsn or ""
    await admin.apply(
        bootstrap,
        namespace=settings.namespace,
        partitions=settings.partitions,
        expected_cluster_id=settings.cluster_id,
    )
    await migrate(dsn)
    result = Result(plan=plan)
    began = time.monotonic()
    async with AsyncExitStack() as open_ones:
        publisher = await open_ones.enter_async_context(Publisher(bootstrap, namespace=settings.namespace))
        database = await open_ones.enter_async_context(asyncpg.create_pool(dsn, min_size=1, max_size=4))
        system = Supervisor(settings, folder=folder, webhooks=True, together=True, shop=True)
        await open_ones.enter_async_context(system)
        await system.start_all()
        shop = Shop(system.settings, system, publisher, database)
        prices = Prices(Catalogue(system.settings, publisher), plan.seed)
        await prices.put_all()
        await StockClient(publisher).receive(receipts_of("delivery", dict.fromkeys(SKUS, plan.shoppers // 8 + 1)))
        walks = await _rage(plan, system, prices, result, say)
        await until(lambda: shop.is_quiet(*ROOMS), seconds=REST_SECONDS, poll_seconds=0.5)
        say("judging")
        await _judge(shop, prices, walks, result)
    result.seconds = round(time.monotonic() - began, 1)
    return result


def _written_charges(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "charges.json").write_text(CHARGES, encoding="utf-8")
    return folder / "charges.json"


async def _rage(
    plan: Plan, system: Supervisor, prices: Prices, result: Result, say: Callable[[str], None]
) -> list[Walked]:
    """Let everybody walk and kill meanwhile; return what each came to."""
    address = f"http://127.0.0.1:{system.settings.shop_port}"
    await until(lambda: _is_stocked(address), seconds=120)
    killer = Killer(system, plan.killed, plan.seed, plan.kill_pause_seconds)
    killing = asyncio.create_task(killer.run())
    changing = asyncio.create_task(prices.change_now_and_then(plan.price_pause_seconds))
    slugs = [each.slug for each in prices.products.values()]
    walks: list[Walk] = []

    async def walk(number: int) -> Walked:
        await asyncio.sleep(number / plan.per_second)
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout) as session:
            walks.append(Walk(Shopper(session, address), f"{plan.seed} {number}", slugs, SKUS))
            return await walks[-1].run()

    walking = [asyncio.create_task(walk(number)) for number in range(plan.shoppers)]
    while not all(task.done() for task in walking):
        done, _ = await asyncio.wait(walking, timeout=10)
        say(f"{len(done):,} of {plan.shoppers:,} shoppers are through, {killer.kills.total()} kills")
    changing.cancel()
    killer.stop()
    await killing
    result.kills = {name: killer.kills[name] for name in plan.killed}
    result.price_changes = sum(len(past) - 1 for past in prices.past.values())
    result.breaches += [f"{name} was never killed" for name in plan.killed if not killer.kills[name]]
    failures = [task.exception() for task in walking if task.exception() is not None]
    result.breaches += [f"a walk ended with {failure!r}" for failure in failures[:5]]
    return [each.walked for each in walks]


async def _is_stocked(address: str) -> bool:
    try:
        jar = aiohttp.CookieJar(unsafe=True)  # or it would keep no cookies of an address without a name
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            async with session.get(f"{address}/cart?add={SKUS[-1]}:1") as answer:
                page = await answer.text()
            return answer.status == 200 and "Sold out" not in page and "To the checkout" in page
    except (aiohttp.ClientError, OSError):
        return False


async def _judge(shop: Shop, prices: Prices, walks: list[Walked], result: Result) -> None:
    """Hold the orders that there are against the clicks, what was shown against what was charged, and all books."""
    clicks = [click for walk in walks for click in walk.clicks]
    rows = {
        row["order_id"]: row
        for row in await shop.database.fetch("SELECT order_id::text, state, amount_minor FROM orders")
    }
    result.ends = dict(Counter(walk.end or "unfinished" for walk in walks))
    result.clicks, result.orders = sum(len(click.statuses) for click in clicks), len(rows)
    result.requoted = sum(409 in click.statuses for click in clicks)
    result.requests = sum(walk.tries for walk in walks)
    result.paid_minor = await shop.value(
        "SELECT coalesce(sum(captured_minor - refunded_minor), 0)::bigint FROM payments"
    )
    result.breaches += breaches_of(clicks, {order_id: row["amount_minor"] for order_id, row in rows.items()})
    await _judge_prices(shop, prices, result)
    report = await shop.audit()
    result.breaches += [
        f"{finding.name}: {finding.detail} {finding.examples}" for finding in report.findings if not finding.holds
    ]


def breaches_of(clicks: Sequence[Click], amounts: Mapping[str, int]) -> list[str]:
    """Hold clicks against the orders that there are, by their amounts: one that came to nothing was never priced."""
    placed = {click.order_id: click for click in clicks if click.locations}
    problems = [f"click {order_id} is no order" for order_id in placed.keys() - amounts.keys()]
    problems += [f"order {order_id} was clicked by nobody" for order_id in amounts.keys() - placed.keys()]
    problems += [f"{click.order_id} leads to {click.locations}" for click in clicks if len(click.locations) > 1]
    problems += [
        f"{order_id} showed {click.shown_minor}, charged {amounts[order_id]}"
        for order_id, click in placed.items()
        if amounts.get(order_id, 0) not in (0, click.shown_minor)
    ]
    return problems


async def _judge_prices(shop: Shop, prices: Prices, result: Result) -> None:
    """Each line's price was true when it came on the log, or had just ended."""
    for record in await shop.records(INVENTORY_COMMANDS):
        command: Any = decode(record.value or b"")
        if isinstance(command, m.PlaceOrderLine):
            over_ms = prices.over_ms(command.sku, command.unit_price_minor, record.timestamp)
            if over_ms is None or over_ms > STALE_MS:
                result.breaches.append(f"{command.order_id} {command.sku} was charged {command.unit_price_minor}")
            elif over_ms:
                result.charged_within_grace += 1
                result.longest_over_ms = max(result.longest_over_ms, over_ms)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  it is a program


async def main() -> int:
    """Be the program."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="make chaos-shoppers", description="Shoppers while everything is killed")
    parser.add_argument("--shoppers", type=int, default=plan.shoppers, help=f"how many (default {plan.shoppers:,})")
    parser.add_argument("--seed", type=int, help="draws walks, prices and kills (default: one that is printed)")
    parser.add_argument("--rate", type=float, default=plan.per_second, help="shoppers a second (default 8)")
    pause = plan.kill_pause_seconds
    parser.add_argument(
        "--pause", type=float, nargs=2, default=pause, help="between two kills of a process, s: from to"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where servers, logs and the result are kept")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = Plan(shoppers=given.shoppers, seed=seed, per_second=given.rate, kill_pause_seconds=tuple(given.pause))
    folder = given.folder.absolute()
    _say(f"seed {plan.seed}: {plan.shoppers:,} shoppers, {plan.per_second:g} a second")
    shutil.rmtree(folder / "system", ignore_errors=True)
    async with running_servers(Options(folder=folder)) as servers:
        result = await run(plan, await servers.shop("shoppers"), folder / "system", _say)
    line = msgspec.json.encode(result, order="deterministic").decode()
    (folder / "chaos-shoppers.json").write_text(line + "\n", encoding="utf-8")
    for breach in result.breaches[:50]:
        _say(f"BREACH: {breach}")
    print(line, flush=True)  # noqa: T201  it is a program
    return 1 if result.breaches else 0


if __name__ == "__main__":
    raise SystemExit(run_until_interrupted(main()))
