"""`make bench-latency`: how long from the moment an order is due to its outcome on Kafka, at fixed offered loads.

The loads are multiples of what the strongest row-lock design sustains in the same session, set for throughput; at its own
loads it is set for latency. An outcome's moment is the time at which Kafka appended it, to the end of its millisecond. The
load comes from a process of its own; a trial in which that fell behind its schedule does not count and is repeated.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from tests.benchmarks.harness.baseline import RELAY_PAUSE_MS, PostgresBaseline
from tests.benchmarks.harness.contenders import ROW_LOCK
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.generator import generator
from tests.benchmarks.harness.lanes import Lane, Ours, is_installed
from tests.benchmarks.harness.orders import HOT_SKU, hot, orders_for
from tests.benchmarks.harness.outcomes import breaches
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import at_most
from tests.benchmarks.harness.rounds import say, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.harness.trial import Trial, backlog_trial, until_counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.harness.generator import Offered, Percentiles
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.outcomes import Outcome
    from tests.benchmarks.harness.report import Report

LOADS: Final = ((ROW_LOCK, 0.25), (ROW_LOCK, 0.5), ("ours", 0.5), ("ours", 2.0), ("ours", 8.0))
"""Lane, and offered load as a multiple of the row-lock design's capacity."""
SECONDS: Final = 8.0
WARM_UP_ORDERS: Final = 1_000
CAPACITY_SHARE: Final = 0.1
PROMPT_RELAY_PAUSE_MS: Final = 5
"""At half of its capacity the row-lock design can afford to publish this often, and its outcomes wait less."""
PERCENTILES: Final = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}
MOST_REFUSED: Final = 5
LATENCY_BAR: Final = 1.2
"""How many times the row lock's latency at half of its capacity ours may be, at that load and (p99) at eight times it."""


class LatencyTrial(msgspec.Struct, frozen=True):
    """Latencies of one lane at one load, in ms, and how late its generator was (see `Offered`)."""

    offered_per_s: float
    orders: int
    ms: dict[str, float]
    generator_late_ms: Percentiles
    generator_acknowledged_ms: Percentiles
    generator_fell_behind: bool
    breaches: list[str]


async def latency_trial(lane: Lane, rate: float, seconds: float) -> LatencyTrial:
    """Offer orders at a fixed rate to a lane that is warm, and compare each outcome's time with when the order was due."""
    warm_up, count = orders_for(hot(WARM_UP_ORDERS)), max(50, round(rate * seconds))
    await lane.receive({HOT_SKU: len(warm_up.ids) + count})
    since = await lane.topics.ends()
    await lane.servers.settle()
    folder = lane.servers.settings.state_dir / "lanes"
    async with generator(lane.servers.bootstrap, lane.namespace, rate, count, folder) as load:
        process = await lane.start()
        await lane.place(warm_up)
        await until_counted(lane, process, sum(since) + len(warm_up.ids))
        offered = await load.offer()
    await until_counted(lane, process, sum(since) + len(warm_up.ids) + count)
    code = await process.terminate(timeout_seconds=30)
    outcomes = await lane.topics.outcomes(since)
    lane.sold += sum(outcome.is_sale for outcome in outcomes)
    problems = breaches([*warm_up.ids, *offered.ids], outcomes) + await lane.audit()
    if code != 0:
        problems.append(f"the process ended with exit code {code}")
    ms = latencies_ms(offered, outcomes)
    late = (offered.late_ms, offered.acknowledged_ms, offered.fell_behind)
    return LatencyTrial(rate, count, ms, *late, problems)


