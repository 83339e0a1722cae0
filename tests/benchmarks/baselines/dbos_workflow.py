"""The same one statement an order, as a transaction of a DBOS workflow with the order's id, by a pool of threads.

DBOS records the workflow, the transaction's result (in the same transaction as the stock) and the workflow's end; a
redelivered order is the same workflow, which runs once. Its outcome leaves through the outbox as in the other lanes.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec
from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource
from sqlalchemy import text

from schemas.messages import PlaceOrderLine
from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.row_lock import QUERIES, connected, in_full
from tests.benchmarks.baselines.several import process_number, ready
from tests.benchmarks.baselines.source import Order, OrderSource, order_of
from tests.benchmarks.baselines.task import Task, run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = ("order_id", "line", "sku", "quantity", "expires_at_ms", "key", "reserved", "rejected")


def shop(task: Task) -> Callable[[dict[str, Any]], tuple[int, bool]]:
    """Return the workflow that sells: order in, number of the outbox row and whether it was sold out."""
    url = task.postgres_dsn.replace("postgresql://", "postgresql+psycopg://")
    pool = {"pool_size": task.connections, "max_overflow": 0}
    DBOS(
        config={
            "name": "baseline",
            "system_database_url": url,
            "sys_db_pool_size": task.connections + 4,
            "log_level": "WARNING",
            "executor_id": f"executor-{process_number()}",
        }
    )
    source = SQLAlchemyDatasource.create(url, engine_kwargs=pool)
    statement = QUERIES["cte"].replace("::bytea", "")
    for number, name in reversed(list(enumerate(_NAMES, start=1))):
        statement = statement.replace(f"${number}", f":{name}")
    prepared = text(statement)

    @source.transaction(name="sell", isolation_level="READ COMMITTED")  # type: ignore[untyped-decorator]
    def sell(known: dict[str, Any]) -> tuple[int, bool]:
        order = order_from(known)
        parameters = dict(zip(_NAMES, in_full(order), strict=True))
        number, payload = source.sql_session().execute(prepared, parameters).one()
        return number, bytes(payload) == parameters["reserved"]

    @DBOS.workflow(name="place")  # type: ignore[untyped-decorator]
    def place(known: dict[str, Any]) -> tuple[int, bool]:
        outcome: tuple[int, bool] = sell(known)
        return outcome

    DBOS.launch()

    def run(known: dict[str, Any]) -> tuple[int, bool]:
        with SetWorkflowID(known["command"]["order_id"]):
            outcome: tuple[int, bool] = place(known)
            return outcome

    return run


def order_from(known: dict[str, Any]) -> Order:
    """Return the order that a workflow was started with."""
    return Order((0, 0), msgspec.convert(known["command"], PlaceOrderLine), known["expires_at_ms"])


def known_of(order: Order) -> dict[str, Any]:
    """Return what the workflow has to know, in DBOS's serialisable form."""
    return {"command": msgspec.to_builtins(order.command), "expires_at_ms": order.expires_at_ms}


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    loop = asyncio.get_running_loop()
    run = await asyncio.to_thread(shop, task)
    ready()
    slots = asyncio.Semaphore(task.connections * 2)
    async with AsyncExitStack() as resources:
        threads = resources.enter_context(ThreadPoolExecutor(task.connections))
        relay = await resources.enter_async_context(Relay(task, await connected(task, resources)))
        source = await resources.enter_async_context(OrderSource(task, order_of))

        async def sell(order: Order) -> None:
            try:
                number, is_sold = await loop.run_in_executor(threads, run, known_of(order))
            finally:
                slots.release()
            relay.put(number, order.command.order_id.encode(), order.reserved() if is_sold else order.rejected())
            source.done([order])

        async with asyncio.TaskGroup() as sellers:
            while not stopping.is_set():
                for order in await source.take():
                    await slots.acquire()
                    sellers.create_task(sell(order))
    await asyncio.to_thread(DBOS.destroy)


if __name__ == "__main__":
    run_until_stopped(work)
