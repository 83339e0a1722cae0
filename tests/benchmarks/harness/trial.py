"""One trial: a backlog of orders on Kafka, one process that works it off, the rate at which outcomes appear, the audit."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from tests.benchmarks.harness.cpu import CpuMeter, us_per_order
from tests.benchmarks.harness.lanes import Ours
from tests.benchmarks.harness.orders import orders_for
from tests.benchmarks.harness.outcomes import breaches
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.stack import ChildProcess
    from tests.benchmarks.harness.cpu import CpuSeconds
    from tests.benchmarks.harness.lanes import Lane

SAMPLE_SECONDS: Final = 0.1
"""Each sample is a request to Kafka, which the lanes must not feel. Rates do not depend on it: see `rate_of`."""
WARM_UP_SHARE: Final = 0.1
"""The first tenth of a trial's outcomes is not counted, in any lane."""
STILL_SECONDS: Final = 60.0
"""How long a lane may show no new outcome before the trial fails."""


class Trial(msgspec.Struct, frozen=True):
    """What one trial measured, after its warm-up. The meters leave out what a lane was ahead of its outcomes when read."""

    lane: str
    orders: int
    seconds: float
    orders_per_s: float
    cpu_us_per_order: dict[str, float]
    wal_bytes_per_order: float
    batches: dict[str, int]
    breaches: list[str]


class _Reading(msgspec.Struct, frozen=True):
    """Where things stood at one moment."""

    orders: float
    cpu: CpuSeconds
    wal_bytes: int


async def backlog_trial(lane: Lane, skus: Sequence[str], *, units: dict[str, int] | None = None) -> Trial:
    """Let `lane` work off an order for each of `skus`; `units` come in before, None: there are plenty already."""
    orders = orders_for(skus)
    if units is not None:
        await lane.receive(units)
    await lane.place(orders)
    since, levels = await lane.topics.ends(), await _levels_end(lane)
    await lane.servers.settle()
    process = await lane.start()
    first, last = await _watch(lane, process, sum(since), len(orders.ids))
    code = await process.terminate(timeout_seconds=30)
    outcomes = await lane.topics.outcomes(since)
    lane.sold += sum(outcome.is_sale for outcome in outcomes)
    problems = breaches(orders.ids, outcomes, None if units is None else sum(units.values()))
    problems += await lane.audit()
    if code != 0:
        problems.append(f"the process ended with exit code {code}")
    counted = last.orders - first.orders
    seconds, rate = rate_of([outcome.at_ms for outcome in outcomes])
    return Trial(
        lane.name,
        len(orders.ids),
        seconds,
        rate,
        us_per_order(first.cpu, last.cpu, counted),
        (last.wal_bytes - first.wal_bytes) / counted,
        await _batches(lane, skus, levels),
        problems,
    )


def rate_of(appended_ms: Sequence[int]) -> tuple[float, float]:
    """Return seconds and outcomes a second after the warm-up, by the times at which Kafka appended the outcomes."""
    times = sorted(appended_ms)
    warm = times[int(len(times) * WARM_UP_SHARE)]
    seconds = max(times[-1] - warm, 1) / 1000
    after = sum(at > warm for at in times) or len(times)  # tiny sizes may be said all at once
    return seconds, after / seconds


async def _watch(lane: Lane, process: ChildProcess, before: int, orders: int) -> tuple[_Reading, _Reading]:
    """Sample the end of the outcome topic until all outcomes are there; read the meters when warm and at the end."""
    meter = CpuMeter(lane.servers)

    async def reading() -> _Reading:
        cpu, wal = meter.read({"lane": process.pid}), await lane.servers.wal_bytes()
        return _Reading(await lane.done(await lane.topics.count() - before), cpu, wal)

    first: _Reading | None = None
    seen, moved_at = 0, time.perf_counter()
    while True:
        count = await lane.topics.count() - before
        if count > seen:
            seen, moved_at = count, time.perf_counter()
        if first is None and count > orders * WARM_UP_SHARE:
            first = await reading()
        if first is not None and count >= orders:
            last = await reading()
            return first if last.orders > first.orders else _nothing(last), last
        if not process.running or time.perf_counter() - moved_at > STILL_SECONDS:
            raise RuntimeError(f"{lane.name} stands at {seen} of {orders} outcomes:\n{process.log_tail(40)}")
        await asyncio.sleep(SAMPLE_SECONDS)


async def until_counted(lane: Lane, process: ChildProcess, count: int) -> None:
    """Wait until the outcome topic has had so many records."""
    seen, moved_at = -1, time.perf_counter()
    while (now := await lane.topics.count()) < count:
        if now > seen:
            seen, moved_at = now, time.perf_counter()
        if not process.running or time.perf_counter() - moved_at > STILL_SECONDS:
            raise RuntimeError(f"{lane.name} stands at {seen} of {count} outcomes:\n{process.log_tail(40)}")
        await asyncio.sleep(SAMPLE_SECONDS)


def _nothing(last: _Reading) -> _Reading:
    """Stand in for a first reading when the first sample saw everything already (tiny sizes only)."""
    return _Reading(0, last.cpu, last.wal_bytes)


async def _levels_end(lane: Lane) -> list[int]:
    return await lane.topics.ends(STOCK_LEVELS) if isinstance(lane, Ours) else []


async def _batches(lane: Lane, skus: Sequence[str], since: list[int]) -> dict[str, int]:
    """Return a histogram of our batch sizes, where they can be told: upper bound of the size -> batches."""
    if not isinstance(lane, Ours) or len(set(skus)) > 1:
        return {}
    sizes = await lane.topics.batch_sizes(skus[0], since)
    bounds = (1, 10, 50, 100, 200, 500, 1_000, 1_500, 1_999, 2_000, 10_000)
    counted = Counter(next(bound for bound in bounds if size <= bound) for size in sizes)
    return {f"<={bound}": counted[bound] for bound in bounds if counted[bound]}