def latencies_ms(offered: Offered, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return percentiles of the time from when an order was due to when Kafka had appended its outcome."""
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415  optional: only this needs it

    due_ms = offered.due_ms()
    histogram = HdrHistogram(1, 600_000_000, 3)
    for outcome in outcomes:
        if (due := due_ms.get(outcome.order_id)) is not None:
            histogram.record_value(max(1, round((outcome.at_ms + 1 - due) * 1000)))
    percentiles = {name: histogram.get_value_at_percentile(percent) / 1000 for name, percent in PERCENTILES.items()}
    return {**percentiles, "max": histogram.get_max_value() / 1000}


async def capacity(lane: PostgresBaseline, options: Options, report: Report) -> float:
    """Return the rate that the row-lock design sustains with its best number of connections."""
    orders = options.share(CAPACITY_SHARE, 200)

    async def trial(count: int = orders) -> Trial:
        measured = await backlog_trial(lane, hot(count), units={HOT_SKU: count})
        report.breaches += [f"{lane.name}: {breach}" for breach in measured.breaches]
        return measured

    if options.quick:
        return (await trial()).orders_per_s
    report.setup["connections"] = {lane.name: await tune(lane, lambda: trial(orders // 3))}
    return median([(await trial()).orders_per_s for _ in range(3)])


async def run(options: Options, report: Report) -> None:
    """Find the capacity, then offer each load in turn. Raises RuntimeError when hdrhistogram is not installed."""
    if not is_installed("hdrh"):
        raise RuntimeError("hdrhistogram is not installed; make installs it before a benchmark")
    seconds = 1.0 if options.quick else SECONDS
    trials: dict[str, list[LatencyTrial]] = {}
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        baseline = PostgresBaseline(ROW_LOCK, servers, "row_lock", variant="cte")
        lanes: Mapping[str, Lane] = {"ours": Ours("ours", servers), ROW_LOCK: baseline}
        for lane in lanes.values():
            await open_lanes.enter_async_context(lane)
        base = await capacity(baseline, options, report)
        baseline.relay_pause_ms = PROMPT_RELAY_PAUSE_MS
        report.setup["row_lock_capacity_per_s"] = base
        report.setup["relay_pause_ms"] = {"at capacity": RELAY_PAUSE_MS, "at the loads": PROMPT_RELAY_PAUSE_MS}
        for number in range(options.rounds):
            for name, load in LOADS if number % 2 == 0 else LOADS[::-1]:
                trial = await accepted_trial(lanes[name], base * load, seconds, options, report)
                trials.setdefault(f"{name} at {load:g}x", []).append(trial)
                say(
                    f"round {number + 1} of {options.rounds}: {name} at {load:g}x ({base * load:,.0f}/s): {trial.ms};"
                    f" generator late: {trial.generator_late_ms}"
                )
    judge(report, trials)


async def accepted_trial(lane: Lane, rate: float, seconds: float, options: Options, report: Report) -> LatencyTrial:
    """Return a trial in which the generator kept its schedule. Raises RuntimeError when too many were refused.

    With --quick, which measures nothing, every trial is accepted.
    """
    refused = report.details.setdefault("refused", [])
    while True:
        trial = await latency_trial(lane, rate, seconds)
        report.breaches += [f"{lane.name} at {rate:,.0f}/s: {breach}" for breach in trial.breaches]
        if options.quick or not trial.generator_fell_behind:
            return trial
        say(f"refused: the generator fell behind (median, p99, max: {trial.generator_late_ms} ms)")
        refused.append({"lane": lane.name, **msgspec.to_builtins(trial)})
        if len(refused) > MOST_REFUSED:
            raise RuntimeError(
                "the load generator fell behind again and again: this machine is too busy to measure latency"
            )


def judge(report: Report, trials: Mapping[str, list[LatencyTrial]]) -> None:
    """Compute figures and bars."""
    for name, of_load in trials.items():
        for percentile in PERCENTILES:
            report.spreads[f"{name} {percentile}"] = spread([trial.ms[percentile] for trial in of_load])
        report.remarks[f"{name} p50"] = f"{of_load[0].offered_per_s:,.0f} orders/s"
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_load]
    row_lock = trials[f"{ROW_LOCK} at 0.5x"]
    for figure, ours, percentile in (
        ("p50_at_half_vs_row_lock", "ours at 0.5x", "p50"),
        ("p99_at_half_vs_row_lock", "ours at 0.5x", "p99"),
        ("p99_at_8x_vs_row_lock_at_half", "ours at 8x", "p99"),
    ):
        ratio = paired([trial.ms[percentile] for trial in trials[ours]], [trial.ms[percentile] for trial in row_lock])
        report.ratio(figure, ratio)
        report.bars[figure] = at_most(ratio.median, LATENCY_BAR)
    report.figure("p99_ms_at_8x", median(trial.ms["p99"] for trial in trials["ours at 8x"]))
    report.figure("row_lock_p99_ms_at_half", median(trial.ms["p99"] for trial in row_lock))


if __name__ == "__main__":
    title = "From the moment an order is due to its outcome"
    raise SystemExit(run_benchmark(run, name="latency", title=title, unit="ms", orders=60_000))
