"""A plain orchestrator on asyncpg: a statement and a commit from one call of the processor to the next, three an order.

Several connections, each with an order of its own. What a crash leaves unfinished is redelivered by Kafka and taken up at
the state in which its row stands; every statement moves an order on from one state only, so it does so once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from asyncpg import CheckViolationError, DeadlockDetectedError, NotNullViolationError, UniqueViolationError

from consumers.payments.processor import OperationKind
from consumers.runtime.postgres.sql import load_queries
from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.row_lock import connected
from tests.benchmarks.baselines.sagas.order import Order, Placed, order_of
from tests.benchmarks.baselines.sagas.processor import ask
from tests.benchmarks.baselines.source import OrderSource
from tests.benchmarks.baselines.task import Task, run_until_stopped
from topology.topics import ORDER_COMMANDS

if TYPE_CHECKING:
    import asyncpg

    from consumers.payments.processor import ProcessorResult

QUERIES: Final = load_queries("tests.benchmarks.baselines.sagas")
NOT_WANTED: Final = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
"""Plans that look all rows up by key lock them in the order that they are given in, so that orders do not deadlock."""


class Orchestrator:
    """Takes one order after the other from its present state to its end."""

    def __init__(self, connection: asyncpg.Connection, relay: Relay, processor_ms: float) -> None:
        self._connection = connection
        self._relay = relay
        self._processor_ms = processor_ms

    async def bring_to_its_end(self, order: Order) -> None:
        """Reserve, authorise, commit and capture, or undo what was done."""
        state, reason = await self._begin(order), "interrupted"
        if state == "authorizing":
            state, reason = await self._authorize(order)
        if state == "capturing":
            state, reason = await self._capture(order)
        if state == "voiding":
            await self._ask(order.placed, OperationKind.VOID)
            await self._end(order, f"cancelled:{reason}")

    async def _begin(self, order: Order) -> str:
        """Reserve every line and write the order down; return its state, which for a redelivered one may be any."""
        placed = order.placed
        try:
            if len(placed.lines) == 1:
                (line,) = placed.lines
                await self._execute("reserve_line", *order.row, line.sku, line.quantity)
            else:
                await self._execute("reserve_lines", *order.row, *placed.demand)
        except UniqueViolationError:
            return await self._state_of(order)
        except (CheckViolationError, NotNullViolationError):
            return await self._refuse(order)
        return "authorizing"

    async def _refuse(self, order: Order) -> str:
        payload = order.placed.rejected("insufficient_stock")
        try:
            await self._say("refuse", order, *order.row, order.placed.order_id.encode(), payload)
        except UniqueViolationError:
            return await self._state_of(order)
        return "rejected"

    async def _authorize(self, order: Order) -> tuple[str, str]:
        placed = order.placed
        result = await self._ask(placed, OperationKind.AUTHORIZE)
        if result.result != "succeeded":
            await self._end(order, f"rejected:{result.reason}")
            return "rejected", result.reason
        now_ms = time.time_ns() // 1_000_000
        committed = (placed.order_id, result.authorization_id, now_ms)
        if await self._execute("commit", *committed) is not None:
            return "capturing", ""
        await self._execute("undo", placed.order_id, result.authorization_id)
        return "voiding", "hold_expired"

    async def _capture(self, order: Order) -> tuple[str, str]:
        placed = order.placed
        result = await self._ask(placed, OperationKind.CAPTURE)
        if result.result == "succeeded":
            await self._say("pay", order, placed.order_id, placed.order_id.encode(), placed.paid())
            return "paid", ""
        await self._execute("undo", placed.order_id, result.authorization_id)
        return "voiding", result.reason

    async def _end(self, order: Order, ending: str) -> None:
        placed = order.placed
        payload = placed.outcome(ending)
        await self._say(
            "end", order, placed.order_id, ending.partition(":")[0], *placed.demand, placed.order_id.encode(), payload
        )

    async def _say(self, query: str, order: Order, *arguments: object) -> None:
        """Execute a statement that puts an event, its last argument, into the outbox."""
        number = await self._execute(query, *arguments)
        payload = arguments[-1]
        if number is not None and isinstance(payload, bytes):
            self._relay.put(number, order.placed.order_id.encode(), payload)

    async def _ask(self, placed: Placed, kind: OperationKind) -> ProcessorResult:
        return await ask(placed.operation(kind), self._processor_ms)

    async def _state_of(self, order: Order) -> str:
        return str(await self._execute("state_of", order.placed.order_id))

    async def _execute(self, query: str, *arguments: object) -> Any:
        """Execute a statement until it is no victim of a deadlock; return the first value of its first row."""
        while True:
            try:
                return await self._connection.fetchval(QUERIES[query], *arguments)
            except DeadlockDetectedError:
                continue


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    queue: asyncio.Queue[Order | None] = asyncio.Queue(1_000)
    async with AsyncExitStack() as resources:
        connections = [await connected(task, resources) for _ in range(task.connections + 1)]
        for connection in connections:
            await connection.execute("".join(f"SET {name} = off;" for name in NOT_WANTED))
        relay = await resources.enter_async_context(Relay(task, connections.pop()))
        source = await resources.enter_async_context(OrderSource(task, order_of, ORDER_COMMANDS))

        async def seller(connection: asyncpg.Connection) -> None:
            orchestrator = Orchestrator(connection, relay, task.processor_ms)
            while (order := await queue.get()) is not None:
                await orchestrator.bring_to_its_end(order)
                source.done([order])

        async with asyncio.TaskGroup() as sellers:
            for connection in connections:
                sellers.create_task(seller(connection))
            while not stopping.is_set():
                for order in await source.take():
                    await queue.put(order)
            for _ in connections:
                await queue.put(None)


if __name__ == "__main__":
    run_until_stopped(work)
