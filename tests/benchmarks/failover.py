"""`make bench-failover`: two processes share the partitions; one is killed, or asked to leave. How long is a client kept waiting?

A client orders one SKU of each partition at a steady rate. A gap is the longest time between two consecutive outcomes of
one SKU around the event; the worst of all SKUs counts. Its phases come from what the successor logs (`took_over`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import count, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from infra.local.stack import ChildProcess
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.lanes import Ours
from tests.benchmarks.harness.open_loop import OpenLoop
from tests.benchmarks.harness.orders import orders_for
from tests.benchmarks.harness.outcomes import breaches
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import at_most
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import Spread, spread
from tests.harness.waiting import until
from topology.partitioner import partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.orders import Orders
    from tests.benchmarks.harness.outcomes import Outcome
    from tests.benchmarks.harness.report import Report

TIMES: Final = 10
RATE: Final = 600.0
"""Orders a second over all partitions: with 12 of them a SKU's outcomes are 20 ms apart."""
MOST_SECONDS: Final = 560.0
HANDOVER_BAR_SECONDS: Final = 1.0
AFTER_SESSION_SECONDS: Final = 2.0
_SETTLE_SECONDS: Final = 1.5
_CALM_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 90.0


class Event(msgspec.Struct, frozen=True):
    """Something that was done to a process, and the time (ms since the epoch) until which its effect is looked for."""

    kind: str
    at_ms: float
    until_ms: float


class Takeover(msgspec.Struct):
    """What a successor logged about one partition; `timestamp` is that of its first commit."""

    event: str
    timestamp: datetime
    partition: int
    claim_s: float
    decide_s: float


class Gap(msgspec.Struct, frozen=True):
    """One event as a client saw it, and its phases where a partition changed hands.

    `noticed_s` leads from the event to Kafka's word to the successor, `claim_s` to its claim, `decide_s` to its first
    commit, `publish_s` to the outcome on the topic. The gap itself begins with the last outcome before the event.
    """

    kind: str
    gap_s: float
    noticed_s: float | None = None
    claim_s: float | None = None
    decide_s: float | None = None
    publish_s: float | None = None

    def __str__(self) -> str:
        if self.noticed_s is None:
            return f"{self.kind}: gap {self.gap_s:.3f} s"
        return (
            f"{self.kind}: gap {self.gap_s:.3f} s = noticed {self.noticed_s:.3f}, claimed {self.claim_s:.3f},"
            f" decided {self.decide_s:.3f}, published {self.publish_s:.3f}"
        )


class Pair:
    """Two rooms that share the partitions; one of them at a time is ended and replaced."""

    def __init__(self, lane: Ours, loop: OpenLoop, before: int) -> None:
        self._lane = lane
        self._loop = loop
        self._before = before
        self._processes: list[ChildProcess] = []
        self.events: list[Event] = []

    async def fill(self) -> None:
        """Start processes until there are two, and wait until each of them has claimed its share."""
        while len(self._processes) < 2:
            self._processes.append(await self._lane.start())
            await until(lambda: '"claimed"' in self._processes[-1].log_tail(1_000), seconds=_PATIENCE_SECONDS)

    async def kill(self) -> None:
        """End the older one at once."""
        await self._observed("failover", self._processes.pop(0).kill())

    async def leave(self) -> None:
        """Ask the older one to leave."""
        await self._observed("handover", self._processes.pop(0).terminate())

    async def join(self) -> None:
        """Start another one."""
        await self._observed("join", self.fill())

    async def stop(self) -> None:
        """Ask both to leave."""
        for process in self._processes:
            await process.terminate()

    async def caught_up(self) -> None:
        """Wait until outcomes have kept up with orders for a while."""
        calm_since = float("inf")

        async def is_calm() -> bool:
            nonlocal calm_since
            behind = self._loop.published - (await self._lane.topics.count() - self._before)
            calm_since = min(calm_since, time.monotonic()) if behind < RATE * 0.3 else float("inf")
            return time.monotonic() > calm_since + _CALM_SECONDS

        await until(is_calm, seconds=_PATIENCE_SECONDS)

    async def _observed(self, kind: str, action: Any) -> None:
        at_ms = time.time() * 1000
        await action
        await asyncio.sleep(_SETTLE_SECONDS if kind != "join" else 2 * _SETTLE_SECONDS)
        await self.caught_up()
        self.events.append(Event(kind, at_ms, time.time() * 1000))
        say(f"{kind}: served again at the latest after {(time.time() * 1000 - at_ms) / 1000 - _SETTLE_SECONDS:.1f} s")


def one_sku_a_partition(partitions: int) -> list[str]:
    """Return a SKU for each partition."""
    by_partition: dict[int, str] = {}
    for number in count():
        sku = f"SKU-{number:03}"
        by_partition.setdefault(partition_of(sku.encode(), partitions), sku)
        if len(by_partition) == partitions:
            return list(by_partition.values())
    raise AssertionError


