"""An open loop: orders are due by a schedule that waits for nobody, and a late answer counts from when it was due.

So a lane that stalls is charged for every order that came due meanwhile (Gil Tene, "How NOT to Measure Latency":
coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from producers.publisher import Publisher

if TYPE_CHECKING:
    from tests.benchmarks.harness.orders import Orders

TICK_SECONDS: Final = 0.002


class OpenLoop:
    """Publishes order i of a list at `began_ms` + i / rate, late or not, until the list ends or `stop`.

    `late_ms` says of each order how long after it was due it was handed to the publisher, `acknowledged_ms` of the first
    order of each list how long after it was due Kafka answered.
    """

    def __init__(self, publisher: Publisher, orders: Orders, rate: float) -> None:
        self._publisher = publisher
        self._orders = orders
        self._rate = rate
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()
        self.began_ms = 0.0
        self.published = 0
        self.late_ms: list[float] = []
        self.acknowledged_ms: list[float] = []

    def due_ms(self, index: int) -> float:
        """Return when an order was due, in ms since the epoch."""
        return self.began_ms + index * 1000 / self._rate

    def stop(self) -> None:
        """Publish no more."""
        self._stopping = True

    async def run(self) -> None:
        """Publish on schedule; return when Kafka has acknowledged all."""
        self.began_ms, began = time.time() * 1000, time.perf_counter()
        total = len(self._orders.records)
        while self.published < total and not self._stopping:
            passed = time.perf_counter() - began
            due = min(total, int(passed * self._rate) + 1)
            if due > self.published:
                self.late_ms += [(passed - index / self._rate) * 1000 for index in range(self.published, due)]
                task = asyncio.create_task(self._publish(self.published, due))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
                self.published = due
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*self._under_way)

    async def _publish(self, first: int, end: int) -> None:
        await self._publisher.publish(self._orders.records[first:end])
        self.acknowledged_ms.append(time.time() * 1000 - self.due_ms(first))
