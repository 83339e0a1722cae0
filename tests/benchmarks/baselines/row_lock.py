"""Stock in PostgreSQL, an order a transaction, by several connections: the designs that most shops run.

Variants: `cte` (one statement), `conditional_update` and `select_for_update` (transactions of several statements),
`skip_locked` (one row a unit).
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import asyncpg

from consumers.runtime.postgres.sql import load_queries
from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.source import Order, OrderSource, order_of
from tests.benchmarks.baselines.task import Task, run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

QUERIES: Final = load_queries("tests.benchmarks.baselines")


async def one_statement(connection: asyncpg.Connection, order: Order) -> asyncpg.Record | None:
    return await connection.fetchrow(QUERIES["cte"], *in_full(order))


async def skip_locked(connection: asyncpg.Connection, order: Order) -> asyncpg.Record | None:
    return await connection.fetchrow(QUERIES["skip_locked"], *in_full(order))


async def conditional_update(connection: asyncpg.Connection, order: Order) -> asyncpg.Record | None:
    command = order.command
    async with connection.transaction():
        if await connection.fetchval(QUERIES["decrement_if_there"], command.sku, command.quantity) is None:
            return await refuse(connection, order)
        return await connection.fetchrow(QUERIES["hold_and_say"], *in_full(order)[:-1])


async def select_for_update(connection: asyncpg.Connection, order: Order) -> asyncpg.Record | None:
    command = order.command
    async with connection.transaction():
        available = await connection.fetchval(QUERIES["lock"], command.sku)
        if available is None or available < command.quantity:
            return await refuse(connection, order)
        return await connection.fetchrow(QUERIES["take_hold_and_say"], *in_full(order)[:-1])


async def refuse(connection: asyncpg.Connection, order: Order) -> asyncpg.Record | None:
    return await connection.fetchrow(QUERIES["refuse"], order.command.order_id.encode(), order.rejected())


VARIANTS: Final[Mapping[str, Callable[[asyncpg.Connection, Order], Awaitable[asyncpg.Record | None]]]] = {
    "cte": one_statement,
    "skip_locked": skip_locked,
    "conditional_update": conditional_update,
    "select_for_update": select_for_update,
}


def in_full(order: Order) -> tuple[object, ...]:
    """Return the parameters of a statement that does everything."""
    command = order.command
    return (
        command.order_id,
        command.line,
        command.sku,
        command.quantity,
        order.expires_at_ms,
        command.order_id.encode(),
        order.reserved(),
        order.rejected(),
    )


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    sell = VARIANTS[task.variant]
    queue: asyncio.Queue[Order | None] = asyncio.Queue(1_000)
    async with AsyncExitStack() as resources:
        connections = [await connected(task, resources) for _ in range(task.connections + 1)]
        relay = await resources.enter_async_context(Relay(task, connections.pop()))
        source = await resources.enter_async_context(OrderSource(task, order_of))

        async def seller(connection: asyncpg.Connection) -> None:
            while (order := await queue.get()) is not None:
                try:
                    row = await sell(connection, order)
                except asyncpg.UniqueViolationError:
                    row = None  # redelivered: it was sold before, and what is said of it stands in the outbox
                if row is not None:
                    relay.put(row["id"], order.command.order_id.encode(), row["payload"])
                source.done([order])

        async with asyncio.TaskGroup() as sellers:
            for connection in connections:
                sellers.create_task(seller(connection))
            while not stopping.is_set():
                for order in await source.take():
                    await queue.put(order)
            for _ in connections:
                await queue.put(None)


async def connected(task: Task, resources: AsyncExitStack) -> asyncpg.Connection:
    """Connect for the length of the stack."""
    connection = await asyncpg.connect(task.postgres_dsn, server_settings={"jit": "off"})
    resources.push_async_callback(connection.close)
    return connection


if __name__ == "__main__":
    run_until_stopped(work)
