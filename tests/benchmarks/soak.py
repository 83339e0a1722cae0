"""`make soak`: the whole system for half an hour at half of the capacity measured right before, in an open loop.

It shows that nothing grows but the history of orders: memory, latency, what waits, minute by minute.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import math
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec
import numpy as np
import psutil

from consumers.runtime.postgres.sql import load_queries
from infra.local.stack import run_until_interrupted
from infra.local.supervisor import PROCESSOR, Supervisor
from infra.ops.audit import verify
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.options import FOLDER, Options
from tests.benchmarks.harness.orders import names
from tests.benchmarks.harness.report import Report, at_most, emit
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import spread
from tests.benchmarks.soaking.finals import Finals
from tests.benchmarks.soaking.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from tests.benchmarks.harness.servers import Servers

SKUS: Final = 2_000
UNITS: Final = 1_000_000
SHARE: Final = 0.5
"""Of the capacity."""
UNDER_WAY: Final = 500
"""Orders under way while the capacity is measured."""
DRAIN_SECONDS: Final = 120.0
MEMORY_BAR: Final = 1.1
P50_BAR: Final = 1.3
P99_BAR: Final = 1.5
MORE_WAITING: Final = 50
"""Rows by which what waits may differ from one third to the next, beside a quarter of what waited before."""
QUERIES: Final = load_queries("tests.benchmarks.soaking")


class Soak(msgspec.Struct, frozen=True):
    """What is asked for: how long, in how many samples, how many orders the capacity is measured with, and the highest rate (1/s)."""

    seconds: float
    sample_seconds: float
    capacity_orders: int
    most_per_s: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One minute. `waiting` has row counts of what must not grow, `mib` sizes of what grows with the orders."""

    at_s: float
    offered: int
    finished: int
    p50_ms: float
    p99_ms: float
    rss_mib: dict[str, float]
    waiting: dict[str, int]
    mib: dict[str, float]


