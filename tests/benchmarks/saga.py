"""`make bench-saga`: how many orders a second go from placed to paid, every step durable, with all rooms at work?

Beside the product the same steps (reserve, authorise, commit, capture, and what undoes them) as a plain orchestrator on
asyncpg, as a DBOS workflow, and as a Restate service with a virtual object. On all sides the processor answers at once in
the process that asks; the product is measured against one over HTTP too. See DOES for what each writes and says.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tests.benchmarks.harness.baseline import PostgresBaseline, RestateBaseline, restate_server
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours, is_installed
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.rounds import say, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.sagas.sellers import OurSeller, PostgresSeller, RestateSeller, Sold
from tests.benchmarks.sagas.shapes import SHAPES, hot, scarce, uniform
from tests.benchmarks.sagas.trial import Latencies, SagaTrial, latency_trial, saga_trial
from topology.topics import ORDER_COMMANDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.servers import Servers
    from tests.benchmarks.sagas.sellers import Seller

CATALOGUE: Final = 100_000
SHARES: Final = {"ours": 1.0, "ours_http": 0.4, "asyncpg": 0.8, "dbos": 0.02, "restate": 0.025}
"""Orders of each seller as a share of the product's: some seconds of work each."""
LINES_SHARE: Final = {"hot": 1.0, "uniform": 1.0, "three_lines": 0.6}
WARM_UP_SHARE: Final = 0.1
LATENCY_MS: Final = 20.0
LOAD: Final = 0.5
"""At which share of its capacity the product's latency is read."""
LOAD_SECONDS: Final = 4.0
SCARCE_ORDERS: Final = 100
CHOICES: Final = (4, 8, 16, 32)
FEW_CHOICES: Final = (4, 16)
"""For those that need seconds for a hundred orders; more than 16 made them slower wherever it was tried."""
DOES: Final = {
    "ours": "every room a process: inventory, orders, payments, notifications, views and what else is registered; 2n + 5 events"
    " of an order of n lines on Kafka, views in Valkey, holds, movements, orders, payments and attempts in PostgreSQL",
    "ours_http": f"the same, with the simulated processor over HTTP, {LATENCY_MS:g} ms an answer",
    "asyncpg": "an order a record from Kafka; 3 statements and commits: reserve and write down, commit and capture next, paid"
    " and outbox; 1 event on Kafka by the outbox",
    "dbos": "the same 3 statements as transactions of a workflow and 2 steps that ask the processor, so 7 commits; 1 event"
    " on Kafka by the outbox",
    "restate": "a journaled service that calls a virtual object a SKU twice (reserve, commit) and asks the processor twice;"
    " 1 event on Kafka, published when Restate has answered",
}
BARS: Final = {"saga_vs_dbos": 20, "saga_vs_restate": 20, "saga_vs_asyncpg_hot": 3, "saga_vs_asyncpg_uniform": 1.5}
RATIOS: Final = {
    "saga_vs_dbos": ("dbos", "uniform"),
    "saga_vs_restate": ("restate", "uniform"),
    "saga_vs_asyncpg_hot": ("asyncpg", "hot"),
    "saga_vs_asyncpg_uniform": ("asyncpg", "uniform"),
}
Trials = dict[str, list[SagaTrial]]
"""By seller and shape, `ours hot`, one a round."""


class SagaBaseline(PostgresBaseline):
    """An orchestrator's process, tables and topics."""

    tables = Path(__file__).parent / "baselines" / "sagas" / "tables.sql"
    reads = ORDER_COMMANDS


class SagaRestate(RestateBaseline):
    """The same, without tables."""

    reads = ORDER_COMMANDS


