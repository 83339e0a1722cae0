"""What an audit and a replay read: the snapshot, and the log up to what the snapshot covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.runtime.deciding.partitioning import Generation, in_force
from infra.ops.audit.outputs import OUTPUT_TOPICS, SOURCES, Published
from infra.ops.log import Range
from topology.topics import CO_PARTITIONED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from consumers.runtime.room import Room
    from infra.ops.audit.replay import Decision, Replay
    from infra.ops.audit.report import Tallies
    from infra.ops.audit.rows import OutboxRow
    from infra.ops.audit.snapshot import Snapshot
    from infra.ops.log import Log


class AuditInputs:
    """`ends` has the end of each topic's partitions as the audit began, `exists` that of the sources a moment later.

    `unused` counts the records in partitions of each source that are not in use.
    """

    def __init__(self, database: Snapshot, log: Log) -> None:
        self.database = database
        self.log = log
        log.in_use = {name: in_force(each)[-1].partitions for name, each in database.generations.items()}
        self.begins: dict[str, list[int]] = {}
        self.ends: dict[str, list[int]] = {}
        self.exists: dict[str, list[int]] = {}
        self.unused: dict[str, int] = {}
        self.outbox: list[OutboxRow] = []

    async def gather(self) -> None:
        """Read the outbox and the ends of the topics. The snapshot is older, so all that it knows is below them."""
        self.outbox = await self.database.outbox()
        for topic in {*SOURCES.values(), *OUTPUT_TOPICS}:
            self.ends[topic.name] = await self.log.ends(topic)
            self.begins[topic.name] = await self.log.begins(topic)
        for topic in SOURCES.values():
            self.exists[topic.name] = await self.log.ends(topic)
            self.unused[topic.name] = await self.log.unused_records(topic) if topic in CO_PARTITIONED else 0

    async def published(self, asked: Sequence[int], tallies: Tallies) -> Published:
        """Return what was said in answer to these partitions of the source topics."""
        published = Published(asked, self._counts())
        for row in self.outbox:
            for record in row.records:
                published.add_waiting(record)
        for topic in OUTPUT_TOPICS:
            for partition, end in enumerate(self.ends[topic.name]):
                async for records in self.log.read(topic, partition, end):
                    published.add(topic.name, records, tallies)
        return published

    def decided(self, room: Room[Any], partition: int) -> list[int]:
        """Return how far the room had decided each of its sources; nothing is where it was never claimed."""
        claim = self.database.claims.get((room.name, partition))
        return list(claim.next_offsets) if claim is not None else [0] * len(room.sources)

    async def ranges(self, room: Room[Any], partition: int) -> list[Range]:
        """Return the order in which the room decided its sources."""
        if len(room.sources) > 1:
            return await self.database.ranges(room.name, partition)
        return [Range(0, 0, self.decided(room, partition)[0])]

    def generations(self, room: Room[Any]) -> list[Generation]:
        """Return every number of partitions that the room's sources have had, the last one maybe only announced."""
        count = self.partitions(room)
        return self.database.generations.get(room.sources[0].name) or [Generation(count, (0,) * count)]

    def _counts(self) -> dict[str, list[int]]:
        return {
            name: [self._in_use(name), *(it.partitions for it in self.database.generations.get(name, ()))]
            for name in self.ends
        }

    def partitions(self, room: Room[Any]) -> int:
        """Return how many partitions of the room's sources are in use."""
        return min(self._in_use(topic.name) for topic in room.sources)

    def surplus(self) -> Iterator[tuple[str, int, int]]:
        """Yield the order.* topics with more partitions than are in use: (topic, partitions, how many are in use)."""
        for topic in CO_PARTITIONED:
            if topic.name in self.ends and (count := len(self.ends[topic.name])) > self._in_use(topic.name):
                yield topic.name, count, self._in_use(topic.name)

    def _in_use(self, name: str) -> int:
        """Return how many partitions of a topic are in use: of the order.* topics as many as each of them has."""
        shared = [topic.name for topic in CO_PARTITIONED if topic.name in self.ends]
        return min(len(self.ends[it]) for it in (shared if name in shared else [name]))

    def first_kept(self, room: Room[Any], partition: int) -> tuple[str, int] | None:
        """Return a source whose first records are gone, and where it begins now: no replay can start there."""
        for topic in room.sources:
            if first := self.begins[topic.name][partition]:
                return topic.name, first
        return None

    async def decisions(
        self, replay: Replay[Any], partition: int, ranges: Sequence[Range], published: Published | None = None
    ) -> AsyncIterator[Decision]:
        """Yield what the replay decides about these ranges, as far as the log goes.

        What was `published` stands for the decisions of version 0 of the rules, where they differ from the present ones.
        """
        ends = [self.ends[topic.name][partition] for topic in replay.room.sources]
        answers = None if published is None else published.answers
        within = [part._replace(next=min(part.next, ends[part.source])) for part in ranges]
        async for source, records in self.log.follow(replay.room.sources, partition, within):
            for decision in replay.feed(source, records, answers):
                yield decision