def once_each(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Leave out what was said again: whoever is killed between saying and noting it leaves that to its successor.

    An order that was *decided* again would show in the books, which count the units taken.
    """
    first: dict[tuple[str, type], Outcome] = {}
    for outcome in outcomes:
        first.setdefault((outcome.order_id, outcome.kind), outcome)
    return list(first.values())


def gaps(
    events: Sequence[Event], orders: Orders, outcomes: Sequence[Outcome], takeovers: Sequence[Takeover], partitions: int
) -> list[Gap]:
    """Return the worst gap around each event."""
    sku_of = dict(zip(orders.ids, orders.skus, strict=True))
    at_ms: dict[str, list[int]] = {sku: [] for sku in set(orders.skus)}
    for outcome in outcomes:
        at_ms[sku_of[outcome.order_id]].append(outcome.at_ms)
    silences = [(end - start, end, sku) for sku, times in at_ms.items() for start, end in pairwise(sorted(times))]
    worst = []
    for event in events:
        around = [silence for silence in silences if event.at_ms <= silence[1] <= event.until_ms]
        length_ms, end_ms, sku = max(around, default=(0, 0, ""))
        home = partition_of(sku.encode(), partitions)
        by_whom = [
            takeover
            for takeover in takeovers
            if takeover.partition == home and event.at_ms <= _ms(takeover) <= event.until_ms
        ]
        worst.append(_gap(event, length_ms / 1000, end_ms, by_whom[0] if by_whom else None))
    return worst


def _gap(event: Event, seconds: float, end_ms: float, successor: Takeover | None) -> Gap:
    if successor is None:
        return Gap(event.kind, seconds)
    until_commit = (_ms(successor) - event.at_ms) / 1000
    noticed = until_commit - successor.decide_s - successor.claim_s
    publish = (end_ms - _ms(successor)) / 1000
    return Gap(event.kind, seconds, noticed, successor.claim_s, successor.decide_s, publish)


def _ms(takeover: Takeover) -> float:
    return takeover.timestamp.timestamp() * 1000


def read_takeovers(folder: Path) -> list[Takeover]:
    """Return what all processes with a log in this folder said about partitions that they took over."""
    lines = [line for path in folder.glob("*.log") for line in path.read_bytes().splitlines()]
    return [msgspec.json.decode(line, type=Takeover) for line in lines if b'"took_over"' in line]


async def run(options: Options, report: Report) -> None:
    """Kill, replace, ask to leave, replace; all the while a client orders."""
    times = report.rounds = options.rounds if options.quick else TIMES
    async with running_servers(options) as servers, AsyncExitStack() as open_lanes:
        report.setup = await setup_facts(servers)
        lane = await open_lanes.enter_async_context(Ours("ours", servers))
        skus = one_sku_a_partition(lane.settings.partitions)
        await lane.receive(dict.fromkeys(skus, 1_000_000))
        await lane.digest()
        most = MOST_SECONDS if not options.quick else 60 * times
        orders = orders_for([skus[index % len(skus)] for index in range(round(RATE * most))])
        loop, since = OpenLoop(lane.publisher, orders, RATE), await lane.topics.ends()
        pair = Pair(lane, loop, sum(since))
        await pair.fill()
        publishing = asyncio.create_task(loop.run())
        await asyncio.sleep(2 * _SETTLE_SECONDS)
        await pair.caught_up()
        for _ in range(times):
            await pair.kill()
            await pair.join()
        for _ in range(times):
            await pair.leave()
            await pair.join()
        loop.stop()
        await publishing
        await pair.caught_up()
        await pair.stop()
        published = await lane.topics.outcomes(since)
        outcomes = once_each(published)
        report.details["republished"] = len(published) - len(outcomes)
        lane.sold = sum(outcome.is_sale for outcome in outcomes)
        report.breaches = breaches(orders.ids[: loop.published], outcomes) + await lane.audit()
        session_seconds = lane.settings.session_timeout_ms / 1000
        takeovers = read_takeovers(servers.settings.state_dir / "lanes")
    judge(report, gaps(pair.events, orders, outcomes, takeovers, lane.settings.partitions), session_seconds)


def judge(report: Report, measured: Sequence[Gap], session_seconds: float) -> None:
    """Compute figures and bars; a bar holds for the worst."""
    report.setup["session_timeout_s"] = session_seconds
    limits = {"failover": session_seconds + AFTER_SESSION_SECONDS, "handover": HANDOVER_BAR_SECONDS, "join": None}
    for gap in measured:
        say(str(gap))
    for kind, limit in limits.items():
        of_kind = [gap for gap in measured if gap.kind == kind]
        over: Spread = spread([gap.gap_s for gap in of_kind])
        report.spreads[kind] = over
        report.details[f"{kind}_gaps"] = [msgspec.to_builtins(gap) for gap in of_kind]
        report.figure(f"{kind}_gap_s", over.max)
        report.figure(f"{kind}_gap_median_s", median(gap.gap_s for gap in of_kind))
        if limit is not None:
            report.bars[f"{kind}_gap_s"] = at_most(over.max, limit)


if __name__ == "__main__":
    title = "The gap that a client sees when an owner ends"
    raise SystemExit(run_benchmark(run, name="failover", title=title, unit="s", orders=0, quick_orders=0))
