"""`make bench-hot-sku`: everybody wants one SKU. How many orders a second does one process decide, durably?

Orders stand on Kafka; measured is the rate of outcome events, by the times at which Kafka appended them. The first tenth of
every trial is warm-up. Every lane does the same durable work: stock, hold, outgoing event, and the consumed
position, which the baselines keep in Kafka.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from tests.benchmarks.harness.baseline import Baseline
from tests.benchmarks.harness.contenders import DOES_NOT, ROW_LOCK, contenders, figure_names
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours, OursMisrouted
from tests.benchmarks.harness.orders import HOT_SKU, hot
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import at_most
from tests.benchmarks.harness.rounds import CHOICES, alternate, compare, note, rates, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import paired
from tests.benchmarks.harness.trial import Trial, backlog_trial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.benchmarks.harness.lanes import Lane
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

SHARES: Final = {
    "ours": 1.0,
    "ours_misrouted": 0.5,
    "ours_unmetered": 1.0,
    "ours_python_codec": 0.8,
    "row_lock_batched": 0.6,
    "row_lock_batched_python_codec": 0.5,
    "row_lock_cte": 0.04,
    "select_for_update": 0.02,
    "conditional_update": 0.02,
    "skip_locked": 0.04,
    "redis_lua_everysec": 0.3,
    "redis_lua_always": 0.25,
    "faust_agent": 0.02,
    "dbos": 0.002,
    "restate": 0.002,
    "restate_js": 0.002,
}
"""Orders of each lane as a share of the product's: some seconds of work each."""
BARS: Final = {
    "hot_sku_vs_row_lock_batched": 2,
    "hot_sku_vs_row_lock": 25,
    "hot_sku_vs_redis_lua_always": 2,
    "hot_sku_vs_faust_agent": 20,
    "hot_sku_vs_dbos": 200,
    "hot_sku_vs_restate": 200,
    "hot_sku_vs_restate_js": 200,
}
PYTHON_BARS: Final = {
    "hot_sku_python_codec_vs_row_lock_batched_python_codec": 1.4,
    "hot_sku_python_codec_vs_row_lock": 20,
}
MISROUTED_BAR: Final = 2.5
"""How many times as much CPU an order may cost of which every record is in the wrong partition."""
METRICS_BAR: Final = 1.02
"""How many times as much CPU an order may cost where it is counted for Prometheus."""
CPU_BARS_US: Final = {"ours": 13, "ours_python_codec": 18}
RELAY_PAUSES_MS: Final = (0, 5, 20, 50)


async def _trial(lane: Lane, orders: int, units: int | None = None) -> Trial:
    return await backlog_trial(lane, hot(orders), units={HOT_SKU: orders if units is None else units})


def _turn(lane: Lane, options: Options) -> Callable[[], Awaitable[Trial]]:
    return partial(_trial, lane, options.share(SHARES[lane.name]))


def _unmetered_turn(lane: Ours, options: Options) -> Callable[[], Awaitable[Trial]]:
    """Return a turn of the same lane without metrics: two lanes of one design differ by more than metrics cost."""

    async def turn() -> Trial:
        lane.is_metered = False
        try:
            return await _trial(lane, options.share(SHARES["ours_unmetered"]))
        finally:
            lane.is_metered = True

    return turn