def sellers(servers: Servers, report: Report, options: Options) -> list[Seller]:
    """Return those that were asked for and can run here; what is not installed goes into the report's `skipped`."""
    lane, sold = Ours("ours", servers), Sold()
    found: list[Seller] = [
        OurSeller("ours", lane, sold),
        OurSeller("ours_http", lane, sold, latency_ms=LATENCY_MS),
        PostgresSeller("asyncpg", SagaBaseline("asyncpg", servers, "sagas.orchestrator")),
    ]
    if is_installed("dbos"):
        found.append(PostgresSeller("dbos", SagaBaseline("dbos", servers, "sagas.dbos_saga")))
    elif options.wants("dbos"):
        report.skipped["dbos"] = "not installed; make installs it before a benchmark"
    if is_installed("restate", "hypercorn") and (server := restate_server()) is not None:
        restate = SagaRestate("restate", servers, server)
        restate.program = "sagas.restate_saga"
        found.append(RestateSeller("restate", restate))
        report.setup["restate-server"] = json.loads((server.parents[1] / "package.json").read_text())["version"]
    elif options.wants("restate"):
        report.skipped["restate"] = "not installed; make installs it before a benchmark, where there is npm"
    return [seller for seller in found if options.wants(seller.name)]


class Bench:
    """The rounds. Every trial draws other orders."""

    def __init__(self, options: Options, report: Report) -> None:
        self._options = options
        self._report = report
        self._seeds = count()
        self._skus = 500 if options.quick else CATALOGUE
        self.trials: Trials = {}
        self.latencies: list[Latencies] = []

    async def prepare(self, seller: Seller) -> None:
        """Fill the shelves and find the number of connections that serves best."""
        if seller.name != "ours_http":  # it shares the shelves of ours
            await seller.fill_shelves(self._skus)
        if isinstance(seller, PostgresSeller | RestateSeller) and not self._options.quick:
            choices = CHOICES if seller.name == "asyncpg" else FEW_CHOICES
            tried = await tune(seller.lane, lambda: self._tried(seller), choices=choices)
            self._report.setup.setdefault("connections", {})[seller.name] = tried

    async def turn(self, seller: Seller, number: int) -> None:
        """Let a seller have its turn in a round: each shape once, and in the last round what has to be undone."""
        async with self._at_work(seller):
            for shape, orders_of in SHAPES.items():
                orders = orders_of(self._share(seller, shape), self._skus, next(self._seeds))
                trial = await saga_trial(seller, orders)
                self._note(f"{seller.name} {shape}", number, trial)
            if seller.name == "ours":
                await self._offer(seller, self.trials["ours uniform"][-1].orders_per_s * LOAD)
            if number == self._options.rounds - 1 and seller.name != "ours_http":  # it has the scarce units of ours
                await self._sell_out(seller)

    async def _sell_out(self, seller: Seller) -> None:
        """Let it sell what is not there for all, to customers of whom some cannot pay: nothing may be left undone."""
        orders = scarce(SCARCE_ORDERS, self._skus, next(self._seeds))
        trial = await saga_trial(seller, orders, are_all_paid=False)
        self._report.details[f"{seller.name} scarce"] = msgspec.to_builtins(trial)
        self._break(f"{seller.name} scarce", trial.breaches)

    async def _tried(self, seller: Seller) -> SagaTrial:
        """Try a setting on half of the orders, some of the hot SKU and some of all."""
        some = self._share(seller, "hot") // 4
        async with self._at_work(seller):
            orders = hot(some, self._skus, 0) + uniform(some, self._skus, next(self._seeds))
            return await saga_trial(seller, orders)

    async def _offer(self, seller: Seller, rate: float) -> None:
        seconds = 1.0 if self._options.quick else LOAD_SECONDS
        orders = uniform(max(50, round(rate * seconds)), self._skus, next(self._seeds))
        found = await latency_trial(seller, orders, rate)
        say(
            f"ours at {rate:,.0f}/s: p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, load {found.late_ms:.1f} late"
        )
        self.latencies.append(found)
        self._break("ours at half of its capacity", found.breaches)

    @asynccontextmanager
    async def _at_work(self, seller: Seller) -> AsyncIterator[None]:
        """Run its processes for the length of the block, warm from its beginning."""
        await seller.start()
        try:
            for orders_of in SHAPES.values():
                some = max(10, round(self._share(seller, "hot") * WARM_UP_SHARE))
                warm = await saga_trial(seller, orders_of(some, self._skus, next(self._seeds)))
                self._break(f"{seller.name} warming up", warm.breaches)
            yield
        finally:
            self._break(seller.name, await seller.stop())

    def _share(self, seller: Seller, shape: str) -> int:
        return self._options.share(SHARES[seller.name] * LINES_SHARE[shape])

    def _note(self, name: str, number: int, trial: SagaTrial) -> None:
        self.trials.setdefault(name, []).append(trial)
        say(
            f"round {number + 1} of {self._options.rounds}: {name}: {trial.orders_per_s:,.0f}/s over {trial.orders:,} orders"
            f" in {trial.seconds:.1f} s, {trial.behind_s:.1f} s behind, us of CPU an order: {trial.cpu_us_per_order}"
        )
        self._break(name, trial.breaches)

    def _break(self, name: str, breaches: Sequence[str]) -> None:
        for breach in breaches:
            say(f"BREACH: {name}: {breach}")
            self._report.breaches.append(f"{name}: {breach}")


