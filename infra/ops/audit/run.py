"""Brings an audit together: one snapshot of the database, then the log up to what the snapshot covers.

Ids decide what belongs to the snapshot, not times: what was published about a position below `next_offsets` must be on its
topic or in the outbox, and what was published about a later one does not count yet. So a system may go on meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.runtime.deciding.partitioning import in_force
from infra.base.connections import address_of, redis_client
from infra.base.errors import InfraError
from infra.base.rooms import BOOKKEEPERS, replayed_rooms
from infra.ops.audit.checks import processor_books as processor
from infra.ops.audit.checks.accounts import Accounts
from infra.ops.audit.checks.deliveries import check_deliveries
from infra.ops.audit.checks.goods import check_goods
from infra.ops.audit.checks.money import check_money
from infra.ops.audit.checks.orders import cases, check_holds_without_order, check_progress
from infra.ops.audit.checks.positions import (
    check_claims,
    check_logs,
    check_outbox,
    check_ranges,
    check_unused_partitions,
    order_of,
    undecided_orders,
)
from infra.ops.audit.checks.stock import check_stock
from infra.ops.audit.checks.undecided import UndecidedRecords
from infra.ops.audit.checks.views import check_views
from infra.ops.audit.forged import RefusedEvents
from infra.ops.audit.garbage import collecting_garbage_rarely
from infra.ops.audit.generations import check_generations, replay_stages
from infra.ops.audit.inputs import AuditInputs
from infra.ops.audit.lost_orders import LostOrders
from infra.ops.audit.outputs import OUTPUT_TOPICS, Published, dead_letter_in
from infra.ops.audit.replay import match, report_unexplained
from infra.ops.audit.report import Report, Tallies
from infra.ops.audit.retention import DroppedWeeks, check_balances, check_weeks_ahead
from infra.ops.audit.row_comparison import compare_rows, without
from infra.ops.audit.rows import tables
from infra.ops.audit.snapshot import Snapshot, snapshot
from infra.ops.audit.unversioned import UnversionedRanges
from infra.ops.log import Log
from topology.saga import INTAKE
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consumers.runtime.room import Room
    from infra.base.settings import Settings
    from infra.ops.audit.generations import ReplayStage
    from infra.ops.audit.rows import InventoryRows, OrderRows, StockRow

EVENTS_AT_ONCE: Final = 1_000_000
"""How many derived records are kept in memory (about 0.5 kB each); a larger log is read several times, in parts."""


async def verify(
    settings: Settings,
    *,
    processor_url: str | None = None,
    deciders: Sequence[Room[Any]] | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Audit the system that `settings` name, else the one that runs here; it may be at work.

    `processor_url` is a payment processor that shows its books. `deciders` are the rooms that replay the log where those at
    work do not wait as long as usual. Raises UnreadableError when the audit cannot be made.
    """
    bootstrap = address_of("kafka_bootstrap", settings)
    books = await processor.read_books(processor_url) if processor_url else None
    async with snapshot(settings) as database, Log(bootstrap, settings.namespace) as log:
        with collecting_garbage_rarely():
            audit = Audit(database, log, deciders, on_progress)
            await audit.run()
            await audit.compare_views(settings)
            if processor_url and books is not None:
                await audit.compare_with(books, await processor.read_books(processor_url) or {})
            return audit.tallies.report()


