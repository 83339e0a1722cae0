"""Orders without end: an open loop that makes each order when it is due, so that a long run needs no long list."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from producers.clients.orders import ACCEPTED_TOKEN, DECLINED_TOKEN, OrderLine, OrderRequest, place_order_lines
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from tests.benchmarks.harness.open_loop import TICK_SECONDS
from topology.topics import INVENTORY_COMMANDS, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Publisher
    from tests.benchmarks.soaking.finals import Finals

DECLINED_SHARE: Final = 0.05
MOST_LINES: Final = 3


class Stream:
    """Draws orders of one to `most_lines` lines; the share `declined` of the cards is, so that stock comes back all the time."""

    def __init__(
        self,
        publisher: Publisher,
        finals: Finals,
        skus: Sequence[str],
        *,
        seed: int = 1,
        most_lines: int = MOST_LINES,
        declined: float = DECLINED_SHARE,
    ) -> None:
        self.placed = 0
        self._most_lines = most_lines
        self._declined = declined
        self._publisher = publisher
        self._finals = finals
        self._skus = skus
        self._draw = random.Random(seed)
        self._under_way: set[asyncio.Task[None]] = set()

    async def place(self, orders: int) -> None:
        """Place so many at once."""
        now_ms = time.time() * 1000
        await self._publisher.publish(self._records([now_ms] * orders))

    async def keep_under_way(self, under_way: int, orders: int) -> None:
        """Place so many orders in all, a new one for each that ends, so that `under_way` of them always are."""
        last = self.placed + orders
        while self.placed < last:
            if (room := under_way - self._finals.under_way) > 0:
                await self.place(min(room, last - self.placed))
            await asyncio.sleep(TICK_SECONDS)

    async def flow(self, rate: float, seconds: float) -> None:
        """Place `rate` orders a second on a schedule that waits for nobody."""
        began_ms, began, total, placed = time.time() * 1000, time.perf_counter(), int(rate * seconds), 0
        while placed < total:
            due = min(total, int((time.perf_counter() - began) * rate) + 1)
            if due > placed:
                records = self._records([began_ms + number * 1000 / rate for number in range(placed, due)])
                task = asyncio.create_task(self._publisher.publish(records))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
                placed = due
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*self._under_way)

    def _records(self, due_ms: Sequence[float]) -> list[Outgoing]:
        records: list[Outgoing] = []
        for due in due_ms:
            order = self._order()
            self._finals.expect(order.order_id, due)
            records += [
                Outgoing(INVENTORY_COMMANDS.name, BY_KEY, key_of(line), encode(line))
                for line in place_order_lines(order)
            ]
        self.placed += len(due_ms)
        return records

    def _order(self) -> OrderRequest:
        draw = self._draw
        skus = draw.sample(self._skus, draw.randint(1, self._most_lines))
        return OrderRequest(
            customer_id=f"customer-{draw.randrange(1_000_000):06}",
            currency="GBP",
            payment_token=DECLINED_TOKEN if draw.random() < self._declined else ACCEPTED_TOKEN,
            lines=tuple(OrderLine(sku, 1, 500) for sku in skus),
        )
