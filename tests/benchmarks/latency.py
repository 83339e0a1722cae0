"""`make bench-latency`: how long from the moment an order is due to its outcome on Kafka, at fixed offered loads.

The loads are multiples of what the strongest row-lock design sustains in the same session. An outcome's moment is the
time at which Kafka appended it, counted to the end of its millisecond.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from infra.stack import run_until_interrupted
from tests.benchmarks.harness.baseline import PostgresBaseline
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Lane, Ours
from tests.benchmarks.harness.open_loop import OpenLoop
from tests.benchmarks.harness.options import Options, read_options
from tests.benchmarks.harness.orders import HOT_SKU, hot, orders_for
from tests.benchmarks.harness.outcomes import breaches
from tests.benchmarks.harness.report import Report, at_most, emit
from tests.benchmarks.harness.rounds import say, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.harness.trial import Trial, backlog_trial, until_counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.harness.orders import Orders
    from tests.benchmarks.harness.outcomes import Outcome

LOADS: Final = (
    ("row_lock_cte", 0.25),
    ("row_lock_cte", 0.5),
    ("row_lock_cte", 0.8),
    ("ours", 0.5),
    ("ours", 2.0),
    ("ours", 8.0),
)
"""Lane, and offered load as a multiple of the row-lock design's capacity."""
SECONDS: Final = 8.0
WARM_UP_ORDERS: Final = 300
PERCENTILES: Final = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


class LatencyTrial(msgspec.Struct, frozen=True):
    """Latencies of one lane at one load, in ms."""

    offered_per_s: float
    orders: int
    ms: dict[str, float]
    breaches: list[str]


async def latency_trial(lane: Lane, rate: float, seconds: float) -> LatencyTrial:
    """Offer orders at a fixed rate to a lane that is warm, and compare each outcome's time with when the order was due."""
    warm_up, orders = orders_for(hot(WARM_UP_ORDERS)), orders_for(hot(max(50, round(rate * seconds))))
    await lane.receive({HOT_SKU: len(warm_up.ids) + len(orders.ids)})
    since = await lane.topics.ends()
    await lane.servers.settle()
    process = await lane.start()
    await lane.place(warm_up)
    await until_counted(lane, process, sum(since) + len(warm_up.ids))
    loop = OpenLoop(lane.publisher, orders, rate)
    await loop.run()
    await until_counted(lane, process, sum(since) + len(warm_up.ids) + len(orders.ids))
    await process.terminate(timeout_seconds=30)
    outcomes = await lane.topics.outcomes(since)
    lane.sold += sum(outcome.is_sale for outcome in outcomes)
    found = breaches([*warm_up.ids, *orders.ids], outcomes) + await lane.audit()
    return LatencyTrial(rate, len(orders.ids), _percentiles(loop, orders, outcomes), found)


def _percentiles(loop: OpenLoop, orders: Orders, outcomes: Sequence[Outcome]) -> dict[str, float]:
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415  optional: only this needs it

    due_ms = {order_id: loop.due_ms(index) for index, order_id in enumerate(orders.ids)}
    histogram = HdrHistogram(1, 600_000_000, 3)
    for outcome in outcomes:
        if (due := due_ms.get(outcome.order_id)) is not None:
            histogram.record_value(max(1, round((outcome.at_ms + 1 - due) * 1000)))
    found = {name: histogram.get_value_at_percentile(percent) / 1000 for name, percent in PERCENTILES.items()}
    return {**found, "max": histogram.get_max_value() / 1000}


async def capacity(lane: PostgresBaseline, options: Options, report: Report) -> float:
    """Return the rate that the row-lock design sustains with its best number of connections."""
    orders = options.share(0.08, 200)

    async def trial(count: int = orders) -> Trial:
        return await backlog_trial(lane, hot(count), units={HOT_SKU: count})

    if options.quick:
        return (await trial()).orders_per_s
    report.setup["connections"] = await tune(lane, lambda: trial(orders // 4))
    return median([(await trial()).orders_per_s for _ in range(3)])


async def run(options: Options, report: Report) -> None:
    """Find the capacity, then offer each load in turn."""
    seconds = 1.0 if options.quick else SECONDS
    trials: dict[str, list[LatencyTrial]] = {}
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        theirs = PostgresBaseline("row_lock_cte", servers, "row_lock", variant="cte")
        lanes: Mapping[str, Lane] = {"ours": Ours("ours", servers), "row_lock_cte": theirs}
        for lane in lanes.values():
            await open_lanes.enter_async_context(lane)
        base = await capacity(theirs, options, report)
        report.setup["row_lock_capacity_per_s"] = base
        for number in range(options.rounds):
            for name, load in LOADS if number % 2 == 0 else LOADS[::-1]:
                trial = await latency_trial(lanes[name], base * load, seconds)
                trials.setdefault(f"{name} at {load:g}x", []).append(trial)
                say(f"round {number + 1}: {name} at {load:g}x ({base * load:,.0f}/s): ms {trial.ms}")
    judge(report, trials)


def judge(report: Report, trials: Mapping[str, list[LatencyTrial]]) -> None:
    """Compute figures and the bar."""
    for name, of_load in trials.items():
        for percentile in PERCENTILES:
            report.spreads[f"{name} {percentile}"] = spread([trial.ms[percentile] for trial in of_load])
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_load]
        report.breaches += [f"{name}: {breach}" for trial in of_load for breach in trial.breaches]
    ours = [trial.ms["p99"] for trial in trials["ours at 8x"]]
    theirs = [trial.ms["p99"] for trial in trials["row_lock_cte at 0.5x"]]
    ratio = paired(ours, theirs)
    report.ratio("p99_at_8x_vs_row_lock_at_half", ratio)
    report.bars["p99_at_8x_vs_row_lock_at_half"] = at_most(ratio.median, 1)
    report.figure("p99_ms_at_8x", median(ours))
    report.figure("row_lock_p99_ms_at_half", median(theirs))


async def main() -> int:
    """Be the program."""
    options = read_options("latency", "Latency at fixed offered loads", orders=100_000, quick_orders=2_000)
    report = Report(
        name="latency", title="From the moment an order is due to its outcome", unit="ms", rounds=options.rounds
    )
    await run(options, report)
    return emit(report, options.folder)


if __name__ == "__main__":
    raise SystemExit(run_until_interrupted(main()))
