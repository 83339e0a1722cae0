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
from typing import TYPE_CHECKING, Final

import msgspec

from tests.benchmarks.harness.baseline import PostgresBaseline, RestateBaseline, Tunable, restate_server
from tests.benchmarks.harness.contenders import DOES_NOT
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours, is_installed
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.rounds import say, tune
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.sagas.judging import SLOW, SLOW_SHAPE, Trials, judge
from tests.benchmarks.sagas.sellers import Orchestrating, OurSeller, PostgresSeller, RestateSeller
from tests.benchmarks.sagas.shapes import SHAPES, Shape, hot, scarce, uniform
from tests.benchmarks.sagas.trial import Latencies, SagaTrial, latency_trial, saga_trial
from topology.topics import ORDER_COMMANDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.servers import Servers
    from tests.benchmarks.sagas.sellers import Seller

CATALOGUE: Final = 100_000
SHARES: Final = {
    "ours": 1.0,
    "ours_apart": 1.0,
    "ours_http": 0.4,
    "asyncpg_batched": 1.5,
    "asyncpg": 0.8,
    "dbos": 0.02,
    "restate": 0.025,
    "restate_js": 0.025,
}
"""Orders of each seller as a share of the product's: some seconds of work each."""
LINES_SHARE: Final = {"hot": 1.0, "uniform": 1.0, "three_lines": 0.6}
WARM_UP_SHARE: Final = 0.1
LATENCY_MS: Final = 20.0
LOAD: Final = 0.5
"""At which share of its capacity the product's latency is read."""
LOAD_SECONDS: Final = 4.0
SCARCE_ORDERS: Final = 100
CHOICES: Final[dict[str, dict[Tunable, tuple[int, ...]]]] = {
    "asyncpg": {"connections": (4, 8, 16, 32)},
    f"asyncpg{SLOW}": {"connections": (32, 64, 128)},
    "asyncpg_batched": {"connections": (1, 2, 4), "together": (500, 2_000)},
    f"asyncpg_batched{SLOW}": {"connections": (2, 4, 8)},
    "dbos": {"processes": (1, 2, 4), "connections": (4, 16)},
    f"dbos{SLOW}": {"connections": (16, 32)},
    "restate": {"connections": (4, 16)},
    f"restate{SLOW}": {"connections": (16, 64)},
    "restate_js": {"connections": (4, 16, 64)},
    f"restate_js{SLOW}": {"connections": (16, 64)},
}
"""What is tried of each setting, one setting after the other."""
DOES: Final = {
    "ours": "every room, in the processes of `make up`: those that read order.events share one; 2n + 5 events of an order of n lines on"
    " Kafka, views in Valkey, holds, movements, orders, payments and attempts in PostgreSQL",
    "ours_apart": "the same, every room a process",
    "ours_http": f"the same as ours, with the simulated processor over HTTP, {LATENCY_MS:g} ms an answer",
    "asyncpg": "an order a record from Kafka; 3 statements and commits: reserve and write down, commit and capture next, paid"
    " and outbox; 1 event on Kafka by the outbox",
    "asyncpg_batched": "the same three statements for hundreds of orders at once, which ask the processor side by side",
    "dbos": "the same 3 statements as transactions of a workflow and 2 steps that ask the processor, so 7 commits; 1 event"
    " on Kafka by the outbox; several executors share the topic",
    "restate": "a journaled service (Python SDK) that calls a virtual object a SKU twice (reserve, commit) and asks the"
    " processor twice; 1 event on Kafka, published when Restate has answered",
    "restate_js": "the same services with Restate's JavaScript SDK in Node",
}


class SagaBaseline(PostgresBaseline):
    """An orchestrator's process, tables and topics."""

    tables = Path(__file__).parent / "baselines" / "sagas" / "tables.sql"
    reads = ORDER_COMMANDS


class SagaRestate(RestateBaseline):
    """The same, without tables."""

    reads = ORDER_COMMANDS


def sellers(servers: Servers, report: Report, options: Options) -> list[Seller]:
    """Return those that were asked for and can run here; what is not installed goes into the report's `skipped`.

    Each comes a second time, with a processor that takes its time.
    """
    lane = Ours("ours", servers)
    own = OurSeller("ours", lane)
    all_sellers: list[Seller] = [
        own,
        OurSeller(f"ours{SLOW}", lane, processor_ms=LATENCY_MS, sharing=own),
        OurSeller("ours_apart", lane, sharing=own, apart=True),
        OurSeller("ours_http", lane, processor_ms=LATENCY_MS, sharing=own, over_http=True),
    ]

    def take_in(seller: PostgresSeller | RestateSeller) -> None:
        slow = type(seller)(f"{seller.name}{SLOW}", seller.lane, processor_ms=LATENCY_MS, sharing=seller)
        all_sellers.extend((seller, slow))

    take_in(PostgresSeller("asyncpg_batched", SagaBaseline("asyncpg_batched", servers, "sagas.orchestrator_batched")))
    take_in(PostgresSeller("asyncpg", SagaBaseline("asyncpg", servers, "sagas.orchestrator")))
    if is_installed("dbos"):
        take_in(PostgresSeller("dbos", SagaBaseline("dbos", servers, "sagas.dbos_saga")))
    elif options.wants("dbos"):
        report.skipped["dbos"] = "not installed; make installs it before a benchmark"
    if is_installed("restate", "hypercorn") and (server := restate_server()) is not None:
        for name in ("restate", "restate_js"):
            restate = SagaRestate(name, servers, server, in_javascript=name == "restate_js")
            restate.program = "sagas.restate_saga"
            take_in(RestateSeller(name, restate))
        report.setup["restate-server"] = json.loads((server.parents[1] / "package.json").read_text())["version"]
    elif options.wants("restate"):
        report.skipped["restate"] = "not installed; make installs it before a benchmark, where there is npm"
    return [
        seller for seller in all_sellers if options.wants(seller.name) or options.wants(seller.name.removesuffix(SLOW))
    ]


