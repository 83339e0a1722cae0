"""The orchestrator on asyncpg, hundreds of orders a step: three statements a batch, with the same states and tables.

Each connection has a batch of its own. What a statement does not take along (sold out, declined, expired, redelivered) goes
one by one through the plain orchestrator, which takes an order up at whatever state it stands in. A crash is healed as
there: Kafka delivers again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from asyncpg import UniqueViolationError

from consumers.payments.processor import OperationKind
from consumers.runtime.postgres.sql import array_literal, load_queries
from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.row_lock import connected
from tests.benchmarks.baselines.sagas.orchestrator import NOT_WANTED, Orchestrator
from tests.benchmarks.baselines.sagas.order import Order, order_of
from tests.benchmarks.baselines.sagas.processor import ask_all
from tests.benchmarks.baselines.source import OrderSource
from tests.benchmarks.baselines.task import Task, run_until_stopped
from topology.topics import ORDER_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

QUERIES: Final = {
    name: statement.replace("::text::bytea[]", "::bytea[]")
    for name, statement in load_queries("tests.benchmarks.baselines.sagas", arrays_as_text=True).items()
}
SETTINGS: Final = "".join(f"SET {name} = off;" for name in NOT_WANTED) + "SET plan_cache_mode = force_generic_plan"
"""Plans are made once, and look all rows up by key: the tables grow while they are in use."""


class Steps:
    """The three statements of a batch, and what the processor answers between them."""

    def __init__(self, connection: asyncpg.Connection, relay: Relay, processor_ms: float) -> None:
        self._connection = connection
        self._relay = relay
        self._processor_ms = processor_ms

    async def bring_to_the_end(self, orders: Sequence[Order]) -> list[Order]:
        """Sell a batch; return those orders that need a look of their own."""
        left = {order.placed.order_id: order for order in orders}
        try:
            reserved = await self._reserve(orders)
        except UniqueViolationError:
            return list(orders)
        committed = await self._commit(await self._ask(OperationKind.AUTHORIZE, [left[id_] for id_ in reserved]))
        captured = await self._ask(OperationKind.CAPTURE, [left[id_] for id_ in committed])
        for order_id in await self._pay([left[id_] for id_ in captured]):
            del left[order_id]
        return list(left.values())

    async def _reserve(self, orders: Sequence[Order]) -> list[str]:
        lines = [(order.placed.order_id, *line) for order in orders for line in zip(*order.placed.demand, strict=True)]
        columns = [*zip(*(order.row for order in orders), strict=True), *zip(*lines, strict=True)]
        rows = await self._connection.fetch(QUERIES["reserve_batch"], *map(array_literal, columns))
        return [row[0] for row in rows]

    async def _ask(self, kind: OperationKind, orders: Sequence[Order]) -> dict[str, str]:
        """Return order id -> authorisation of those to whom the processor said yes."""
        answers = await ask_all([order.placed.operation(kind) for order in orders], self._processor_ms)
        return {
            order.placed.order_id: reply.authorization_id
            for order, reply in zip(orders, answers, strict=True)
            if reply.result == "succeeded"
        }

    async def _commit(self, authorised: dict[str, str]) -> list[str]:
        columns = array_literal(list(authorised)), array_literal(list(authorised.values()))
        rows = await self._connection.fetch(QUERIES["commit_batch"], *columns, time.time_ns() // 1_000_000)
        return [row[0] for row in rows]

    async def _pay(self, orders: Sequence[Order]) -> list[str]:
        ids, payloads = [order.placed.order_id for order in orders], [order.placed.paid() for order in orders]
        rows = await self._connection.fetch(
            QUERIES["pay_batch"], array_literal(ids), [order_id.encode() for order_id in ids], payloads
        )
        for number, key, payload in rows:
            self._relay.put(number, key, payload)
        return [key.decode() for _, key, _ in rows]


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    queue: asyncio.Queue[list[Order] | None] = asyncio.Queue(1)
    async with AsyncExitStack() as resources:
        connections = [await connected(task, resources) for _ in range(task.connections + 1)]
        for connection in connections:
            await connection.execute(SETTINGS)
        relay = await resources.enter_async_context(Relay(task, connections.pop()))
        source = await resources.enter_async_context(OrderSource(task, order_of, ORDER_COMMANDS))

        async def seller(connection: asyncpg.Connection) -> None:
            steps = Steps(connection, relay, task.processor_ms)
            one_by_one = Orchestrator(connection, relay, task.processor_ms)
            while (orders := await queue.get()) is not None:
                for order in await steps.bring_to_the_end(orders):
                    await one_by_one.bring_to_its_end(order)
                source.done(orders)

        async with asyncio.TaskGroup() as sellers:
            for connection in connections:
                sellers.create_task(seller(connection))
            while not stopping.is_set():
                if orders := await source.take(task.together):
                    await queue.put(orders)
            for _ in connections:
                await queue.put(None)


if __name__ == "__main__":
    run_until_stopped(work)
