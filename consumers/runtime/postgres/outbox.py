"""Publishes the outputs of batches, in the order of their commits, and deletes the blobs that Kafka has acknowledged.

The next blob does not wait for the deletion of the one before: until it is deleted it may be published twice, no more. So
deletions gather for a moment, and go in one statement.

Decisions: docs/decisions, 010, 041.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.postgres.database import ASYNC_COMMIT
from consumers.runtime.postgres.queries import QUERIES
from producers.publisher import Outgoing
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.runtime.background import BackgroundTasks
    from consumers.runtime.deciding.batch import PartitionBatch
    from consumers.runtime.postgres.database import Database
    from producers.publisher import Publisher

MAX_WAITING: Final = 16
"""Committed blobs that may wait for Kafka; then commits wait too, so memory stays bounded."""

MAX_UNACKED_BYTES: Final = 32 * 1024 * 1024
"""Committed bytes that Kafka has not acknowledged; beyond them commits wait too, whatever the number of blobs."""
DELETE_AFTER_SECONDS: Final = 0.2
"""How long acknowledged blobs wait for others to be deleted with."""
OBJECT_BYTES: Final = 300
"""What a record takes in memory beside its value."""

Blob = tuple[str, int, int, list[Outgoing]]
"""(room, partition, batch, records)"""


class Outbox:
    """The way out of the rooms of one process. Where Kafka refuses for good its task fails; the blobs stay for the next owner.

    `name` is that of the owner, `rooms` are theirs.
    """

    def __init__(
        self, name: str, rooms: Sequence[str], database: Database, publisher: Publisher, background: BackgroundTasks
    ) -> None:
        self._name = name
        self._rooms = list(rooms)
        self._database = database
        self._publisher = publisher
        self._background = background
        self._waiting: asyncio.Queue[Blob] = asyncio.Queue(MAX_WAITING)
        self._unacked_bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._acknowledged: dict[tuple[str, int], int] = {}
        self._worker: asyncio.Task[None] | None = None
        self._cleaner: asyncio.Task[None] | None = None
        self._is_draining = asyncio.Event()

    def start(self) -> None:
        """Begin to publish."""
        self._worker = self._background.start(self._work(), f"outbox {self._name}")

    async def put(self, parts: list[PartitionBatch[Any]]) -> None:
        """Take the outputs of a committed batch; waits while too much is under way."""
        for part in parts:
            if part.outputs:
                await self._has_room.wait()
                self._count(_bytes_of(part.outputs))
                await self._waiting.put((part.room.name, part.claim.partition, part.batch, part.outputs))

    async def drain(self) -> None:
        """Return when all that was put is published and deleted, or publishing has failed for good."""
        if self._worker is None:
            return
        drained = asyncio.ensure_future(self._waiting.join())  # noqa: TID251  awaited below
        await asyncio.wait({drained, self._worker}, return_when=asyncio.FIRST_COMPLETED)
        drained.cancel()
        if self._cleaner is not None:
            self._is_draining.set()
            await asyncio.wait({self._cleaner})
            self._is_draining.clear()

    async def stop(self) -> None:
        """Publish what waits, then end."""
        await self.drain()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker})

    def abandon(self) -> None:
        """End at once; what waits stays in the database for the next owner."""
        for task in (self._worker, self._cleaner):
            if task is not None:
                task.cancel()

    async def republish(self, partitions: Sequence[int]) -> dict[tuple[str, int], list[list[Outgoing]]]:
        """Publish again what earlier owners committed but did not see acknowledged; return the blobs by room and partition."""
        rows = await self._database.run_with_retry(
            ASYNC_COMMIT, lambda connection: connection.fetch(QUERIES["unpublished"], self._rooms, partitions)
        )
        blobs = [
            (room, p, batch, msgspec.msgpack.decode(packed, type=list[Outgoing])) for room, p, batch, packed in rows
        ]
        await self._publish(blobs)
        await self._delete_acknowledged()
        republished: dict[tuple[str, int], list[list[Outgoing]]] = {(r, p): [] for r in self._rooms for p in partitions}
        for room, partition, _, records in blobs:
            republished[room, partition].append(records)
        return republished

    async def _work(self) -> None:
        while True:
            blobs = [await self._waiting.get()]
            while not self._waiting.empty():
                blobs.append(self._waiting.get_nowait())
            await self._publish(blobs)
            for *_, records in blobs:
                self._count(-_bytes_of(records))
                self._waiting.task_done()
            if self._cleaner is None or self._cleaner.done():
                self._cleaner = self._background.start(self._delete_later(), f"outbox cleaner {self._name}")

    def _count(self, more_bytes: int) -> None:
        self._unacked_bytes += more_bytes
        if self._unacked_bytes < MAX_UNACKED_BYTES:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def _publish(self, blobs: list[Blob]) -> None:
        if not blobs:
            return
        await self._publisher.publish([record for *_, records in blobs for record in records])
        self._acknowledged.update({(room, partition): batch for room, partition, batch, _ in blobs})

    async def _delete_later(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_draining.wait(), DELETE_AFTER_SECONDS)
        await self._delete_acknowledged()

    async def _delete_acknowledged(self) -> None:
        """Delete what Kafka has acknowledged; what is acknowledged meanwhile goes with the next statement."""
        while self._acknowledged:
            last, self._acknowledged = self._acknowledged, {}
            arguments = [room for room, _ in last], [partition for _, partition in last], list(last.values())
            await self._database.run_with_retry(ASYNC_COMMIT, partial(_delete, arguments=arguments))


async def _delete(connection: asyncpg.Connection, *, arguments: tuple[list[str], list[int], list[int]]) -> None:
    await connection.execute(QUERIES["published"], *arguments)


def _bytes_of(records: list[Outgoing]) -> int:
    return len(records) * OBJECT_BYTES + sum([len(record.value) for record in records if record.value])


def level_keys(blobs: Iterable[Iterable[Outgoing]]) -> frozenset[bytes]:
    """Return the keys of the levels in these blobs."""
    return frozenset(
        record.key for blob in blobs for record in blob if record.topic == STOCK_LEVELS.name and record.key
    )
