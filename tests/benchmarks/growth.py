"""`make bench-growth`: a shop with 10 million past holds and a million SKUs against one that opened today."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from statistics import median
from typing import TYPE_CHECKING, Final

import asyncpg

from consumers.runtime.postgres.sql import load_queries
from infra.base.weekly.weeks import DAY_MS
from schemas.ids import new_order_id
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours
from tests.benchmarks.harness.orders import names, uniform
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.rounds import alternate, note, rates, say
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import paired
from tests.benchmarks.harness.trial import Trial, backlog_trial
from topology.partitioner import partitions_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

WANTED_SKUS: Final = 10_000
"""The SKUs that today's orders name, in both shops; the rest of the million only stands there."""
ALL_SKUS: Final = 1_000_000
PAST_HOLDS: Final = 10_000_000
CHUNK: Final = 1_000_000
UNITS: Final = 1_000_000
BAR: Final = 0.95
OF_STOCK: Final = ("sku", "partition", "on_hand", "reserved", "allocated")
OF_MOVEMENTS: Final = ("id", "command_id", "sku", "partition", "kind", "quantity", "at_ms")
PAST_MS: Final = 120 * DAY_MS
"""The past holds are spread evenly over the whole window in which an order id is accepted."""
QUERIES: Final = load_queries("tests.benchmarks.past")


async def fill(lane: Ours, skus: int, holds: int) -> None:
    """Put levels, their receipts and past holds into the tables, as if the shop had been open for long."""
    catalogue = names(skus)
    partitions = partitions_of([sku.encode() for sku in catalogue], lane.settings.partitions)
    began = time.monotonic()
    connection = await asyncpg.connect(lane.settings.postgres_dsn)
    try:
        stock = [(sku, home, UNITS, 0, 0) for sku, home in zip(catalogue, partitions, strict=True)]
        await connection.copy_records_to_table("stock", records=stock, columns=OF_STOCK)
        first_day = new_order_id(time.time_ns() // 1_000_000 - PAST_MS)
        moved = [(first_day, f"{sku}/{first_day}", sku, home, "receipt", UNITS, 0) for sku, home, *_ in stock]
        await connection.copy_records_to_table("movements", records=moved, columns=OF_MOVEMENTS)
        for first in range(0, holds, CHUNK):
            await connection.execute(QUERIES["past"], first, holds, min(CHUNK, holds - first), skus, PAST_MS / 1000)
            say(f"{lane.name}: {min(first + CHUNK, holds):,} past holds after {time.monotonic() - began:.0f} s")
        if holds:
            await connection.execute(QUERIES["allocated"])
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
    finally:
        await connection.close()
    lane.received += UNITS * skus


async def run(options: Options, report: Report) -> None:
    """Fill both shops, then let them work in alternation."""
    scale = 1_000 if options.quick else 1
    wanted = max(100, WANTED_SKUS // scale)
    sizes = {"empty": (wanted, 0), "grown": (max(wanted, ALL_SKUS // scale), PAST_HOLDS // scale)}
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = {**await setup_facts(servers), "grown": {"skus": sizes["grown"][0], "holds": sizes["grown"][1]}}
        turns: dict[str, Callable[[], Awaitable[Trial]]] = {}
        for name, (skus, holds) in sizes.items():
            lane = await open_lanes.enter_async_context(Ours(name, servers))
            await fill(lane, skus, holds)
            turns[name] = _turn(lane, options, wanted)
        trials = await alternate(options.rounds, turns)
    note(report, trials)
    report.figure("growth_empty_orders_per_s", median(rates(trials, "empty")))
    report.figure("growth_10m_orders_per_s", median(rates(trials, "grown")))
    report.ratio("growth_10m_vs_empty", paired(rates(trials, "grown"), rates(trials, "empty")), BAR)
    report.setup["cpu_us_per_order"] = {name: of_lane[-1].cpu_us_per_order for name, of_lane in trials.items()}
    report.setup["wal_bytes_per_order"] = {name: of_lane[-1].wal_bytes_per_order for name, of_lane in trials.items()}


def _turn(lane: Ours, options: Options, skus: int) -> Callable[[], Awaitable[Trial]]:
    seeds = iter(range(10_000))
    return lambda: backlog_trial(lane, uniform(options.orders, skus, next(seeds)))


if __name__ == "__main__":
    title = "Empty against 10 million past holds, 1 million SKUs"
    raise SystemExit(run_benchmark(run, name="growth", title=title, unit="orders/s", orders=80_000))
