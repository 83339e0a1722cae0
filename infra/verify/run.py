"""Brings an audit together: one snapshot of the database, then the log up to what the snapshot covers.

Ids decide what belongs to the snapshot, not times: what was said about a position below `next_offsets` must be on its
topic or in the outbox, and what was said about a later one does not count yet. So a system may go on meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.verify import books as processor
from infra.verify.accounts import Accounts
from infra.verify.errors import VerifyError
from infra.verify.log import Log
from infra.verify.positions import check_claims, check_outbox, check_ranges, next_offsets, order_of, undecided_orders
from infra.verify.published import SOURCES, SPOKEN_ON, Published, dead_letter_in
from infra.verify.replay import Replay, compare_rows, leftovers, match, rooms
from infra.verify.report import Report, Tallies
from infra.verify.rows import InventoryRows, OrderRows, OutboxRow, Range
from infra.verify.sagas import cases, check_money, check_orphans, check_progress
from infra.verify.snapshot import Snapshot, snapshot
from infra.verify.stock import check_stock
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.runtime.decision import Record
    from consumers.runtime.room import Room
    from infra.settings import Settings
    from topology.topics import Topic

EVENTS_AT_ONCE: Final = 1_000_000
"""How many derived records are kept in memory (about 0.5 kB each); a larger log is read several times, in parts."""


async def verify(settings: Settings, *, processor_url: str | None = None) -> Report:
    """Audit the system that `settings` name (Kafka, PostgreSQL, namespace); it may be at work.

    `processor_url` is a payment processor that shows its books. Raises VerifyError when the audit cannot be made.
    """
    if not settings.kafka_bootstrap or not settings.postgres_dsn:
        raise VerifyError(
            "Nothing runs here. Start a system with `lastunit up`, or name its servers: `lastunit config`."
        )
    books = await processor.read_books(processor_url) if processor_url else None
    async with snapshot(settings.postgres_dsn) as database, Log(settings.kafka_bootstrap, settings.namespace) as log:
        audit = _Audit(database, log)
        await audit.run()
        if processor_url and books is not None:
            await audit.compare_with(processor_url, books)
        return audit.tallies.report()


class _Audit:
    """One run, with what its parts share: the positions, the ends of the topics, the orders on the move."""

    def __init__(self, database: Snapshot, log: Log) -> None:
        self.tallies = Tallies()
        self._database = database
        self._log = log
        self._rooms = rooms()
        self._ends: dict[str, list[int]] = {}
        self._begins: dict[str, list[int]] = {}
        self._outbox: list[OutboxRow] = []
        self._moving: set[str] = set()

    async def run(self) -> None:
        """Check everything that the database and the log know."""
        self._outbox = await self._database.outbox()
        for topic in {*SOURCES.values(), *SPOKEN_ON}:
            self._ends[topic.name] = await self._log.ends(topic)
            self._begins[topic.name] = await self._log.begins(topic)
        tally = self.tallies["no_position_decided_twice"]
        check_claims(self._database.claims, self._rooms, self._ends, tally)
        check_outbox(self._outbox, self._database.claims, tally)
        await self._find_what_moves()
        await self._count_dead_letters()
        for asked in self._groups():
            published = await self._read_published(asked)
            for partition in asked:
                await self._audit_partition(partition, published)
        for partition in range(len(self._ends[ORDER_EVENTS.name])):
            await self._check_orders(partition)
        orphans = await self._database.holds_without_order()
        check_orphans(orphans, self._moving, self.tallies["every_order_is_final_or_waits"])

    async def compare_with(self, processor_url: str, earlier: processor.Books) -> None:
        """Compare the money with the processor's books: those from before the snapshot, and those of now."""
        tally = self.tallies["money_matches_goods"]
        now = await processor.read_books(processor_url) or {}
        known: set[str] = set()
        for partition in range(len(self._ends[ORDER_EVENTS.name])):
            rows = await self._database.orders(partition)
            known.update(row.order_id for row in rows.payments)
            processor.check_books(cases(rows, self._moving), now, tally)
        processor.check_strangers(earlier, known, tally)

    # --- what is on the topics --------------------------------------------------------------------------------------------

    async def _find_what_moves(self) -> None:
        """Note every order about which a record waits to be decided, and how many such records there are."""
        lag = 0
        for room in self._rooms:
            for source, topic in enumerate(room.sources):
                for partition, end in enumerate(self._ends[topic.name]):
                    start = next_offsets(self._database.claims, room, partition)[source]
                    lag += max(0, end - start)
                    async for records in self._log.read(topic, partition, end, start=start):
                        self._moving.update(undecided_orders(room, records, start))
        for row in self._outbox:
            for record in row.records:
                self._moving.update(order_of(record.value))
        self.tallies["every_order_is_final_or_waits"].count(undecided_records=lag)

    async def _count_dead_letters(self) -> None:
        tally = self.tallies["dead_letters"]
        tally.count(dead_letters=0)
        for partition, end in enumerate(self._ends[DEAD_LETTERS.name]):
            async for records in self._log.read(DEAD_LETTERS, partition, end):
                for letter in filter(None, map(dead_letter_in, records)):
                    tally.count(dead_letters=1, **{letter.reason: 1})
                    tally.example(f"{letter.room}: {letter.topic}/{letter.partition}/{letter.offset} {letter.detail}")

    def _groups(self) -> Iterator[Sequence[int]]:
        """Cut the partitions into groups whose answers fit into memory together."""
        partitions = range(max(len(self._ends[name]) for name in SOURCES))
        events = sum(end for topic in SPOKEN_ON for end in self._ends[topic.name])
        groups = min(len(partitions), 1 + events // EVENTS_AT_ONCE)
        for number in range(groups):
            yield partitions[number::groups]

    async def _read_published(self, asked: Sequence[int]) -> Published:
        published = Published(asked, {name: len(ends) for name, ends in self._ends.items()})
        for topic in SPOKEN_ON:
            for partition, end in enumerate(self._ends[topic.name]):
                async for records in self._log.read(topic, partition, end):
                    published.hear(topic.name, records, self.tallies)
        for row in self._outbox:
            for record in row.records:
                published.wait(record, row.room)
        return published

    # --- what must follow from it -------------------------------------------------------------------------------------------

    async def _audit_partition(self, partition: int, published: Published) -> None:
        decided: dict[str, int] = {}
        for room in self._rooms:
            if partition >= len(self._ends[room.sources[0].name]):
                continue
            until = next_offsets(self._database.claims, room, partition)
            if not self._is_whole(room.sources, partition):
                continue
            await self._replay(room, partition, until, published)
            for topic, offset in zip(room.sources, until, strict=True):
                decided[topic.name] = min(offset, decided.get(topic.name, offset))
        for source, offset in decided.items():
            leftovers(source, partition, published.answers(source, partition), offset, self.tallies)

    def _is_whole(self, sources: Sequence[Topic], partition: int) -> bool:
        """Tell whether the log still begins with its first record: without it a replay would be of another history."""
        for topic in sources:
            if first := self._begins[topic.name][partition]:
                self.tallies["replay_gives_the_same_decisions"].breach(
                    f"{topic.name}/{partition} begins at {first}: retention removed what a replay needs"
                )
                return False
        return True

    async def _replay(self, room: Room[Any], partition: int, until: list[int], published: Published) -> None:
        tally = self.tallies["replay_gives_the_same_decisions"]
        ranges = [Range(0, 0, until[0])]
        if len(room.sources) > 1:
            ranges = await self._database.ranges(room.name, partition)
            check_ranges(f"{room.name}/{partition}", ranges, until, self.tallies["no_position_decided_twice"])
        replay = Replay(room, partition, len(self._ends[room.sources[0].name]))
        accounts = Accounts(self.tallies)
        async for source, records in self._log.follow(room.sources, partition, ranges):
            self._decide(replay, source, records, published, accounts)
        claim = self._database.claims.get((room.name, partition))
        if claim is not None and claim.at_ms != replay.at_ms:
            tally.breach(f"{room.name}/{partition} stands at {claim.at_ms} ms, the log at {replay.at_ms}")
        if room.sources[0] is INVENTORY_COMMANDS:
            rows = await self._database.inventory(partition)
            check_stock(rows, self.tallies)
            accounts.compare(rows)
            compare_rows(room.name, replay.rows(), _tables(rows), tally)
        else:
            compare_rows(room.name, replay.rows(), _tables(await self._database.orders(partition)), tally)

    def _decide(
        self, replay: Replay[Any], source: int, records: Sequence[Record], published: Published, accounts: Accounts
    ) -> None:
        for decision in replay.feed(source, records):
            answers = published.answers(decision.source, decision.record.partition)
            said = match(decision, answers, replay.room.name, self.tallies)
            if replay.room.sources[0] is INVENTORY_COMMANDS:
                accounts.post(decision.message, said, decision.position)

    async def _check_orders(self, partition: int) -> None:
        rows = await self._database.orders(partition)
        found = cases(rows, self._moving)
        check_progress(found, self._database.now_ms, self.tallies["every_order_is_final_or_waits"])
        check_money(found, rows.payments, self.tallies)


def _tables(rows: InventoryRows | OrderRows) -> dict[str, Any]:
    return {name: getattr(rows, name) for name in rows.__struct_fields__}
