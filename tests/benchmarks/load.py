"""`make bench-load`: the whole system as `make up` starts it, at rest and at fixed loads: CPU an order, placed to paid.

Orders of one line come in an open loop, each to be paid; the payment processor is the built-in one, over HTTP, and its CPU
counts as everything else that runs for the system: rooms, Kafka, PostgreSQL, Valkey. The load comes from the measuring
process, which does not count.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from infra.local.supervisor import Supervisor
from infra.local.system import FEW_PARTITIONS
from infra.ops.audit import verify
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher
from tests.benchmarks.harness.cpu import CpuMeter
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.orders import names
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import at_most
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import spread
from tests.benchmarks.soaking.finals import Finals
from tests.benchmarks.soaking.stream import Stream

if TYPE_CHECKING:
    from tests.benchmarks.harness.cpu import CpuSeconds
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.servers import Servers

SKUS: Final = 2_000
UNITS: Final = 1_000_000
RATES: Final = (50, 200, 450)
QUICK_RATES: Final = (50,)
SECONDS: Final = 12.0
WARM_UP_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 5.0
"""From the last order until the system counts as at rest."""
DRAIN_SECONDS: Final = 120.0
IDLE_BAR_MS: Final = 60
CPU_BARS_MS: Final = {50: 14, 200: 4, 450: 2.2}
P50_BARS_MS: Final = {50: 160, 200: 240, 450: 350}


class Load(msgspec.Struct, frozen=True):
    """One rate in one round; `cpu_ms` is an order's, by process. `under_way` had not ended when the last one was placed."""

    offered_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    wal_bytes: float
    under_way: int

    @property
    def cpu_ms_in_all(self) -> float:
        return sum(self.cpu_ms.values())


class Meter:
    """The CPU of everything that runs for the system."""

    def __init__(self, servers: Servers, system: Supervisor) -> None:
        self._servers = CpuMeter(servers)
        self._system = system

    def read(self) -> CpuSeconds:
        """Return CPU seconds so far, by process."""
        return {**self._servers.read({}), **self._system.cpu_seconds()}


def spent(before: CpuSeconds, after: CpuSeconds) -> CpuSeconds:
    """Return the CPU seconds between two readings."""
    return {name: after[name] - before[name] for name in before}


async def at_rest(meter: Meter, seconds: float) -> CpuSeconds:
    """Return CPU milliseconds a second, by process, while nothing comes in."""
    await asyncio.sleep(SETTLE_SECONDS)
    before = meter.read()
    await asyncio.sleep(seconds)
    return {name: cpu / seconds * 1000 for name, cpu in spent(before, meter.read()).items()}


async def at_load(
    servers: Servers, meter: Meter, stream: Stream, finals: Finals, *, rate: float, seconds: float
) -> Load:
    """Offer a rate for a while."""
    await stream.flow(rate, min(seconds, WARM_UP_SECONDS))
    finals.take()
    before, wal, placed = meter.read(), await servers.wal_bytes(), stream.placed
    await stream.flow(rate, seconds)
    cpu, written, orders = spent(before, meter.read()), await servers.wal_bytes() - wal, stream.placed - placed
    under_way = finals.under_way
    await finals.until_all(DRAIN_SECONDS)
    p50, p99 = np.percentile(finals.take(), (50, 99)).tolist()
    return Load(rate, p50, p99, {name: s / orders * 1000 for name, s in cpu.items()}, written / orders, under_way)


async def run(options: Options, report: Report) -> None:
    """Start a system, then rest and load it in turn."""
    seconds = 1.0 if options.quick else SECONDS
    idle: list[CpuSeconds] = []
    loads: dict[int, list[Load]] = {}
    async with running_servers(options) as servers, AsyncExitStack() as open_ones:
        report.setup = await setup_facts(servers)
        settings = await servers.shop("load", partitions=options.partitions or FEW_PARTITIONS)
        publisher = await open_ones.enter_async_context(
            Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace)
        )
        await StockClient(publisher).receive(receipts_of("delivery", dict.fromkeys(names(SKUS), UNITS)))
        folder = servers.settings.state_dir / "load"
        system = await open_ones.enter_async_context(
            Supervisor(settings, folder=folder, together=not settings.rooms_apart)
        )
        finals = await open_ones.enter_async_context(Finals(settings, seldom=True))
        await system.start_all()
        report.setup["processes"] = list(system.started)
        meter, stream = Meter(servers, system), Stream(publisher, finals, names(SKUS), most_lines=1, declined=0)
        await stream.place(100)
        await finals.until_all(DRAIN_SECONDS)
        for number in range(options.rounds):
            idle.append(await at_rest(meter, 1.0 if options.quick else IDLE_SECONDS))
            say(
                f"round {number + 1} of {options.rounds}: at rest {sum(idle[-1].values()):.0f} ms/s: {_rounded(idle[-1])}"
            )
            for rate in QUICK_RATES if options.quick else RATES:
                load = await at_load(servers, meter, stream, finals, rate=rate, seconds=seconds)
                loads.setdefault(rate, []).append(load)
                say(
                    f"round {number + 1} of {options.rounds}: {rate}/s: p50 {load.p50_ms:.0f}, p99 {load.p99_ms:.0f} ms,"
                    f" {load.under_way} under way, CPU {load.cpu_ms_in_all:.2f} ms an order: {_rounded(load.cpu_ms)}"
                )
        audit = await verify(settings, processor_url=system.processor_url)
        report.breaches += [
            f"{finding.name}: {finding.detail} {finding.examples}" for finding in audit.findings if not finding.holds
        ]
    judge(report, idle, loads)


def judge(report: Report, idle: list[CpuSeconds], loads: dict[int, list[Load]]) -> None:
    """Compute figures and bars."""
    rest = [sum(cpu.values()) for cpu in idle]
    report.spreads["at rest, CPU ms/s"] = spread(rest)
    report.figure("idle_cpu_ms_per_s", median(rest))
    report.bars["idle_cpu_ms_per_s"] = at_most(median(rest), IDLE_BAR_MS)
    report.details["at rest"] = idle
    for rate, of_rate in loads.items():
        cpu, p50 = [load.cpu_ms_in_all for load in of_rate], [load.p50_ms for load in of_rate]
        report.spreads[f"{rate}/s CPU ms/order"] = spread(cpu)
        report.spreads[f"{rate}/s p50 ms"] = spread(p50)
        report.spreads[f"{rate}/s p99 ms"] = spread([load.p99_ms for load in of_rate])
        report.figure(f"saga_cpu_ms_per_order_at_{rate}", median(cpu))
        report.figure(f"placed_to_paid_p50_ms_at_{rate}", median(p50))
        report.figure(f"placed_to_paid_p99_ms_at_{rate}", median(load.p99_ms for load in of_rate))
        report.figure(f"wal_bytes_per_order_at_{rate}", median(load.wal_bytes for load in of_rate))
        report.bars[f"saga_cpu_ms_per_order_at_{rate}"] = at_most(median(cpu), CPU_BARS_MS[rate])
        report.bars[f"placed_to_paid_p50_ms_at_{rate}"] = at_most(median(p50), P50_BARS_MS[rate])
        report.details[f"{rate}/s"] = [msgspec.to_builtins(load) for load in of_rate]


def _rounded(values: CpuSeconds) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


if __name__ == "__main__":
    title = "The whole system at rest and at fixed loads"
    raise SystemExit(run_benchmark(run, name="load", title=title, unit="ms", orders=0, quick_orders=0))
