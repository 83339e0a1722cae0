"""`make bench-curve`: latency over load, from a hundredth of what a design can do to a fifth more than that.

The product beside the row locks, one order and hundreds of orders a transaction; each at shares of its own capacity, which is
the rate at which it works off a backlog. The load generator runs on the same cores, so the last steps before 1 may already be
too much. Above capacity a queue grows for as long as the load lasts: what is measured then is that queue.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import msgspec

from tests.benchmarks.harness.baseline import PostgresBaseline
from tests.benchmarks.harness.contenders import DOES_NOT, ROW_LOCK, batched_row_lock
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours, is_installed
from tests.benchmarks.harness.orders import HOT_SKU, hot
from tests.benchmarks.harness.plot import Line, plot_lines
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.rounds import CHOICES, say, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import spread
from tests.benchmarks.harness.trial import Trial, backlog_trial
from tests.benchmarks.latency import PROMPT_RELAY_PAUSE_MS, LatencyTrial, latency_trial

if TYPE_CHECKING:
    from tests.benchmarks.harness.lanes import Lane
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

SHARES: Final = {"ours": 1.0, "row_lock_batched": 1.0, ROW_LOCK: 0.1}
"""Orders with which a capacity is measured, as a share of the product's."""
LOADS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.2)
"""Offered, as shares of a lane's own capacity."""
QUICK_LOADS: Final = (0.1, 1.2)
PROMPT_UP_TO: Final = 0.5
"""Up to this load a design with an outbox publishes often; above it as serves its throughput."""
SECONDS: Final = 5.0
LEAST: Final = 300
"""Orders of a trial; so few loads are offered for longer."""
SHOWN: Final = ("p50", "p99")
Trials = dict[tuple[str, float], list[LatencyTrial]]
"""By lane and load."""


async def capacity(lane: Lane, options: Options, report: Report) -> float:
    """Return the rate of a backlog, with the settings that serve a baseline best."""
    orders = options.share(SHARES[lane.name], 200)

    async def trial(count: int = orders) -> Trial:
        measured = await backlog_trial(lane, hot(count), units={HOT_SKU: count})
        report.breaches += [f"{lane.name}: {breach}" for breach in measured.breaches]
        return measured

    if isinstance(lane, PostgresBaseline) and not options.quick:
        for setting in lane.tuned:
            tried = await tune(lane, lambda: trial(orders // 2), setting, CHOICES[setting])
            report.setup.setdefault(setting, {})[lane.name] = tried
    rate = (await trial()).orders_per_s
    say(f"{lane.name}: capacity {rate:,.0f}/s")
    return rate


async def offer(lane: Lane, rate: float, load: float, options: Options) -> LatencyTrial:
    """Offer a share of a lane's capacity."""
    best = lane.relay_pause_ms if isinstance(lane, PostgresBaseline) else 0
    if isinstance(lane, PostgresBaseline) and load <= PROMPT_UP_TO:
        lane.relay_pause_ms = PROMPT_RELAY_PAUSE_MS
    offered = rate * load
    trial = await latency_trial(lane, offered, 1.0 if options.quick else max(SECONDS, LEAST / offered))
    if isinstance(lane, PostgresBaseline):
        lane.relay_pause_ms = best
    return trial


async def run(options: Options, report: Report) -> None:
    """Find each capacity, then offer each load in turn. Raises RuntimeError when hdrhistogram is not installed."""
    if not is_installed("hdrh"):
        raise RuntimeError("hdrhistogram is not installed; make installs it before a benchmark")
    trials: Trials = {}
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        every: list[Lane] = [
            Ours("ours", servers),
            batched_row_lock(servers),
            PostgresBaseline(ROW_LOCK, servers, "row_lock", variant="cte"),
        ]
        lanes = [lane for lane in every if options.wants(lane.name)]
        for lane in lanes:
            await open_lanes.enter_async_context(lane)
        rates = {lane.name: await capacity(lane, options, report) for lane in lanes}
        for number in range(options.rounds):
            for load in QUICK_LOADS if options.quick else LOADS:
                for lane in lanes if number % 2 == 0 else lanes[::-1]:
                    trial = await offer(lane, rates[lane.name], load, options)
                    trials.setdefault((lane.name, load), []).append(trial)
                    behind = ", of which the generator fell behind" if trial.generator_fell_behind else ""
                    say(
                        f"round {number + 1} of {options.rounds}: {lane.name} at {load:.0%}"
                        f" ({trial.offered_per_s:,.0f}/s{behind}): {trial.ms}"
                    )
    report.setup["capacity_per_s"] = rates
    report.setup["does_not"] = {name: DOES_NOT[name] for name in rates if name in DOES_NOT}
    judge(report, trials)
    options.folder.mkdir(parents=True, exist_ok=True)
    picture = plot_lines(report.title, "orders/s offered", "ms", lines_of(trials))
    (options.folder / "latency-curve.svg").write_text(picture, encoding="utf-8")
    say("The curve: latency-curve.svg")


def judge(report: Report, trials: Trials) -> None:
    """Note every point."""
    for (name, load), of_point in trials.items():
        label = f"{name} at {load:.0%}"
        for percentile in SHOWN:
            report.spreads[f"{label} {percentile}"] = spread([trial.ms[percentile] for trial in of_point])
        report.remarks[f"{label} {SHOWN[0]}"] = f"{of_point[0].offered_per_s:,.0f} orders/s"
        report.details[label] = [msgspec.to_builtins(trial) for trial in of_point]
        report.breaches += [f"{label}: {breach}" for trial in of_point for breach in trial.breaches]


def lines_of(trials: Trials) -> list[Line]:
    """Return a line for each lane and percentile; a point's load is that of its first round."""
    lines = []
    for lane in dict.fromkeys(name for name, _ in trials):
        for percentile in SHOWN:
            points = [
                (of_point[0].offered_per_s, spread([trial.ms[percentile] for trial in of_point]).median)
                for (name, _), of_point in trials.items()
                if name == lane
            ]
            lines.append(Line(f"{lane} {percentile}", points, is_dashed=percentile != SHOWN[0]))
    return lines


if __name__ == "__main__":
    title = "From the moment an order is due to its outcome, over load"
    raise SystemExit(run_benchmark(run, name="curve", title=title, unit="ms", orders=100_000))
