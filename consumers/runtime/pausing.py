"""What an operator has paused, and how an owner stops deciding there and goes on later.

PostgreSQL notifies owners of a change of `pauses` on a connection that they have anyway, so nothing is asked while nothing
changes; a notification that is lost costs LOOK_SECONDS. A paused claim is kept: its partition stays here, and is not decided.

Decisions: docs/decisions, 045.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from consumers.runtime.kafka.seeking import paused, resumed, seek
from consumers.runtime.postgres.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.claim import Claim, HostedPartition
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.ownership import Ownership
    from consumers.runtime.postgres.database import Database

log = structlog.get_logger()

CHANNEL: Final = "lastunit_pauses"
LOOK_SECONDS: Final = 30.0
"""How long an owner may not know of a pause whose notification was lost, or never came, as behind some pools of connections."""


class Pausing:
    """Keeps the claims of one owner as the pauses are. `drop` forgets what was fetched of partitions, `wake` ends the owner's rest."""

    def __init__(
        self,
        hosting: Hosting,
        ownership: Ownership,
        database: Database,
        *,
        drop: Callable[[set[int]], None],
        wake: Callable[[], None],
    ) -> None:
        self._hosting = hosting
        self._ownership = ownership
        self._database = database
        self._drop = drop
        self._wake = wake
        self._listening: asyncpg.Connection | None = None
        self._look_at = 0.0

    @property
    def next_look(self) -> float:
        """How long until the rows are to be read again, s."""
        return self._look_at - time.monotonic()

    def holds_up(self, partition: int) -> bool:
        """Tell whether a room is paused in a partition that is claimed here."""
        return any(claim.is_paused for claim in self._ownership.claims[partition].claims)

    async def look(self, consumer: AIOKafkaConsumer) -> None:
        """Read the rows if that is due, and act on what has changed. Called between batches only."""
        if self.next_look > 0:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        rows = await self._database.run_with_retry("load", self._read)
        if self._ownership.pauses.replace(rows):
            for hosted in self._ownership.held().values():
                self._apply(consumer, hosted)

    async def _read(self, connection: asyncpg.Connection) -> list[tuple[str, int | None]]:
        if connection is not self._listening:
            await connection.add_listener(CHANNEL, self._notified)
            connection.add_termination_listener(self._notified)
            self._listening = connection
        rows = await connection.fetch(QUERIES["pauses"], [room.name for room in self._hosting.rooms])
        return [(row["room"], row["partition"]) for row in rows]

    def _notified(self, *_: object) -> None:
        """Look as soon as the batch in hand is over. A connection that ended may have had a notification on its way."""
        self._look_at = 0.0
        self._wake()

    def _apply(self, consumer: AIOKafkaConsumer, hosted: HostedPartition) -> None:
        """Pause or resume the rooms of a partition whose pause has changed.

        Where a room resumes, the reader goes back to that room's position; the others leave out what they have decided.
        """
        changed = [
            (room.name, claim)
            for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True)
            if claim.is_paused != self._ownership.pauses.cover(room.name, hosted.partition)
        ]
        if not changed:
            return
        was_read = not hosted.is_paused
        for name, claim in changed:
            _switch(name, claim)
        self._drop({hosted.partition})
        hosted.begin_again()
        if self._ownership.claims.get(hosted.partition) is not hosted:
            return  # in a rebalance: it is read again, or not, once that is over
        tp = self._ownership.tp_of(hosted.partition)
        if hosted.is_paused:
            paused(consumer, tp)
        elif was_read:
            seek(consumer, tp, hosted.next_offset)
        else:
            resumed(consumer, tp, hosted.next_offset)


def _switch(room: str, claim: Claim[Any]) -> None:
    claim.is_paused = not claim.is_paused
    log.info(
        "paused" if claim.is_paused else "resumed", room=room, partition=claim.partition, position=claim.next_offset
    )
