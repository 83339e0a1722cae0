"""The same one statement an order, in a Faust agent: its own consumer, acknowledgements and scheduling around it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import faust
import mode.loop

from tests.benchmarks.baselines.relay import Relay
from tests.benchmarks.baselines.row_lock import QUERIES, connected, in_full
from tests.benchmarks.baselines.source import GROUP, order_of
from tests.benchmarks.baselines.task import Task, collect_garbage_rarely, read_task
from topology.topics import INVENTORY_COMMANDS


class Till:
    """The connections and the way out, made in Faust's loop when the first order comes."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._resources = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._free: asyncio.Queue[asyncpg.Connection] = asyncio.Queue()
        self._relay: Relay | None = None

    async def open(self) -> None:
        """Connect once."""
        async with self._opening:
            if self._relay is None:
                for _ in range(self._task.connections):
                    self._free.put_nowait(await connected(self._task, self._resources))
                relay = Relay(self._task, await connected(self._task, self._resources))
                self._relay = await self._resources.enter_async_context(relay)

    async def close(self) -> None:
        """Publish what is left, then disconnect."""
        await self._resources.aclose()

    async def sell(self, record: Any) -> None:
        """Decide the order in a record and hand its outcome on."""
        if self._relay is None:
            await self.open()
        order = order_of(record)
        if order is None or self._relay is None:
            return
        connection = await self._free.get()
        try:
            row = await connection.fetchrow(QUERIES["cte"], *in_full(order))
            if row is not None:
                self._relay.put(row["id"], order.command.order_id.encode(), row["payload"])
        except asyncpg.UniqueViolationError:
            pass  # redelivered
        finally:
            self._free.put_nowait(connection)


class Record:
    """A Faust message as our decoder wants it."""

    def __init__(self, message: Any) -> None:
        self.partition, self.offset, self.value = message.partition, message.offset, message.value
        self.timestamp = int(message.timestamp * 1000)


def build(task: Task) -> faust.App:
    """Return the application: one agent, as many actors as connections."""
    app = faust.App(
        f"{task.namespace}{GROUP}",
        broker=f"aiokafka://{task.kafka_bootstrap}",
        store="memory://",
        datadir=Path(task.state_dir),
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        value_serializer="raw",
        key_serializer="raw",
    )
    till = Till(task)

    @app.agent(app.topic(INVENTORY_COMMANDS.in_namespace(task.namespace)), concurrency=task.connections)
    async def place(stream: Any) -> None:
        async for event in stream.events():
            await till.sell(Record(event.message))

    async def leave(*_: Any, **__: Any) -> None:
        await till.close()

    app.on_before_shutdown.connect(leave, weak=False)
    return app


if __name__ == "__main__":
    mode.loop.use("uvloop")
    collect_garbage_rarely()
    app = build(read_task())
    faust.Worker(app, loglevel=logging.WARNING, redirect_stdouts=False).execute_from_commandline()
