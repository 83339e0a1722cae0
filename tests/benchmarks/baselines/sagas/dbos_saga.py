"""The same steps as a DBOS workflow with the order's id: three transactions with the orchestrator's statements, and two steps
that ask the processor. DBOS records the workflow, what each step returned (of a transaction in the same commit) and its end.
"""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from consumers.payments.processor import OperationKind
from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.row_lock import connected
from tests.benchmarks.baselines.sagas.orchestrator import NOT_WANTED, QUERIES
from tests.benchmarks.baselines.sagas.order import Order, Placed, order_of
from tests.benchmarks.baselines.sagas.processor import answer
from tests.benchmarks.baselines.several import process_number, ready
from tests.benchmarks.baselines.source import OrderSource
from tests.benchmarks.baselines.task import Task, run_until_stopped
from topology.topics import ORDER_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable

SOLD_OUT: Final = "rejected:insufficient_stock"
Known = dict[str, Any]
"""An order as DBOS can write it down."""
Outcome = tuple[int, str]
"""Number of the outbox row, and the ending, as in `Placed.outcome`."""


def _named(match: re.Match[str]) -> str:
    """Return a numbered parameter as SQLAlchemy names it."""
    return f"CAST(:p{match[1]} AS {match[2]})" if match[2] else f":p{match[1]}"


_STATEMENTS = {name: text(re.sub(r"\$(\d+)(?:::(\w+\[\]))?", _named, statement)) for name, statement in QUERIES.items()}


def asking(processor_ms: float) -> Callable[[Placed, OperationKind], tuple[str, str, str]]:
    """Return what asks the processor for result, authorisation and reason."""

    def ask(placed: Placed, kind: OperationKind) -> tuple[str, str, str]:
        time.sleep(processor_ms / 1000)
        reply = answer(placed.operation(kind))
        return reply.result, reply.authorization_id, reply.reason

    return ask


class Steps:
    """What a workflow does, each recorded by DBOS: statements of the orchestrator by name, and asking the processor."""

    def __init__(self, task: Task) -> None:
        options = " ".join(f"-c {name}=off" for name in ("jit", *NOT_WANTED))
        pool = {"pool_size": task.connections, "max_overflow": 0, "connect_args": {"options": options}}
        self._source = SQLAlchemyDatasource.create(_url(task), engine_kwargs=pool)
        self.transactions = {name: self._transaction(name, statement) for name, statement in _STATEMENTS.items()}
        self.ask = DBOS.step(name="ask")(asking(task.processor_ms))

    def _transaction(self, name: str, statement: Any) -> Callable[..., Any]:
        """Return the statement as a transaction, which returns the first value of the first row."""

        @self._source.transaction(name=name, isolation_level="READ COMMITTED")  # type: ignore[untyped-decorator]
        def execute(*values: object) -> Any:
            parameters = {f"p{number}": value for number, value in enumerate(values, start=1)}
            result = self._source.sql_session().execute(statement, parameters)
            return result.scalar() if result.returns_rows else None

        return cast("Callable[..., Any]", execute)

    def reserve(self, order: Order) -> None:
        """Hold every line and write the order down. Raises IntegrityError where something is not there."""
        if len(order.placed.lines) == 1:
            (line,) = order.placed.lines
            self.transactions["reserve_line"](*order.row, line.sku, line.quantity)
        else:
            self.transactions["reserve_lines"](*order.row, *order.placed.demand)

    def end(self, placed: Placed, ending: str) -> Outcome:
        """Give back what is held."""
        values = (placed.order_id, ending.partition(":")[0], *placed.demand)
        return self.transactions["end"](*values, placed.order_id.encode(), placed.outcome(ending)), ending

    def give_up(self, placed: Placed, authorization_id: str, reason: str) -> Outcome:
        """Give the money back first."""
        self.transactions["undo"](placed.order_id, authorization_id)
        self.ask(placed, OperationKind.VOID)
        return self.end(placed, f"cancelled:{reason}")


def shop(task: Task) -> Callable[[Known], Outcome]:
    """Return what brings an order to its end."""
    config = {"name": "baseline", "system_database_url": _url(task), "sys_db_pool_size": task.connections + 4}
    DBOS(config={**config, "log_level": "WARNING", "executor_id": f"executor-{process_number()}"})
    steps = Steps(task)

    @DBOS.workflow(name="place")  # type: ignore[untyped-decorator]
    def place(known: Known) -> Outcome:
        order = Order((0, 0), msgspec.convert(known["placed"], Placed), known["expires_at_ms"])
        placed, order_id = order.placed, order.placed.order_id
        try:
            steps.reserve(order)
        except IntegrityError:
            payload = placed.outcome(SOLD_OUT)
            return steps.transactions["refuse"](*order.row, order_id.encode(), payload), SOLD_OUT
        result, authorization_id, reason = steps.ask(placed, OperationKind.AUTHORIZE)
        if result != "succeeded":
            return steps.end(placed, f"rejected:{reason}")
        if not steps.transactions["commit"](order_id, authorization_id, time.time_ns() // 1_000_000):
            return steps.give_up(placed, authorization_id, "hold_expired")
        result, _, reason = steps.ask(placed, OperationKind.CAPTURE)
        if result != "succeeded":
            return steps.give_up(placed, authorization_id, reason)
        return steps.transactions["pay"](order_id, order_id.encode(), placed.paid()), "paid"

    DBOS.launch()

    def run(known: Known) -> Outcome:
        with SetWorkflowID(known["placed"]["order_id"]):
            outcome: Outcome = place(known)
            return outcome

    return run


def _url(task: Task) -> str:
    return task.postgres_dsn.replace("postgresql://", "postgresql+psycopg://")


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    loop = asyncio.get_running_loop()
    run = await asyncio.to_thread(shop, task)
    ready()
    slots = asyncio.Semaphore(task.connections * 2)
    async with AsyncExitStack() as resources:
        threads = resources.enter_context(ThreadPoolExecutor(task.connections))
        relay = await resources.enter_async_context(Relay(task, await connected(task, resources)))
        source = await resources.enter_async_context(OrderSource(task, order_of, ORDER_COMMANDS))

        async def sell(order: Order) -> None:
            known = {"placed": msgspec.to_builtins(order.placed), "expires_at_ms": order.expires_at_ms}
            try:
                number, ending = await loop.run_in_executor(threads, run, known)
            finally:
                slots.release()
            relay.put(number, order.placed.order_id.encode(), order.placed.outcome(ending))
            source.done([order])

        async with asyncio.TaskGroup() as sellers:
            while not stopping.is_set():
                for order in await source.take():
                    await slots.acquire()
                    sellers.create_task(sell(order))
    await asyncio.to_thread(DBOS.destroy)


if __name__ == "__main__":
    run_until_stopped(work)
