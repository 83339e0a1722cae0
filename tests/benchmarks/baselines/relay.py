"""The outbox's way to Kafka, in the same process: what was committed goes out in batches, then its rows are deleted.

As in the product, a deletion is not flushed: a crash that brings a row back publishes it twice, which readers recognise.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from consumers.runtime.postgres.sql import array_literal
from producers.publisher import BY_KEY, Outgoing, Publisher
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from tests.benchmarks.baselines.task import Task

AT_MOST: Final = 2_000
"""Rows that go out together."""
BEHIND: Final = 2 * AT_MOST
"""Rows that may wait. A seller that ran on would end long before its outcomes appear, in one burst: no rate to keep up."""


class Relay:
    """Publishes outbox rows that this process has committed; at its start, those that an earlier one left behind.

    It is told of rows instead of polling for them: no reader of the table can be faster. It pauses from one publication
    to the next (`Task.relay_pause_ms`) unless enough rows wait: otherwise each carries a few rows to each of twelve
    partitions, and Kafka takes much CPU from the sellers.
    """

    def __init__(self, task: Task, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._pause_seconds = task.relay_pause_ms / 1000
        self._publisher = Publisher(task.kafka_bootstrap, namespace=task.namespace)
        self._waiting: list[tuple[int, Outgoing]] = []
        self._rang = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._closing = False
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._publisher.__aenter__()
        await self._connection.execute("SET synchronous_commit = off")
        rows = await self._connection.fetch("SELECT id, key, payload FROM outbox ORDER BY id")
        self._waiting = [(row["id"], outgoing(row["key"], row["payload"])) for row in rows]
        self._rang.set()
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._rang.set()
        if self._worker is not None:
            await self._worker
        await self._publisher.close()

    def put(self, row: int, key: bytes, payload: bytes) -> None:
        """Note that a row was committed. Call it in the event loop's thread."""
        self._waiting.append((row, outgoing(key, payload)))
        self._rang.set()
        if len(self._waiting) > BEHIND:
            self._has_room.clear()

    async def room(self) -> None:
        """Wait until no more than `BEHIND` rows are waiting."""
        await self._has_room.wait()

    async def _work(self) -> None:
        while not (self._closing and not self._waiting):
            await self._rang.wait()
            self._rang.clear()
            while self._waiting:
                together, self._waiting = self._waiting[:AT_MOST], self._waiting[AT_MOST:]
                pause = asyncio.create_task(asyncio.sleep(self._pause_seconds))
                await self._send(together)
                if len(self._waiting) <= BEHIND:
                    self._has_room.set()
                if len(self._waiting) < AT_MOST:
                    await pause
                pause.cancel()

    async def _send(self, rows: Sequence[tuple[int, Outgoing]]) -> None:
        await self._publisher.publish([record for _, record in rows])
        numbers = array_literal([row for row, _ in rows])
        await self._connection.execute("DELETE FROM outbox WHERE id = ANY($1::text::bigint[])", numbers)


def outgoing(key: bytes, payload: bytes) -> Outgoing:
    """Return the record of an outcome."""
    return Outgoing(ORDER_EVENTS.name, BY_KEY, key, payload)