async def capacity(stream: Stream, finals: Finals, orders: int) -> float:
    """Return how many orders a second come to an end while a steady number of them is under way.

    A burst would tell of more: all at once they make large batches, which cost less an order than those of a stream.
    """
    await stream.place(orders // 8)
    await finals.until_all(DRAIN_SECONDS)
    finals.take()
    began = time.perf_counter()
    await stream.keep_under_way(min(UNDER_WAY, orders // 4), orders)
    rate = len(finals.take()) / (time.perf_counter() - began)
    await finals.until_all(DRAIN_SECONDS)
    finals.take()
    return rate


async def soak(what: Soak, servers: Servers, settings: Settings, report: Report) -> list[Sample]:
    """Bring a system up, measure its capacity, then keep it busy at half of that; return a sample a minute."""
    samples: list[Sample] = []
    async with AsyncExitStack() as open_ones:
        publisher = await open_ones.enter_async_context(
            Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace)
        )
        await StockClient(publisher).receive(receipts_of("delivery", dict.fromkeys(names(SKUS), UNITS)))
        folder = servers.settings.state_dir / "soak"
        system = await open_ones.enter_async_context(Supervisor(settings, folder=folder))
        finals = await open_ones.enter_async_context(Finals(settings))
        await system.start_all()
        stream = Stream(publisher, finals, names(SKUS))
        full = await capacity(stream, finals, what.capacity_orders)
        report.figure("capacity_orders_per_s", full)
        offered = min(full * SHARE, what.most_per_s)
        report.figure("offered_orders_per_s", offered)
        say(f"capacity {full:,.0f} orders/s; {offered:,.0f} orders/s for {what.seconds:.0f} s")
        flow = asyncio.create_task(stream.flow(offered, what.seconds))
        database = await asyncpg.connect(settings.postgres_dsn)
        open_ones.push_async_callback(database.close)
        data = servers.settings.state_dir
        sample = functools.partial(_sample, stream=stream, finals=finals, system=system, database=database, data=data)
        began = time.monotonic()
        for number in range(1, round(what.seconds / what.sample_seconds) + 1):
            await asyncio.wait({flow}, timeout=began + number * what.sample_seconds - time.monotonic())
            samples.append(await sample(time.monotonic() - began))
            say(_line(samples[-1]))
        await flow
        await finals.until_all(DRAIN_SECONDS)
        report.breaches += await _audit(settings, system, stream)
        report.setup["restarts"] = {name: system.restarts(name) for name in system.started}
    return samples


async def _sample(
    at_s: float, *, stream: Stream, finals: Finals, system: Supervisor, database: asyncpg.Connection, data: Path
) -> Sample:
    latencies = finals.take()
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (0.0, 0.0)
    rss = {name: _rss_mib(pid) for name in system.started if (pid := system.pid(name)) is not None}
    return Sample(
        at_s=at_s,
        offered=stream.placed,
        finished=len(latencies),
        p50_ms=float(p50),
        p99_ms=float(p99),
        rss_mib=rss,
        waiting=dict(await database.fetchrow(QUERIES["waiting"]) or {}) | {"orders_under_way": finals.under_way},
        mib={
            **{table: size / 2**20 for table, size in await database.fetch(QUERIES["sizes"])},
            "kafka_log": await asyncio.to_thread(_folder_mib, data / "kafka"),
        },
    )


async def _audit(settings: Settings, system: Supervisor, stream: Stream) -> list[str]:
    """Audit the books, and see that every order came to an end, or waits for its parcel, which nobody sends here.

    Orders are paid a moment before the last room has read that they are: while a record is undecided the audit is made again.
    """
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        audit = await verify(settings, processor_url=system.processor_url)
        progress = audit.finding("every_order_is_final_or_waits").figure
        if not progress["undecided_records"] or time.monotonic() > deadline:
            break
    breaches = [
        f"{finding.name}: {finding.detail} {finding.examples}" for finding in audit.findings if not finding.holds
    ]
    ended = progress["final"] + progress.get("waiting_for_shipment", 0)
    if ended != stream.placed:
        breaches.append(f"{ended:,} of {stream.placed:,} orders came to an end")
    return breaches


def judge(report: Report, samples: Sequence[Sample]) -> None:
    """Compare the last third of the minutes with the third before it: the first third fills caches and warms up."""
    third = max(1, len(samples) // 3)
    middle, last = samples[-2 * third : -third] or samples[:1], samples[-third:]

    def growth(name: str, of: Any, bar: float) -> None:
        value = median(map(of, last)) / max(median(map(of, middle)), 1e-9)
        report.figure(name, value)
        report.bars[name] = at_most(value, bar)

    growth("p50_growth", lambda sample: sample.p50_ms, P50_BAR)
    growth("p99_growth", lambda sample: sample.p99_ms, P99_BAR)
    for process in last[-1].rss_mib:
        if process != PROCESSOR:  # the stand-in for the card network keeps its books in memory
            growth(f"memory_growth_{process}", lambda sample, process=process: sample.rss_mib[process], MEMORY_BAR)
            report.spreads[f"rss {process}, MiB"] = spread([sample.rss_mib[process] for sample in samples])
    for name in last[-1].waiting:
        before = max(sample.waiting[name] for sample in middle)
        more = max(sample.waiting[name] for sample in last) - before
        report.figure(f"more_{name}", more)
        report.bars[f"more_{name}"] = at_most(more, MORE_WAITING + before / 4)
        report.spreads[name] = spread([max(0.1, sample.waiting[name]) for sample in samples])
    offered = samples[-1].offered / max(samples[-1].at_s, 1e-9)
    report.figure("orders_per_s", offered)
    for name in ("p50_ms", "p99_ms"):
        report.spreads[name] = spread([max(0.1, getattr(sample, name)) for sample in samples])
    per_order = {
        name: (last[-1].mib[name] - samples[0].mib.get(name, 0)) * 2**20 / max(1, last[-1].offered - samples[0].offered)
        for name in last[-1].mib
    }
    report.setup["bytes_per_order"] = per_order
    report.details["minutes"] = [msgspec.to_builtins(sample) for sample in samples]


def _line(sample: Sample) -> str:
    memory = ", ".join(f"{name} {mib:.0f}" for name, mib in sample.rss_mib.items())
    return (
        f"{sample.at_s:6.0f} s: {sample.finished:,} orders ended, p50 {sample.p50_ms:.0f} ms, p99 {sample.p99_ms:.0f} ms, "
        f"MiB: {memory}, waiting: {sample.waiting}"
    )


def _rss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _folder_mib(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # Kafka has just removed it
            continue
    return total / 2**20


def _read_arguments() -> tuple[Soak, Options]:
    parser = argparse.ArgumentParser(prog="make soak", description="The whole system at half of its capacity")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default 30)")
    parser.add_argument("--orders", type=int, default=16_000, help="orders that the capacity is measured with")
    parser.add_argument(
        "--most", type=float, default=math.inf, help="orders a second at most (default: half of the capacity)"
    )
    parser.add_argument("--samples", type=int, help="samples in all (default: one a minute, at least 6)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where servers, results and plots are kept")
    given = parser.parse_args()
    seconds = given.minutes * 60
    samples = given.samples or max(6, round(given.minutes))
    what = Soak(seconds, seconds / samples, given.orders, given.most)
    return what, Options(rounds=samples, orders=given.orders, folder=given.folder.absolute())


async def main() -> int:
    """Be the program."""
    what, options = _read_arguments()
    report = Report(
        name="soak", title="Half of the capacity, minute by minute", unit="ms, MiB, rows", rounds=options.rounds
    )
    async with running_servers(options) as servers:
        report.setup = await setup_facts(servers)
        samples = await soak(what, servers, await servers.shop("soak"), report)
    report.setup["minutes"] = what.seconds / 60
    judge(report, samples)
    return emit(report, options.folder)


if __name__ == "__main__":
    raise SystemExit(run_until_interrupted(main()))
