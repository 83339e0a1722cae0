"""`make chaos-shoppers`: shoppers walk through the shop while every process is killed; each click is one order, at what it showed.

It prints progress, then one line of JSON. The exit status is 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
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
from tests.chaos.shopping import CONFLICT, SKUS, SLACK_MS, Placed, Prices, breaches_of
from tests.chaos.walk import Patience, Walk, Walked
from tests.harness.buying import Shopper
from tests.harness.reading import Catalogue
from tests.harness.shop import Shop
from tests.harness.waiting import until
from topology import admin
from topology.topics import INVENTORY_COMMANDS

FOLDER: Final = ROOT / ".lastunit" / "chaos-shoppers"
CHARGES: Final = """{"shipping_minor": 495, "shipping_free_from_minor": 2500, "tax_bp": 2000, "prices_include_tax": false,
 "discounts": {"TEN": {"rate_bp": 1000}, "FIVE": {"amount_minor": 500}}}"""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How many shoppers, how many of them walk at a time, and how long a process works between two kills (s)."""

    shoppers: int = 1_000
    seed: int = 1
    at_a_time: int = 24
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
    withdrawn: int = 0
    price_changes: int = 0
    charged_within_grace: int = 0
    longest_over_ms: int = 0
    requests: int = 0
    unanswered: int = 0
    refused: int = 0
    walk_seconds_p50: float = 0.0
    walk_seconds_max: float = 0.0
    paid_minor: int = 0
    seconds: float = 0.0


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
    patience, turns = Patience(), asyncio.Semaphore(plan.at_a_time)
    killer = Killer(system, plan.killed, plan.seed, plan.kill_pause_seconds, progress=lambda: patience.moves)
    killing = asyncio.create_task(killer.run())
    changing = asyncio.create_task(prices.change_now_and_then(plan.price_pause_seconds))
    slugs = [each.slug for each in prices.products.values()]
    walks: list[Walk] = []

    async def walk(number: int) -> Walked:
        timeout = aiohttp.ClientTimeout(total=20)
        jar = aiohttp.CookieJar(unsafe=True)
        async with turns, aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as session:
            walks.append(Walk(Shopper(session, address), f"{plan.seed} {number}", slugs, SKUS, patience))
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
    result.requoted = sum(CONFLICT in click.statuses for click in clicks)
    result.requests = sum(walk.tries for walk in walks)
    result.unanswered, result.refused = sum(walk.unanswered for walk in walks), sum(walk.refused for walk in walks)
    lengths = sorted(walk.seconds for walk in walks if walk.end) or [0.0]
    result.walk_seconds_p50, result.walk_seconds_max = round(lengths[len(lengths) // 2], 1), round(lengths[-1], 1)
    result.breaches += [f"{len(walks) - len(lengths)} walks are unfinished"] * (len(lengths) < len(walks))
    result.paid_minor = await shop.value(
        "SELECT coalesce(sum(captured_minor - refunded_minor), 0)::bigint FROM payments"
    )
    result.breaches += breaches_of(
        clicks, {order_id: Placed(row["state"], row["amount_minor"]) for order_id, row in rows.items()}
    )
    result.withdrawn = sum(not click.locations and click.order_id in rows for click in clicks)
    await _judge_prices(shop, prices, {click.order_id for click in clicks if click.locations}, result)
    report = await shop.audit()
    result.breaches += [
        f"{finding.name}: {finding.detail} {finding.examples}" for finding in report.findings if not finding.holds
    ]


async def _judge_prices(shop: Shop, prices: Prices, placed: Collection[str], result: Result) -> None:
    """Each line's price was true when it came on the log, or had just ended; of an order that was withdrawn none was charged."""
    first: dict[tuple[str, int], tuple[m.PlaceOrderLine, int]] = {}  # what comes again is the same line
    for record in await shop.records(INVENTORY_COMMANDS):
        command: Any = decode(record.value or b"")
        if isinstance(command, m.PlaceOrderLine) and command.order_id in placed:
            first.setdefault((command.order_id, command.line), (command, record.timestamp))
    for line, at_ms in first.values():
        over_ms = prices.over_ms(line.sku, line.unit_price_minor, at_ms)
        if over_ms is None or over_ms > SLACK_MS:
            result.breaches.append(
                f"{line.order_id} {line.sku} was charged {line.unit_price_minor}, over for {over_ms} ms"
            )
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
    parser.add_argument(
        "--at-a-time", type=int, default=plan.at_a_time, help="shoppers who walk at a time (default 24)"
    )
    pause = plan.kill_pause_seconds
    parser.add_argument(
        "--pause", type=float, nargs=2, default=pause, help="how long a process works between kills, s: from to"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where servers, logs and the result are kept")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = Plan(shoppers=given.shoppers, seed=seed, at_a_time=given.at_a_time, kill_pause_seconds=tuple(given.pause))
    folder = given.folder.absolute()
    _say(f"seed {plan.seed}: {plan.shoppers:,} shoppers, {plan.at_a_time} at a time")
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
