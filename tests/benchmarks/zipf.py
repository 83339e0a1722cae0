"""`make bench-zipf`: a catalogue of 100,000 SKUs, wanted by Zipf's law or all alike, against one SKU that everybody wants.

Every lane's shelves are filled once, and its rounds draw from them. Two lanes had to be adapted, see ADAPTED.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.benchmarks.harness.baseline import Baseline
from tests.benchmarks.harness.contenders import contenders, figure_names
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours
from tests.benchmarks.harness.orders import HOT_SKU, hot, names, uniform, zipf, zipf_shares
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.rounds import alternate, compare, note, rates, say, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.trial import Trial, backlog_trial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.benchmarks.harness.lanes import Lane
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

CATALOGUE: Final = 100_000
PLENTY: Final = 1_000_000
SHARES: Final = {
    "ours": 1.0,
    "row_lock_batched": 0.3,
    "row_lock_cte": 0.08,
    "select_for_update": 0.04,
    "conditional_update": 0.04,
    "skip_locked": 0.08,
    "redis_lua_everysec": 0.4,
    "redis_lua_always": 0.4,
    "faust_agent": 0.06,
    "dbos": 0.004,
    "restate": 0.005,
    "restate_js": 0.005,
}
"""Orders of each lane as a share of the product's: a few seconds of work each."""
CHOICES: Final = (8, 32)
"""Connections that are tried, by Zipf's law."""
BARS: Final = {"zipf_vs_row_lock": 5, "hot_vs_uniform": 1}
MARGIN: Final = 10
"""Units of each SKU in the lane `skip_locked`, beside twice those that the draws are expected to ask for."""
ADAPTED: Final = {
    "skip_locked": "one row a unit: not a million units of each SKU, but 10 and twice what will be asked for",
    "restate": "begins empty with each process, so a SKU opens with its units when it is first asked for",
}


def shelves(lane: Lane, options: Options, skus: int) -> dict[str, int]:
    """Return the units of each SKU that a lane gets before the rounds."""
    if lane.name != "skip_locked":
        return dict.fromkeys(names(skus), PLENTY)
    trials = options.rounds + len(CHOICES)
    wanted = 2 * trials * options.share(SHARES[lane.name]) * (zipf_shares(skus) + 1 / skus)
    return {sku: MARGIN + ceil(units) for sku, units in zip(names(skus), wanted, strict=True)}


def turns(lane: Lane, options: Options, skus: int) -> dict[str, Callable[[], Awaitable[Trial]]]:
    """Return what a lane does in each round, by name; every round draws other orders."""
    orders, seeds = options.share(SHARES[lane.name]), count()
    by_name: dict[str, Callable[[], Awaitable[Trial]]] = {
        f"{lane.name}_zipf": lambda: backlog_trial(lane, zipf(orders, skus, next(seeds))),
        f"{lane.name}_uniform": lambda: backlog_trial(lane, uniform(orders, skus, next(seeds))),
    }
    if isinstance(lane, Ours):
        by_name["ours_hot"] = lambda: backlog_trial(lane, hot(orders), units={HOT_SKU: orders})
    return by_name


async def prepare(lane: Lane, options: Options, skus: int) -> dict[str, float]:
    """Fill a lane's shelves and find its best number of connections; return the rates that were tried."""
    await lane.receive(shelves(lane, options, skus))
    if isinstance(lane, Ours):
        await lane.digest()
    say(f"{lane.name}: {lane.received:,} units of {skus:,} SKUs came in")
    if options.quick or not isinstance(lane, Baseline) or "connections" not in lane.tuned:
        return {}
    some = max(1, options.share(SHARES[lane.name]) // 2)
    return await tune(lane, partial(backlog_trial, lane, zipf(some, skus, seed=1_000)), choices=CHOICES)


async def run(options: Options, report: Report) -> None:
    """Fill every lane's shelves, then run the rounds."""
    skus = 500 if options.quick else CATALOGUE
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = {**await setup_facts(servers), "skus": skus, "adapted": ADAPTED}
        together: dict[str, Callable[[], Awaitable[Trial]]] = {}
        report.setup["connections"] = {}
        for lane in contenders(servers, report, options).values():
            await open_lanes.enter_async_context(lane)
            report.setup["connections"][lane.name] = await prepare(lane, options, skus)
            together |= turns(lane, options, skus)
        trials = await alternate(options.rounds, together)
    note(report, trials)
    judge(report, trials)


def judge(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Compute figures and bars."""
    for mix in ("zipf", "uniform"):
        own = f"ours_{mix}"
        if own in trials:
            report.figure(f"{mix}_orders_per_s", median(rates(trials, own)))
        others = {name.removesuffix(f"_{mix}"): name for name in trials if name.endswith(mix) and name != own}
        compare(report, trials, own, figure_names(mix, others), BARS)
    compare(report, trials, "ours_hot", {"hot_vs_uniform": "ours_uniform"}, BARS)


if __name__ == "__main__":
    title = "100,000 SKUs: orders decided, durable and published"
    raise SystemExit(run_benchmark(run, name="zipf", title=title, unit="orders/s", orders=50_000))
