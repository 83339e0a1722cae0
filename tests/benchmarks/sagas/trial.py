"""One trial: orders are placed at once before processes that are warm, and the time counts until the last one is paid."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from schemas.messages import OrderPaid
from tests.benchmarks.harness.cpu import CpuMeter, us_per_order
from tests.benchmarks.harness.open_loop import OpenLoop
from tests.benchmarks.harness.orders import Orders, publish
from tests.benchmarks.harness.trial import STILL_SECONDS
from tests.benchmarks.sagas.shapes import SCARCE
from tests.benchmarks.soaking.finals import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.clients.orders import OrderRequest
    from tests.benchmarks.harness.outcomes import Ends, Outcome
    from tests.benchmarks.sagas.books import Sold
    from tests.benchmarks.sagas.sellers import Seller

SAMPLE_SECONDS: Final = 0.05


class SagaTrial(msgspec.Struct, frozen=True):
    """What one trial measured, from when its first order was published.

    `seconds` until Kafka had the last event that ends an order, `behind_s` from then until every process had read all of
    the log: what was put off is in the CPU, which is read then, but not in the rate.
    """

    seller: str
    orders: int
    seconds: float
    orders_per_s: float
    behind_s: float
    cpu_us_per_order: dict[str, float]
    wal_bytes_per_order: float
    breaches: list[str]


class Latencies(msgspec.Struct, frozen=True):
    """From when an order was due to be published until Kafka had said that it is paid, in ms; `late_ms` is the load's p99."""

    offered_per_s: float
    p50_ms: float
    p99_ms: float
    late_ms: float
    breaches: list[str]


async def saga_trial(seller: Seller, orders: Sequence[OrderRequest], *, are_all_paid: bool = True) -> SagaTrial:
    """Place the orders, wait for their ends, compare events and books."""
    records, servers = seller.records(orders), seller.lane.servers
    pids = {name: process.pid for name, process in seller.processes().items()}
    least = sum(map(seller.events_of, orders)) if are_all_paid else len(orders)
    meter, since = CpuMeter(servers), await seller.lane.topics.ends()
    await servers.settle()
    cpu, wal, began_ms = meter.read(pids), await servers.wal_bytes(), time.time() * 1000
    await publish(seller.lane.publisher, records)
    await _until_published(seller, sum(since) + least)
    await seller.catch_up()
    caught_up_ms = time.time() * 1000
    cpu_after, wal_after = meter.read(pids), await servers.wal_bytes()
    endings = await _endings(seller, since, orders)
    last_ms = max(ending.at_ms for ending in endings) + 1
    seconds = (last_ms - began_ms) / 1000
    return SagaTrial(
        seller.name,
        len(orders),
        seconds,
        len(orders) / seconds,
        max(0.0, (caught_up_ms - last_ms) / 1000),
        us_per_order(cpu, cpu_after, len(orders)),
        (wal_after - wal) / len(orders),
        [*breaches(seller.sold, orders, endings, are_all_paid=are_all_paid), *await seller.audit()],
    )


async def latency_trial(seller: Seller, orders: Sequence[OrderRequest], rate: float) -> Latencies:
    """Offer one-line orders at a fixed rate, and compare when each was due with when Kafka had appended its end."""
    records = seller.records(orders)
    since = await seller.lane.topics.ends()
    skus = [order.lines[0].sku for order in orders]
    loop = OpenLoop(seller.lane.publisher, Orders([order.order_id for order in orders], skus, records), rate)
    await loop.run()
    await _until_published(seller, sum(since) + sum(map(seller.events_of, orders)))
    await seller.catch_up()
    endings = await _endings(seller, since, orders)
    due_ms = {order.order_id: loop.due_ms(index) for index, order in enumerate(orders)}
    took = [ending.at_ms + 1 - due_ms[ending.order_id] for ending in endings]
    p50, p99 = np.percentile(took, (50, 99)).tolist()
    problems = [*breaches(seller.sold, orders, endings, are_all_paid=True), *await seller.audit()]
    return Latencies(rate, p50, p99, float(np.percentile(loop.late_ms, 99)), problems)


async def _until_published(seller: Seller, count: int) -> None:
    """Wait until the outcome topic has had so many records."""
    seen, moved_at = -1, time.monotonic()
    while (now := await seller.lane.topics.count()) < count:
        seen, moved_at = _moved(seller, seen, now, moved_at)
        await asyncio.sleep(SAMPLE_SECONDS)


async def _endings(seller: Seller, since: Ends, orders: Sequence[OrderRequest]) -> list[Outcome]:
    """Return the events that end orders once there is one of each."""
    seen, moved_at = -1, time.monotonic()
    while True:
        outcomes = [outcome for outcome in await seller.lane.topics.outcomes(since) if outcome.kind in ENDINGS]
        if len(now := {outcome.order_id for outcome in outcomes}) >= len(orders):
            return outcomes
        seen, moved_at = _moved(seller, seen, len(now), moved_at)
        await asyncio.sleep(SAMPLE_SECONDS)


def _moved(seller: Seller, seen: int, now: int, moved_at: float) -> tuple[int, float]:
    """Return how far it is and when it got there. Raises RuntimeError when it ended or has stood still for long."""
    if now > seen:
        return now, time.monotonic()
    ended = [name for name, process in seller.processes().items() if not process.running]
    if ended or time.monotonic() - moved_at > STILL_SECONDS:
        logs = "\n".join(f"{name}:\n{process.log_tail()}" for name, process in seller.processes().items())
        raise RuntimeError(f"{seller.name} stands at {now}; ended: {ended}\n{logs}")
    return seen, moved_at


def breaches(
    sold: Sold, orders: Sequence[OrderRequest], endings: Sequence[Outcome], *, are_all_paid: bool
) -> list[str]:
    """Say what is wrong with how these orders ended, and note in `sold` what was sold by that."""
    by_id = {order.order_id: order for order in orders}
    ends = Counter(ending.order_id for ending in endings)
    paid = [by_id[ending.order_id] for ending in endings if ending.kind is OrderPaid and ending.order_id in by_id]
    for order in paid:
        sold.add(order)
    taken = Counter(line.sku for order in paid for line in order.lines)
    oversold = {sku: count for sku, count in taken.items() if count > SCARCE.get(sku, count)}
    checks = {
        f"{sum(ends.values()) - len(ends)} orders ended twice": sum(ends.values()) != len(ends),
        f"{len(by_id.keys() - ends.keys())} orders without an end": bool(by_id.keys() - ends.keys()),
        f"{len(ends.keys() - by_id.keys())} ends of unknown orders": bool(ends.keys() - by_id.keys()),
        f"{len(paid)} of {len(orders)} paid": are_all_paid and len(paid) != len(orders),
        f"oversold: {oversold}": bool(oversold),
    }
    return [what for what, is_so in checks.items() if is_so]
