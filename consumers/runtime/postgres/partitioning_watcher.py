"""How a room's owners learn that their topic is partitioned anew: they read it from the database now and then."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from consumers.runtime.deciding.partitioning import Partitioning, generations_in, partitioning_of
from consumers.runtime.postgres.queries import QUERIES

if TYPE_CHECKING:
    from consumers.runtime.postgres.database import Database
    from consumers.runtime.room import Room

LOOK_SECONDS: Final = 0.5


class PartitioningWatcher:
    """What one room's owner knows of its topic's partitioning, read again now and then."""

    def __init__(self, room: Room[Any], database: Database) -> None:
        self.now = Partitioning(0)
        self._room = room
        self._database = database
        self._look_at = 0.0

    async def begin(self, partitions: int) -> None:
        """Read the partitioning; where none was recorded, record as many `partitions` as the topic has."""
        self.now = Partitioning(partitions)
        if self._room.may_be_repartitioned:
            topic = self._room.source.name
            await self._database.run_with_retry(
                "load", lambda c: c.execute(QUERIES["first_generation"], topic, partitions)
            )
            await self.look()

    @property
    def next_look(self) -> float:
        """How long until it is time to read it again, s; infinite where it cannot change."""
        return self._look_at - time.monotonic() if self._room.may_be_repartitioned else math.inf

    @property
    def is_due(self) -> bool:
        """Tell whether it is time to read it again."""
        return self.next_look <= 0

    async def look(self) -> bool:
        """Read the partitioning; return whether it has changed."""
        if not self._room.may_be_repartitioned:
            return False
        topic = self._room.source.name
        rows = await self._database.run_with_retry("load", lambda c: c.fetch(QUERIES["generations"], topic))
        self._look_at = time.monotonic() + LOOK_SECONDS
        before, self.now = self.now, partitioning_of(generations_in(rows))
        return self.now != before