async def run(options: Options, report: Report) -> None:
    """Prepare everybody, then run the rounds."""
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        bench, taking_part = Bench(options, report), sellers(servers, report, options)
        for lane in {id(seller.lane): seller.lane for seller in taking_part}.values():
            await open_lanes.enter_async_context(lane)
        for seller in taking_part:
            await bench.prepare(seller)
        for number in range(options.rounds):
            for seller in taking_part if number % 2 == 0 else taking_part[::-1]:
                await bench.turn(seller, number)
    judge(report, bench.trials, bench.latencies)
    report.setup["does"] = {seller.name: DOES[seller.name] for seller in taking_part}


def judge(report: Report, trials: Trials, latencies: Sequence[Latencies]) -> None:
    """Compute figures and bars."""
    for name, of_seller in trials.items():
        report.spreads[name] = spread(_rates(of_seller))
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_seller]
    for figure, (seller, shape) in RATIOS.items():
        mine, theirs = trials.get(f"ours {shape}"), trials.get(f"{seller} {shape}")
        if mine and theirs:
            report.ratio(figure, paired(_rates(mine), _rates(theirs)), BARS[figure])
            report.remarks[f"{seller} {shape}"] = f"ours: {report.figures[figure]:.3g} \N{MULTIPLICATION SIGN}"
    for seller, prefix in {"ours": "saga", "ours_http": "saga_http_20ms"}.items():
        for shape in SHAPES:
            if (mine := trials.get(f"{seller} {shape}")) is not None:
                report.figure(f"{prefix}_orders_per_second_{shape}", median(_rates(mine)))
    for room, us in _middle(trial.cpu_us_per_order for trial in trials.get("ours uniform", ())).items():
        report.figure(f"saga_cpu_us_per_order_{room}", us)
    if latencies:
        report.figure("publish_to_paid_p50_ms", median(it.p50_ms for it in latencies))
        report.figure("publish_to_paid_p99_ms", median(it.p99_ms for it in latencies))
        report.details["publish_to_paid"] = [msgspec.to_builtins(it) for it in latencies]
    report.setup["cpu_us_per_order"] = {
        name: _middle(trial.cpu_us_per_order for trial in of_seller) for name, of_seller in trials.items()
    }
    report.setup["wal_bytes_per_order"] = {
        name: median(trial.wal_bytes_per_order for trial in of_seller) for name, of_seller in trials.items()
    }


def _rates(trials: Sequence[SagaTrial]) -> list[float]:
    return [trial.orders_per_s for trial in trials]


def _middle(costs: Any) -> dict[str, float]:
    """Return the median of each process."""
    rounds = list(costs)
    return {name: median(cost[name] for cost in rounds) for name in sorted(rounds[0])} if rounds else {}


if __name__ == "__main__":
    title = "Complete orders: placed, reserved, authorised, committed, captured, paid"
    raise SystemExit(run_benchmark(run, name="saga", title=title, unit="orders/s", orders=6_000, quick_orders=300))