class Audit:
    """One run, with what its parts share: the inputs, the findings, the orders on the move."""

    def __init__(
        self,
        database: Snapshot,
        log: Log,
        deciders: Sequence[Room[Any]] | None = None,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._on_progress = on_progress
        self.tallies = Tallies()
        self._database = database
        self._log = log
        self._inputs = AuditInputs(database, log)
        self._rooms = deciders or replayed_rooms()
        self._in_progress: set[str] = set()
        self._dropped = DroppedWeeks()
        self._lost = LostOrders()
        self._unversioned = UnversionedRanges()
        self._refused = RefusedEvents()

    async def run(self) -> None:
        """Check everything that the database and the log know."""
        self._dropped = await self._database.dropped()
        check_weeks_ahead(await self._database.weeks_ahead(), self._dropped, self.tallies["partitions_are_ahead"])
        await self._inputs.gather()
        for room in self._rooms:
            decided = [row for row in self._database.claims.values() if row.room == room.name]
            check_logs(room, decided, await self._log.identity(room.source), self.tallies["every_record_was_decided"])
        self.tallies["replay_gives_the_same_decisions"].count(decided_by_version_0=0, checked_by_facts=0)
        tally = self.tallies["no_position_decided_twice"]
        check_claims(self._database.claims, self._rooms, self._inputs.ends, tally)
        for name, count, in_use in self._inputs.surplus():
            tally.example(f"{name} has {count} partitions, of which {in_use} are in use: `lastunit topology check`")
        check_unused_partitions(self._inputs.unused, tally)
        check_outbox(self._inputs.outbox, self._database.claims, tally)
        for room in self._rooms:
            check_generations(self._inputs, room, tally)
        await self._find_what_moves()
        await self._count_dead_letters()
        for asked in self._groups():
            published = await self._inputs.published(asked, self.tallies)
            for room in self._rooms:
                await self._audit_room(room, asked, published)
            for partition in asked:
                self._report_unexplained(partition, published)
        for partition in self._order_partitions():
            await self._check_orders(partition)
        self._lost.report(self._dropped, self.tallies["dead_letters"])
        self._unversioned.report(self.tallies["replay_gives_the_same_decisions"])
        tally, deliveries = self.tallies["notifications_are_on_their_way"], await self._database.deliveries()
        await check_deliveries(deliveries, self._inputs, self._database.now_ms, tally)
        orphans = await self._database.holds_without_order()
        check_holds_without_order(orphans, self._in_progress, self.tallies["every_order_is_final_or_waits"])

    async def compare_with(self, earlier: processor.Books, now: processor.Books) -> None:
        """Compare the money with the processor's books: those from before the snapshot, and those of now."""
        tally = self.tallies["money_ledger_balances"]
        known: set[str] = set()
        for partition in self._order_partitions():
            rows = await self._database.orders(partition)
            known.update(row.order_id for row in rows.payments)
            processor.check_books(cases(rows, self._in_progress), earlier, now, self._database.now_ms, tally)
        kept = {order_id: lines for order_id, lines in earlier.items() if not self._dropped.covers(order_id)}
        processor.check_unknown_payments(kept, known, tally)

    async def compare_views(self, settings: Settings) -> None:
        """Compare the timelines in Redis with the log, where there is a Redis."""
        tally = self.tallies["timelines_have_every_event"]
        try:
            async with redis_client(settings) as redis:
                await check_views(redis, settings.namespace, self._inputs, self._database.now_ms, tally)
        except InfraError as error:
            tally.example(f"The timelines could not be compared: {error}")

    def _order_partitions(self) -> range:
        rooms = [room for room in self._rooms if room.source is not INVENTORY_COMMANDS]
        return range(min(map(self._inputs.partitions, rooms)))

    def _groups(self) -> Iterator[Sequence[int]]:
        """Cut the partitions into groups whose answers fit into memory together.

        Where SKUs have moved between partitions there is but one group: a replay needs them all to deal them anew.
        """
        partitions = range(max(map(self._inputs.partitions, self._rooms)))
        events = sum(end for topic in OUTPUT_TOPICS for end in self._inputs.ends[topic.name])
        has_moved = any(len(in_force(self._inputs.generations(room))) > 1 for room in self._rooms)
        step = 1 if has_moved else min(len(partitions), 1 + events // EVENTS_AT_ONCE)
        yield from (partitions[number::step] for number in range(step))

    async def _find_what_moves(self) -> None:
        """Note every order about which a record waits to be decided, and how many such records there are."""
        lag = 0
        for room in self._rooms:
            if room.name not in (INTAKE, *BOOKKEEPERS):
                continue
            for partition, end in enumerate(self._inputs.ends[room.source.name]):
                start = self._inputs.position(room, partition)
                lag += max(0, end - start)
                async for records in self._log.read(room.source, partition, end, start=start):
                    self._in_progress.update(undecided_orders(room, records, start))
        for row in self._inputs.outbox:
            for record in row.records:
                self._in_progress.update(order_of(record.value))
        self.tallies["every_order_is_final_or_waits"].count(undecided_records=lag)

    async def _count_dead_letters(self) -> None:
        tally = self.tallies["dead_letters"]
        tally.count(dead_letters=0, orders_lost=0)
        for partition, end in enumerate(self._inputs.ends[DEAD_LETTERS.name]):
            async for records in self._log.read(DEAD_LETTERS, partition, end):
                for letter in filter(None, map(dead_letter_in, records)):
                    tally.count(dead_letters=1, **{letter.reason: 1})
                    self._refused.add(letter)
                    self._lost.add(letter)
        self._refused.report(self.tallies["replay_gives_the_same_decisions"])

    async def _audit_room(self, room: Room[Any], asked: Sequence[int], published: Published) -> None:
        """Replay a room's share of these partitions, and hold what it comes to against the tables."""
        here = [partition for partition in asked if partition < self._inputs.partitions(room)]
        kept = [partition for partition in here if self._is_kept(room, partition)]
        if len(kept) < len(here) and len(in_force(self._inputs.generations(room))) > 1:
            return
        accounts, undecided = Accounts(self.tallies), UndecidedRecords()
        stock: list[StockRow] = []
        async for stage in replay_stages(self._inputs, room, kept):
            await self._replay(stage, accounts, published, undecided)
            if stage.is_last:
                stock += await self._compare(stage, undecided)
        undecided.report(room.name, self.tallies["every_record_was_decided"])
        if room.source is INVENTORY_COMMANDS:
            accounts.compare(stock)
            self._lost.follow(stock)

    def _is_kept(self, room: Room[Any], partition: int) -> bool:
        if (gone := self._inputs.first_kept(room, partition)) is None:
            return True
        words = f"{gone[0]}/{partition} begins at {gone[1]}: retention removed what a replay needs"
        self.tallies["replay_gives_the_same_decisions"].breach(words)
        return False

    async def _replay(
        self, stage: ReplayStage, accounts: Accounts, published: Published, undecided: UndecidedRecords
    ) -> None:
        room, partition = stage.replay.room, stage.replay.partition
        if not stage.replay.course.is_alone:
            until = list(self._inputs.decided(room, partition).values())
            check_ranges(f"{room.name}/{partition}", stage.ranges, until, self.tallies["no_position_decided_twice"])
        async for decision in self._inputs.decisions(stage.replay, partition, stage.ranges, published):
            answers = published.answers(decision.source, partition)
            undecided.follow(decision, has_outputs=bool(answers.get(decision.record.offset)))
            self.tallies["every_record_was_decided"].count(records=1)
            self._on_progress(1)
            for output in decision.outputs:
                self._refused.compare(output, self.tallies["replay_gives_the_same_decisions"])
            accounts.post(decision.message, match(decision, answers, room.name, self.tallies), decision.position)
        self._unversioned.add(partition, stage.replay.unversioned)

    async def _compare(self, stage: ReplayStage, undecided: UndecidedRecords) -> list[StockRow]:
        """Hold a replay's end against the claim and the tables; return the stock rows that they have."""
        room, partition = stage.replay.room, stage.replay.partition
        tally = self.tallies["replay_gives_the_same_decisions"]
        claim = self._database.claims.get((room.name, partition))
        if claim is not None and claim.at_ms != stage.replay.at_ms:
            tally.breach(f"{room.name}/{partition} stands at {claim.at_ms} ms, the log at {stage.replay.at_ms}")
        replayed, gone = self._dropped.split(stage.replay.rows())
        replayed = without(room.name, replayed, stage.replay.facts.subjects)
        tally.count(followed_by_facts=len(stage.replay.facts.subjects))
        tally.count(dropped_rows_left_out=sum(map(len, gone.values())))
        if room.name not in BOOKKEEPERS:
            return []
        if room.source is not INVENTORY_COMMANDS:
            stored = self._stored(await self._database.orders(partition))
            stored = without(room.name, stored, stage.replay.facts.subjects)
            undecided.differing |= compare_rows(room.name, replayed, stored, tally)
            return []
        rows = await self._database.inventory(partition)
        check_stock(rows, self.tallies)
        check_balances(gone, rows, self.tallies["on_hand_is_the_sum_of_movements"])
        stored = without(room.name, self._stored(rows), stage.replay.facts.subjects)
        undecided.differing |= compare_rows(room.name, replayed, stored, tally)
        return rows.stock

    def _report_unexplained(self, partition: int, published: Published) -> None:
        """Find what was published about a partition of the source topics that no replay gives."""
        decided: dict[str, dict[str | None, int]] = {}
        for room in self._rooms:
            if partition >= self._inputs.partitions(room) or self._inputs.first_kept(room, partition) is not None:
                continue
            for topic, offset in self._inputs.decided(room, partition).items():
                by_room = decided.setdefault(topic, {None: offset})
                by_room[room.name] = offset
                if room.name in BOOKKEEPERS and topic == room.source.name:
                    by_room[None] = min(offset, by_room[None])
        for source, by_room in decided.items():
            answers = published.answers(source, partition)
            exists = self._inputs.exists[source][partition]
            unversioned = self._unversioned.below(source, partition)
            report_unexplained(f"{source}/{partition}", answers, by_room, exists, self.tallies, unversioned=unversioned)

    def _stored(self, rows: InventoryRows | OrderRows) -> dict[str, list[Any]]:
        """Return rows by table, but for those of weeks that were dropped: one that comes too late is a row of no week."""
        return self._dropped.split(tables(rows))[0]

    async def _check_orders(self, partition: int) -> None:
        rows = await self._database.orders(partition)
        for row in rows.orders:
            self._lost.exclude(row.order_id)
        order_cases = cases(rows, self._in_progress)
        check_progress(order_cases, self._database.now_ms, self.tallies["every_order_is_final_or_waits"])
        check_money(order_cases, rows.payments, self.tallies)
        check_goods(order_cases, rows.fulfilments, self.tallies["goods_are_where_they_should_be"])
