"""Hundreds of orders a transaction: what was read together is judged by one statement under the row locks of its SKUs.

The strongest design with row locks: a micro-batching consumer with one connection. The next batch is decoded and encoded
while a statement runs. The first statement takes it that all is there; what that cannot decide (units run out, an unknown
SKU, a redelivered batch whose holds stand already) fails a constraint, changes nothing, and the second one judges.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from asyncpg import CheckViolationError, NotNullViolationError, UniqueViolationError

from consumers.runtime.postgres.sql import array_literal, load_queries
from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.row_lock import connected
from tests.benchmarks.baselines.source import Order, OrderSource, order_of
from tests.benchmarks.baselines.task import Task, run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

QUERIES: Final = {
    name: statement.replace("::text::bytea[]", "::bytea[]")
    for name, statement in load_queries("tests.benchmarks.baselines", arrays_as_text=True).items()
}
"""Columns as text, which costs less (see `array_literal`), but for payloads, which would double."""


class Batch(msgspec.Struct, frozen=True):
    """Orders that were read together, as a statement's parameters."""

    orders: Sequence[Order]
    columns: tuple[str, ...]
    keys: list[bytes]
    sales: list[bytes]


def batch_of(orders: Sequence[Order]) -> Batch:
    rows = [
        (command.order_id, command.line, command.sku, command.quantity, order.expires_at_ms)
        for order in orders
        for command in (order.command,)
    ]
    columns = tuple(array_literal(column) for column in zip(*rows, strict=True))
    return Batch(
        orders, columns, [order.command.order_id.encode() for order in orders], [order.reserved() for order in orders]
    )


class Outlet(Protocol):
    """Where a committed outbox row is put to be published: the relay."""

    def put(self, row: int, key: bytes, payload: bytes) -> None:
        """Take a row."""


class Till:
    """Sells batches over one connection."""

    def __init__(self, connection: asyncpg.Connection, relay: Outlet) -> None:
        self._connection = connection
        self._relay = relay
        self._plenty = True

    async def sell(self, batch: Batch) -> None:
        """Decide a batch, whatever of it was decided before."""
        if self._plenty and await self._sell_all(batch):
            return
        refusals = [order.rejected() for order in batch.orders]
        rows = await self._connection.fetch(QUERIES["judge_batch"], *batch.columns, batch.keys, batch.sales, refusals)
        for number, key, payload in rows:
            self._relay.put(number, key, payload)
        sales = set(batch.sales)
        self._plenty = all(payload in sales for _, _, payload in rows)

    async def _sell_all(self, batch: Batch) -> bool:
        """Sell all of a batch; return False where that cannot be, and nothing has changed."""
        try:
            rows = await self._connection.fetch(QUERIES["sell_batch"], *batch.columns, batch.keys, batch.sales)
        except (CheckViolationError, NotNullViolationError, UniqueViolationError):
            return False
        for (number,), key, sale in zip(rows, batch.keys, batch.sales, strict=True):
            self._relay.put(number, key, sale)
        return True


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    async with AsyncExitStack() as resources:
        relay = await resources.enter_async_context(Relay(task, await connected(task, resources)))
        source = await resources.enter_async_context(OrderSource(task, order_of))
        till = Till(await connected(task, resources), relay)

        async def sell(batch: Batch) -> None:
            await till.sell(batch)
            source.done(batch.orders)

        selling: asyncio.Task[None] | None = None
        while not stopping.is_set():
            if orders := await source.take(task.together):
                batch = batch_of(orders)
                if selling is not None:
                    await selling
                await relay.room()
                selling = asyncio.create_task(sell(batch))
        if selling is not None:
            await selling


if __name__ == "__main__":
    run_until_stopped(work)
