"""`make bench-zipf`: a catalogue of 100,000 SKUs, wanted by Zipf's law or all alike, against one SKU that everybody wants."""

from __future__ import annotations

from contextlib import AsyncExitStack
from statistics import median
from typing import TYPE_CHECKING, Final

from infra.stack import run_until_interrupted
from tests.benchmarks.harness.baseline import Baseline, PostgresBaseline, RedisBaseline
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Lane, Ours
from tests.benchmarks.harness.options import Options, read_options
from tests.benchmarks.harness.orders import HOT_SKU, hot, names, uniform, zipf
from tests.benchmarks.harness.report import Report, emit
from tests.benchmarks.harness.rounds import alternate, note, rates, tune
from tests.benchmarks.harness.servers import Servers, running_servers
from tests.benchmarks.harness.spread import paired
from tests.benchmarks.harness.trial import Trial, backlog_trial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

CATALOGUE: Final = 100_000
PLENTY: Final = 1_000_000
SHARES: Final = {"ours": 1.0, "row_lock_cte": 0.15, "redis_lua_always": 0.5, "faust_agent": 0.08}
ZIPF_BAR: Final = 5
HOT_BAR: Final = 1


def lanes(servers: Servers, options: Options) -> list[Lane]:
    """Return the lanes that were asked for. One row a unit does not fit a catalogue; the slow engines are no closer here."""
    wanted: list[Lane] = [
        Ours("ours", servers),
        PostgresBaseline("row_lock_cte", servers, "row_lock", variant="cte"),
        RedisBaseline("redis_lua_always", servers, appendfsync="always"),
        PostgresBaseline("faust_agent", servers, "faust_agent", connections=8),
    ]
    return [lane for lane in wanted if options.wants(lane.name)]


def turns(lane: Lane, options: Options, skus: int) -> Iterator[tuple[str, Callable[[], Awaitable[Trial]]]]:
    """Yield what a lane does in each round, by name; every round draws other orders."""
    count = options.share(SHARES[lane.name])
    seeds = iter(range(10_000))
    yield f"{lane.name}_zipf", lambda: backlog_trial(lane, zipf(count, skus, next(seeds)))
    yield f"{lane.name}_uniform", lambda: backlog_trial(lane, uniform(count, skus, next(seeds)))
    if isinstance(lane, Ours):
        yield f"{lane.name}_hot", lambda: backlog_trial(lane, hot(count), units={HOT_SKU: count})


async def run(options: Options, report: Report) -> None:
    """Fill every lane's shelves, then run the rounds."""
    skus = 500 if options.quick else CATALOGUE
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = {**await setup_facts(servers), "skus": skus}
        together: dict[str, Callable[[], Awaitable[Trial]]] = {}
        for lane in lanes(servers, options):
            await open_lanes.enter_async_context(lane)
            await lane.receive(dict.fromkeys(names(skus), PLENTY))
            if isinstance(lane, Ours):
                await lane.digest()
            together |= turns(lane, options, skus)
            if isinstance(lane, Baseline) and lane.name == "row_lock_cte" and not options.quick:
                trial = turns(lane, Options(orders=options.orders // 5), skus)
                report.setup["connections"] = await tune(lane, next(trial)[1])
        trials = await alternate(options.rounds, together)
    note(report, trials)
    judge(report, trials)


def judge(report: Report, trials: dict[str, list[Trial]]) -> None:
    """Compute figures and bars."""
    if "ours_zipf" not in trials:
        return
    for mix in ("zipf", "uniform"):
        report.figure(f"{mix}_orders_per_s", median(rates(trials, f"ours_{mix}")))
        for lane in ("row_lock_cte", "redis_lua_always", "faust_agent"):
            if f"{lane}_{mix}" in trials:
                name = f"{mix}_vs_{'row_lock' if lane == 'row_lock_cte' else lane}"
                bar = ZIPF_BAR if name == "zipf_vs_row_lock" else None
                report.ratio(name, paired(rates(trials, f"ours_{mix}"), rates(trials, f"{lane}_{mix}")), bar)
    report.ratio("hot_vs_uniform", paired(rates(trials, "ours_hot"), rates(trials, "ours_uniform")), HOT_BAR)
    report.setup["cpu_us_per_order"] = {name: of_lane[-1].cpu_us_per_order for name, of_lane in trials.items()}
    report.setup["wal_bytes_per_order"] = {name: of_lane[-1].wal_bytes_per_order for name, of_lane in trials.items()}


async def main() -> int:
    """Be the program."""
    options = read_options("zipf", "A catalogue of SKUs", orders=80_000, quick_orders=2_000)
    report = Report(
        name="zipf", title="100,000 SKUs: orders decided, durable, published", unit="orders/s", rounds=options.rounds
    )
    await run(options, report)
    return emit(report, options.folder)


if __name__ == "__main__":
    raise SystemExit(run_until_interrupted(main()))
