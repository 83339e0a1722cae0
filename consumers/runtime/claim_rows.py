"""The rows of `claims`: raising an epoch, what a row says of the log it was decided from, and whether the database went back.

Decision: docs/decisions, 002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from consumers.errors import LogGapError, OtherGroupError, OtherLogError
from consumers.runtime.claim import Claim
from consumers.runtime.log_identity import LogIdentity
from consumers.runtime.postgres.database import ASYNC_COMMIT
from consumers.runtime.postgres.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.claim import HostedPartition
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.postgres.database import Database
    from consumers.runtime.room import Room

log = structlog.get_logger()


class ClaimRows:
    """The rows of the rooms of one process, whose consumer group is `group`."""

    def __init__(self, hosting: Hosting, group: str, database: Database) -> None:
        self._hosting = hosting
        self._group = group
        self._database = database

    async def stored(self, room: Room[Any], partitions: Iterable[int], purpose: str = "load") -> list[Any]:
        """Return the rows of these partitions that exist; `purpose` names the connection to read on."""
        query, wanted = QUERIES["positions"], list(partitions)
        return await self._database.run_with_retry(purpose, lambda c: c.fetch(query, room.name, wanted))

    async def epochs(self, partitions: Iterable[int], identity: LogIdentity) -> dict[int, list[int]]:
        """Return the epochs of each partition, in the order of the rooms. Raises OtherLogError as `require_same_log`."""
        epochs: dict[int, list[int]] = {}
        wanted = list(partitions)
        for room in self._hosting.rooms:
            for row in await self.stored(room, wanted):
                self.require_same_log(room, row, identity)
                epochs.setdefault(row["partition"], []).append(row["epoch"])
        return epochs

    async def claim(
        self, room: Room[Any], partition: int, first_offset: int, identity: LogIdentity
    ) -> tuple[Claim[Any], int, float | None]:
        """Raise the epoch of one room's partition, which fences its earlier owner.

        A partition that nobody has decided yet begins at `first_offset`. Return the claim, the version of the rules to adopt, and
        the seconds since the last commit, None where there was none. Raises OtherLogError for a position in another log than `identity`.
        """
        arguments = (room.name, partition, first_offset, identity.cluster_id, identity.topic_id, self._group)
        rows = await self._database.run_with_retry(ASYNC_COMMIT, lambda c: c.fetch(QUERIES["claim"], *arguments))
        if not rows:
            for row in await self.stored(room, [partition]):
                self.require_same_log(room, row, identity)
        epoch, next_offset, at_ms, batch, rules_version, last_record, silent_seconds = rows[0]
        state = room.new_state(partition)
        return Claim(partition, epoch, next_offset, at_ms, batch, state, last_record), rules_version, silent_seconds

    def require_same_log(self, room: Room[Any], row: Any, identity: LogIdentity) -> None:
        """Raise OtherLogError where a row's position was decided from another log."""
        stored = LogIdentity(row["cluster_id"], row["topic_id"])
        if row["cluster_id"] is not None and stored != identity:
            raise OtherLogError(room.name, row["partition"], stored=stored, actual=identity)

    async def require_own_group(self, partitions: Sequence[int]) -> None:
        """Raise OtherGroupError where a process of another consumer group has claimed one of these partitions.

        Called by whoever commits: it reads on the connection of commits.
        """
        for room in self._hosting.rooms:
            for row in await self.stored(room, partitions, "commit"):
                if row["group_id"] not in (None, self._group):
                    raise OtherGroupError(room.name, row["partition"], group=self._group, other=row["group_id"])

    def require_records(self, hosted: HostedPartition, begin: int, end: int) -> None:
        """Raise LogGapError where a position lies outside of what Kafka holds, from `begin` to `end`."""
        for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True):
            if not begin <= (offset := claim.next_offset) <= end:
                topic = self._hosting.topic
                raise LogGapError(room.name, topic, claim.partition, offset=offset, first=begin, end=end)

    async def notice_older_database(self, hosted: HostedPartition, committed: int | None) -> None:
        """Name a database that went back: positions are committed to Kafka after they are durable, never before."""
        for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True):
            if committed is not None and committed > claim.next_offset:
                await self._note_older_database(room, claim, committed)

    async def _note_older_database(self, room: Room[Any], claim: Claim[Any], in_kafka: int) -> None:
        log.error(
            "database_went_back",
            room=room.name,
            partition=claim.partition,
            position=claim.next_offset,
            committed_to_kafka=in_kafka,
            guide="docs/guides/outages.md",
        )
        arguments = (room.name, claim.partition, in_kafka)
        await self._database.run_with_retry(ASYNC_COMMIT, lambda c: c.execute(QUERIES["went_back"], *arguments))
