"""`make bench-hot-sku`: everybody wants one SKU. How many orders a second does one process decide, durably?

Orders stand on Kafka; measured is the rate of outcome events, from the first that is visible to the last.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from infra.stack import run_until_interrupted
from tests.benchmarks.harness.baseline import (
    Baseline,
    PostgresBaseline,
    RedisBaseline,
    RestateBaseline,
    restate_server,
)
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Lane, Ours, is_installed
from tests.benchmarks.harness.options import Options, read_options
from tests.benchmarks.harness.orders import HOT_SKU, hot
from tests.benchmarks.harness.report import Report, at_most, emit
from tests.benchmarks.harness.rounds import alternate, note, rates, tune
from tests.benchmarks.harness.servers import Servers, running_servers
from tests.benchmarks.harness.spread import paired
from tests.benchmarks.harness.trial import Trial, backlog_trial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SHARES: Final = {
    "ours": 1.0,
    "row_lock_cte": 0.08,
    "select_for_update": 0.03,
    "conditional_update": 0.04,
    "skip_locked": 0.15,
    "redis_lua_everysec": 0.5,
    "redis_lua_always": 0.5,
    "faust_agent": 0.05,
    "dbos": 0.005,
    "restate": 0.005,
}
"""Orders of each lane as a share of the product's: about the seconds of work that the product has too."""
BARS: Final = {"row_lock_cte": 20, "redis_lua_always": 2, "faust_agent": 20, "dbos": 200, "restate": 200}
TUNED: Final = frozenset(SHARES) - {"ours", "redis_lua_everysec", "redis_lua_always"}
"""Lanes that run with whichever number of connections serves them best; the others need only one."""
CPU_BAR_US: Final = 25


def figure_name(lane: str) -> str:
    """Return the name under which a baseline's ratio is reported."""
    return f"hot_sku_vs_{'row_lock' if lane == 'row_lock_cte' else lane}"


def lanes(servers: Servers, report: Report, options: Options) -> list[Lane]:
    """Return the lanes that were asked for and can run here."""
    wanted: list[Lane] = [
        Ours("ours", servers),
        *(PostgresBaseline(name, servers, "row_lock", variant=variant) for name, variant in _ROW_LOCKS.items()),
        RedisBaseline("redis_lua_everysec", servers, appendfsync="everysec"),
        RedisBaseline("redis_lua_always", servers, appendfsync="always"),
        PostgresBaseline("faust_agent", servers, "faust_agent", connections=8),
    ]
    if is_installed("dbos"):
        wanted.append(PostgresBaseline("dbos", servers, "dbos_workflow", connections=16))
    else:
        report.skipped["dbos"] = "not installed; `make bench-hot-sku` installs it"
    if is_installed("restate", "hypercorn") and (server := restate_server(options.folder)) is not None:
        wanted.append(RestateBaseline("restate", servers, server, connections=32))
    else:
        report.skipped["restate"] = "not installed; `make bench-hot-sku` installs it where there is npm"
    return [lane for lane in wanted if options.wants(lane.name)]


_ROW_LOCKS: Final = {
    "row_lock_cte": "cte",
    "select_for_update": "select_for_update",
    "conditional_update": "conditional_update",
    "skip_locked": "skip_locked",
}


async def _trial(lane: Lane, orders: int, units: int | None = None) -> Trial:
    return await backlog_trial(lane, hot(orders), units={HOT_SKU: orders if units is None else units})


def _turn(lane: Lane, options: Options) -> Callable[[], Awaitable[Trial]]:
    return partial(_trial, lane, options.share(SHARES[lane.name]))


def _scarce_turn(lane: Lane, options: Options) -> Callable[[], Awaitable[Trial]]:
    """Return a shorter turn with half of the units that are wanted."""
    orders = options.share(SHARES[lane.name] / 3)
    return partial(_trial, lane, orders, orders // 2)


async def run(options: Options, report: Report) -> None:
    """Run every lane: plenty of stock in the rounds, then once with half of what is wanted."""
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        ready = {it.name: await open_lanes.enter_async_context(it) for it in lanes(servers, report, options)}
        if not options.quick:
            report.setup["connections"] = {
                name: await tune(it, partial(_trial, it, options.share(SHARES[name] / 3)))
                for name, it in ready.items()
                if isinstance(it, Baseline) and name in TUNED
            }
        trials = await alternate(options.rounds, {name: _turn(lane, options) for name, lane in ready.items()})
        scarce = await alternate(1, {f"{name}_half": _scarce_turn(it, options) for name, it in ready.items()})
    note(report, trials)
    for name, of_lane in scarce.items():
        report.details[name] = of_lane
        report.breaches += [f"{name}: {breach}" for breach in of_lane[0].breaches]
    judge(report, trials)


def judge(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Compute figures and bars."""
    if "ours" not in trials:
        return
    ours = trials["ours"]
    report.figure("hot_sku_orders_per_s", median(rates(trials, "ours")))
    cpu = median(trial.cpu_us_per_order["lane"] for trial in ours)
    report.figure("hot_sku_cpu_us_per_order", cpu)
    report.bars["hot_sku_cpu_us_per_order"] = at_most(cpu, CPU_BAR_US)
    report.setup["batch_histogram"] = ours[-1].batches
    report.setup["wal_bytes_per_order"] = median(trial.wal_bytes_per_order for trial in ours)
    report.setup["cpu_us_per_order"] = ours[-1].cpu_us_per_order
    for name in trials:
        if name != "ours":
            report.ratio(figure_name(name), paired(rates(trials, "ours"), rates(trials, name)), BARS.get(name))


async def main() -> int:
    """Be the program."""
    options = read_options("hot-sku", "One SKU that everybody wants", orders=100_000, quick_orders=2_000)
    report = Report(
        name="hot-sku",
        title="One hot SKU: orders decided, durable and published",
        unit="orders/s",
        rounds=options.rounds,
    )
    await run(options, report)
    return emit(report, options.folder)


if __name__ == "__main__":
    raise SystemExit(run_until_interrupted(main()))