class Bench:
    """The rounds. Every trial draws other orders."""

    def __init__(self, options: Options, report: Report) -> None:
        self._options = options
        self._report = report
        self._seeds = count()
        self._skus = 500 if options.quick else CATALOGUE
        self._settings: dict[str, dict[Tunable, int]] = {}
        self.trials: Trials = {}
        self.latencies: list[Latencies] = []

    async def prepare(self, seller: Seller) -> None:
        """Fill the shelves and find the number of connections that serves best."""
        if not seller.is_guest or isinstance(seller, RestateSeller):
            await seller.fill_shelves(self._skus)
        if not isinstance(seller, Orchestrating) or self._options.quick:
            return
        host = self._settings.get(seller.name.removesuffix(SLOW), {})
        seller.settings |= host
        for setting, choices in CHOICES[seller.name].items():
            seller.settings.pop(setting, None)
            tried = await tune(seller.lane, lambda: self._tried(seller), setting, choices)
            seller.settings[setting] = getattr(seller.lane, setting)
            self._report.setup.setdefault(setting, {})[seller.name] = tried
        self._settings[seller.name] = seller.settings

    async def turn(self, seller: Seller, number: int) -> None:
        """Let a seller have its turn in a round: each shape once, and in the last round what has to be undone."""
        async with self._at_work(seller):
            for shape, orders_of in shapes_of(seller).items():
                orders = orders_of(self._share(seller, shape), self._skus, next(self._seeds))
                trial = await saga_trial(seller, orders)
                self._note(f"{seller.name} {shape}", number, trial)
            if seller.name == "ours":
                await self._offer(seller, self.trials["ours uniform"][-1].orders_per_s * LOAD)
            if number == self._options.rounds - 1 and not seller.is_guest:  # a guest has the scarce units of its host
                await self._sell_out(seller)

    async def _sell_out(self, seller: Seller) -> None:
        """Let it sell what is not there for all, to customers of whom some cannot pay: nothing may be left undone."""
        orders = scarce(SCARCE_ORDERS, self._skus, next(self._seeds))
        trial = await saga_trial(seller, orders, are_all_paid=False)
        self._report.details[f"{seller.name} scarce"] = msgspec.to_builtins(trial)
        self._break(f"{seller.name} scarce", trial.breaches)

    async def _tried(self, seller: Seller) -> SagaTrial:
        """Try a setting on half of the orders, some of the hot SKU and some of all."""
        some = max(10, self._share(seller, "hot") // 4)
        async with self._at_work(seller):
            orders = hot(some, self._skus, 0) + uniform(some, self._skus, next(self._seeds))
            return await saga_trial(seller, orders)

    async def _offer(self, seller: Seller, rate: float) -> None:
        seconds = 1.0 if self._options.quick else LOAD_SECONDS
        orders = uniform(max(50, round(rate * seconds)), self._skus, next(self._seeds))
        latencies = await latency_trial(seller, orders, rate)
        say(
            f"ours at {rate:,.0f}/s: p50 {latencies.p50_ms:.0f} ms, p99 {latencies.p99_ms:.0f} ms, load {latencies.late_ms:.1f} late"
        )
        self.latencies.append(latencies)
        self._break("ours at half of its capacity", latencies.breaches)

    @asynccontextmanager
    async def _at_work(self, seller: Seller) -> AsyncIterator[None]:
        """Run its processes for the length of the block, warm from its beginning."""
        await seller.start()
        try:
            for orders_of in shapes_of(seller).values():
                some = max(10, round(self._share(seller, "hot") * WARM_UP_SHARE))
                warm = await saga_trial(seller, orders_of(some, self._skus, next(self._seeds)))
                self._break(f"{seller.name} warming up", warm.breaches)
            yield
        finally:
            self._break(seller.name, await seller.stop())

    def _share(self, seller: Seller, shape: str) -> int:
        return self._options.share(SHARES[seller.name.removesuffix(SLOW)] * LINES_SHARE[shape])

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


def shapes_of(seller: Seller) -> dict[str, Shape]:
    """Return the shapes of orders that it sells, by name."""
    return {SLOW_SHAPE: SHAPES[SLOW_SHAPE]} if seller.name.endswith(SLOW) else SHAPES


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
    names = [seller.name for seller in taking_part if seller.name in DOES]
    report.setup["does"] = {name: DOES[name] for name in names}
    report.setup["does_not"] = {name: DOES_NOT[name] for name in names if name in DOES_NOT}


if __name__ == "__main__":
    title = "Complete orders: placed, reserved, authorised, committed, captured, paid"
    raise SystemExit(run_benchmark(run, name="saga", title=title, unit="orders/s", orders=6_000, quick_orders=300))
