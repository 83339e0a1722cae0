"""The rows of `claims`: raising an epoch, what a row says of the log it was decided from, and whether the database went back.

Decision: docs/decisions, 002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition

from consumers.errors import LogGapError, OtherGroupError, OtherLogError
from consumers.runtime.claim import Claim
from consumers.runtime.log_identity import LogIdentity
from consumers.runtime.postgres.database import ASYNC_COMMIT
from consumers.runtime.postgres.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
        self, room: Room[Any], partition: int, first_offsets: Sequence[int], identity: LogIdentity
    ) -> tuple[Claim[Any], int, float | None]:
        """Raise the epoch of one room's partition, which fences its earlier owner.

        A partition that nobody has decided yet begins at `first_offsets`, one for each topic that is read. Return the claim, the
        version of the rules to adopt, and the seconds since the last commit, None where there was none. Raises OtherLogError for a position in another log than `identity`.
        """
        sources = self._sources(room)
        own = self._identity_for(room, identity)
        first = [first_offsets[source] for source in sources]
        arguments = (room.name, partition, first, own.cluster_id, list(own.topic_ids), self._group)
        rows = await self._database.run_with_retry(ASYNC_COMMIT, lambda c: c.fetch(QUERIES["claim"], *arguments))
        if not rows:
            for row in await self.stored(room, [partition]):
                self.require_same_log(room, row, identity)
        epoch, next_offsets, at_ms, batch, rules_version, last_records, silent_seconds = rows[0]
        claim = Claim(partition, epoch, list(next_offsets), at_ms, batch, room.new_state(partition))
        claim.last_records = list(last_records or [""] * len(sources))
        return claim, rules_version, silent_seconds

    def require_same_log(self, room: Room[Any], row: Any, identity: LogIdentity) -> None:
        """Raise OtherLogError where a row's position was decided from another log."""
        own = self._identity_for(room, identity)
        stored = LogIdentity(row["cluster_id"], tuple(row["topic_ids"] or ()))
        if row["cluster_id"] is not None and stored != own:
            raise OtherLogError(room.name, row["partition"], stored=stored, actual=own)

    async def require_own_group(self, partitions: Sequence[int]) -> None:
        """Raise OtherGroupError where a process of another consumer group has claimed one of these partitions.

        Called by whoever commits: it reads on the connection of commits.
        """
        for room in self._hosting.rooms:
            for row in await self.stored(room, partitions, "commit"):
                if row["group_id"] not in (None, self._group):
                    raise OtherGroupError(room.name, row["partition"], group=self._group, other=row["group_id"])

    def require_records(
        self, hosted: HostedPartition, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> None:
        """Raise LogGapError where a position lies outside of what Kafka holds, from `begins` to `ends`."""
        for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True):
            for tp, offset in zip(self._tps(room, claim), claim.next_offsets, strict=True):
                if not begins[tp] <= offset <= ends[tp]:
                    raise LogGapError(
                        room.name, tp.topic, claim.partition, offset=offset, first=begins[tp], end=ends[tp]
                    )

    async def notice_older_database(
        self, hosted: HostedPartition, committed: Mapping[TopicPartition, int | None]
    ) -> None:
        """Name a database that went back: positions are committed to Kafka after they are durable, never before."""
        for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True):
            in_kafka = [committed[tp] or 0 for tp in self._tps(room, claim)]
            if any(offset > position for offset, position in zip(in_kafka, claim.next_offsets, strict=True)):
                await self._note_older_database(room, claim, in_kafka)

    async def _note_older_database(self, room: Room[Any], claim: Claim[Any], in_kafka: Sequence[int]) -> None:
        log.error(
            "database_went_back",
            room=room.name,
            partition=claim.partition,
            position=claim.next_offsets,
            committed_to_kafka=in_kafka,
            guide="docs/guides/outages.md",
        )
        up_to = [max(pair) for pair in zip(in_kafka, claim.next_offsets, strict=True)]
        arguments = (room.name, claim.partition, up_to)
        await self._database.run_with_retry(ASYNC_COMMIT, lambda c: c.execute(QUERIES["went_back"], *arguments))

    def _tps(self, room: Room[Any], claim: Claim[Any]) -> list[TopicPartition]:
        return [TopicPartition(self._hosting.topics[source], claim.partition) for source in self._sources(room)]

    def _sources(self, room: Room[Any]) -> list[int]:
        return self._hosting.sources[self._hosting.rooms.index(room)]

    def _identity_for(self, room: Room[Any], identity: LogIdentity) -> LogIdentity:
        return LogIdentity(identity.cluster_id, tuple(identity.topic_ids[source] for source in self._sources(room)))
