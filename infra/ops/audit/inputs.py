"""What an audit and a replay read: the snapshot, and the log up to what the snapshot covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.runtime.deciding.partitioning import Generation, in_force
from infra.ops.audit.course import beginning, course_of, decided_of, sources_of
from infra.ops.audit.outputs import OUTPUT_TOPICS, SOURCES, Published
from topology.topics import CO_PARTITIONED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from consumers.runtime.room import Room
    from infra.ops.audit.course import Course
    from infra.ops.audit.replay import Decision, Replay
    from infra.ops.audit.report import Tallies
    from infra.ops.audit.rows import OutboxRow
    from infra.ops.audit.snapshot import Snapshot
    from infra.ops.log import Log, Range


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
        """Return what was published in answer to these partitions of the source topics."""
        published = Published(asked, self._counts())
        for row in self.outbox:
            for record in row.records:
                published.add_waiting(record)
        for topic in OUTPUT_TOPICS:
            for partition, end in enumerate(self.ends[topic.name]):
                async for records in self.log.read(topic, partition, end):
                    published.add(topic.name, records, tallies)
        return published

    def position(self, room: Room[Any], partition: int) -> int:
        """Return how far the room had decided its log; nothing is where it was never claimed."""
        claim = self.database.claims.get((room.name, partition))
        return claim.next_offset if claim is not None else 0

    def decided(self, room: Room[Any], partition: int) -> dict[str, int]:
        """Return how far the room had decided each topic of which it has decided records, by name."""
        position = self.position(room, partition)
        sources = sources_of(room, partition, self.database.taken_over)
        offsets = decided_of(room, partition, position, self.database.taken_over)
        return {topic.name: offset for topic, offset in zip(sources, offsets, strict=True)}

    async def course(self, room: Room[Any], partition: int) -> Course:
        """Return what the room has read of its sources, in its order."""
        is_alone = len(sources_of(room, partition, self.database.taken_over)) == 1
        noted = [] if is_alone else await self.database.ranges(room.name, partition)
        return course_of(room, partition, self.position(room, partition), noted, self.database.taken_over)

    def generations(self, room: Room[Any]) -> list[Generation]:
        """Return every number of partitions that the room's log has had, the last one maybe only announced."""
        count = self.partitions(room)
        return self.database.generations.get(room.source.name) or [Generation(count, (0,) * count)]

    def _counts(self) -> dict[str, list[int]]:
        return {
            name: [
                self._in_use(name),
                *(generation.partitions for generation in self.database.generations.get(name, ())),
            ]
            for name in self.ends
        }

    def partitions(self, room: Room[Any]) -> int:
        """Return how many partitions of the room's log are in use."""
        return self._in_use(room.source.name)

    def surplus(self) -> Iterator[tuple[str, int, int]]:
        """Yield the order.* topics with more partitions than are in use: (topic, partitions, how many are in use)."""
        for topic in CO_PARTITIONED:
            if topic.name in self.ends and (count := len(self.ends[topic.name])) > self._in_use(topic.name):
                yield topic.name, count, self._in_use(topic.name)

    def _in_use(self, name: str) -> int:
        """Return how many partitions of a topic are in use: of the order.* topics as many as each of them has."""
        shared = [topic.name for topic in CO_PARTITIONED if topic.name in self.ends]
        return min(len(self.ends[topic_name]) for topic_name in (shared if name in shared else [name]))

    def first_kept(self, room: Room[Any], partition: int) -> tuple[str, int] | None:
        """Return a source of which records are gone that the room has decided, and where it begins now: no replay is possible."""
        start = beginning(room.name, partition, self.database.taken_over).next_offset
        for topic in sources_of(room, partition, self.database.taken_over):
            if (first := self.begins[topic.name][partition]) > start:
                return topic.name, first
        return None

    async def decisions(
        self, replay: Replay[Any], partition: int, ranges: Sequence[Range], published: Published | None = None
    ) -> AsyncIterator[Decision]:
        """Yield what the replay decides about these ranges, as far as the log goes.

        What was `published` stands for the decisions of version 0 of the rules, where they differ from the present ones.
        """
        sources = replay.course.sources
        ends = [self.ends[topic.name][partition] for topic in sources]
        answers = None if published is None else published.answers
        within = [part._replace(next=min(part.next, ends[part.source])) for part in ranges]
        async for source, records in self.log.follow(sources, partition, within):
            for decision in replay.feed(source, records, answers):
                yield decision