def _scarce_turn(lane: Lane, options: Options) -> Callable[[], Awaitable[Trial]]:
    """Return a shorter turn with half of the units that are wanted."""
    orders = options.share(SHARES[lane.name] / 3)
    return partial(_trial, lane, orders, orders // 2)


async def _tune_all(lanes: Mapping[str, Lane], options: Options, report: Report) -> None:
    """Give each baseline what serves it best; the pause of the outbox is tried with the strongest that has one."""
    baselines = {name: lane for name, lane in lanes.items() if isinstance(lane, Baseline)}
    if (strongest := baselines.get(ROW_LOCK)) is not None:
        trial = partial(_trial, strongest, options.share(SHARES[ROW_LOCK] / 2))
        report.setup["relay_pause_ms"] = await tune(strongest, trial, "relay_pause_ms", RELAY_PAUSES_MS)
        for lane in baselines.values():
            lane.relay_pause_ms = strongest.relay_pause_ms
    for name, lane in baselines.items():
        trial = partial(_trial, lane, options.share(SHARES[name] / 2))
        for setting in lane.tuned:
            report.setup.setdefault(setting, {})[name] = await tune(lane, trial, setting, CHOICES[setting])


async def run(options: Options, report: Report) -> None:
    """Run every lane: plenty of stock in the rounds, then once with half of what is wanted."""
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        lanes = contenders(servers, report, options, in_python_too=True)
        if options.wants("ours_misrouted"):
            lanes["ours_misrouted"] = OursMisrouted("ours_misrouted", servers)
        for lane in lanes.values():
            await open_lanes.enter_async_context(lane)
        if not options.quick:
            await _tune_all(lanes, options, report)
        turns = {name: _turn(lane, options) for name, lane in lanes.items()}
        if options.wants("ours_unmetered") and isinstance(ours := lanes.get("ours"), Ours):
            turns["ours_unmetered"] = _unmetered_turn(ours, options)
        trials = await alternate(options.rounds, turns)
        scarce = await alternate(1, {f"{name}_half": _scarce_turn(lane, options) for name, lane in lanes.items()})
    note(report, trials)
    report.setup["does_not"] = {name: DOES_NOT[name] for name in lanes if name in DOES_NOT}
    for name, of_lane in scarce.items():
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_lane]
        report.breaches += [f"{name}: {breach}" for trial in of_lane for breach in trial.breaches]
    judge(report, trials)


def _judge_misrouted(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Compare what an order costs where it belongs and where it does not."""
    if not {"ours", "ours_misrouted"} <= trials.keys():
        return
    at_home, astray = (
        median(trial.cpu_us_per_order["lane"] for trial in trials[name]) for name in ("ours", "ours_misrouted")
    )
    report.figure("hot_sku_misrouted_cpu_us_per_order", astray)
    report.figure("hot_sku_misrouted_cpu_ratio", astray / at_home)
    report.bars["hot_sku_misrouted_cpu_ratio"] = at_most(astray / at_home, MISROUTED_BAR)


def _judge_metrics(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Compare what an order costs with metrics and without, round by round."""
    if not {"ours", "ours_unmetered"} <= trials.keys():
        return
    metered, unmetered = (
        [trial.cpu_us_per_order["lane"] for trial in trials[name]] for name in ("ours", "ours_unmetered")
    )
    name = "hot_sku_metrics_cpu_ratio"
    report.ratio(name, paired(metered, unmetered))
    report.bars[name] = at_most(report.figures[name], METRICS_BAR)


def judge(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Compute figures and bars."""
    _judge_misrouted(report, trials)
    _judge_metrics(report, trials)
    for lane, prefix, bars in (
        ("ours", "hot_sku", BARS),
        ("ours_python_codec", "hot_sku_python_codec", PYTHON_BARS),
    ):
        if lane not in trials:
            continue
        cpu_us, figure = median(trial.cpu_us_per_order["lane"] for trial in trials[lane]), f"{prefix}_cpu_us_per_order"
        report.figure(f"{prefix}_orders_per_s", median(rates(trials, lane)))
        report.figure(figure, cpu_us)
        report.bars[figure] = at_most(cpu_us, CPU_BARS_US[lane])
        others = {name: name for name in trials if not name.startswith("ours")}
        compare(report, trials, lane, figure_names(prefix, others), bars)


if __name__ == "__main__":
    title = "One hot SKU: orders decided, durable and published"
    raise SystemExit(run_benchmark(run, name="hot-sku", title=title, unit="orders/s", orders=200_000))
