"""A whole system in memory: the rooms' real decisions, a log of lists, a processor that answers by token.

What is planted goes in through `tamper` (what a room says is changed on its way) or into the rows of `stop()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from consumers.errors import NotDecidedError
from consumers.inventory.repartition import repartition
from consumers.inventory.state import Ledger
from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.deciding.letters import dead_letter
from consumers.runtime.deciding.partitioning import Generation, Partitioning, partitioning_of
from consumers.runtime.room import Room
from infra.base.rooms import replayed_rooms
from infra.ops.audit.checks.processor_books import Authorization
from infra.ops.audit.outputs import Answers, Copies, Output
from infra.ops.audit.replay import Replay
from infra.ops.audit.report import Report
from infra.ops.audit.rows import (
    ClaimRow,
)
from infra.ops.audit.run import Audit
from infra.ops.log import Range
from producers.clients.orders import OrderLine, OrderRequest, place_order_lines
from producers.publisher import BY_KEY, FORWARDED, Outgoing
from schemas import messages as m
from schemas.codec.wire import decode, encode
from schemas.ids import new_order_id
from tests.harness.outside import asked
from tests.unit.audit.memory import PARTITIONS, Kept, MemoryLog, MemorySnapshot
from topology.partitioner import partition_of
from topology.rules import NEWEST
from topology.saga import INTAKE
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

START_MS = 1_760_000_000_000

_REFUSED_BY = {
    "authorize": "tok_declined",
    "capture": "tok_capture_fails",
    "void": "tok_void_fails",
    "refund": "tok_refund_fails",
}

Tamper = Callable[[Outgoing], Sequence[Outgoing]]


class World:
    """Runs what is published until nothing moves any more."""

    def __init__(self, tamper: Tamper = lambda output: [output], *, rules_version: int = NEWEST) -> None:
        self.log = MemoryLog()
        self.now_ms = START_MS
        self._tamper = tamper
        self._seats = [(room, p) for room in replayed_rooms() for p in range(PARTITIONS)]
        self._replays = {(room.name, p): Replay(room, p, Partitioning(PARTITIONS)) for room, p in self._seats}
        self._next = {(room.name, p): 0 for room, p in self._seats}
        self._ranges: dict[tuple[str, int], list[Range]] = {key: [] for key in self._next}
        self._asked: set[str] = set()
        self.skipped: set[tuple[str, int, int]] = set()
        """(source topic, partition, offset) of records that their room moves past without deciding them."""
        self.forged: set[tuple[int, int]] = set()
        """(partition, offset) of events that those who guard them refuse."""
        self.books: dict[str, list[Authorization]] = {}
        self.earlier: dict[str, list[Authorization]] = {}
        self._generations = [Generation(PARTITIONS, (0,) * PARTITIONS)]
        if rules_version:
            self.adopt(rules_version)

    # --- what happens ---------------------------------------------------------------------------------------------------

    def receive(self, sku: str, quantity: int, command_id: str = "") -> None:
        self.publish(outgoing(m.ReceiveStock(command_id or f"receipt/{sku}", sku, quantity)))

    def say(self, *commands: m.Message) -> None:
        for command in commands:
            self.publish(asked(command))

    def place(
        self,
        *lines: tuple[str, int],
        token: str = "tok_ok",  # noqa: S107
        keep: int | None = None,
        customer: str = "c1",
        cart: str = "",
        terms: str = "",
    ) -> str:
        """Publish an order of (sku, quantity) lines, or only its first `keep` lines; return its id."""
        request = OrderRequest(
            lines=tuple(OrderLine(sku, quantity, 500) for sku, quantity in lines),
            customer_id=customer,
            payment_token=token,
            cart_id=cart,
            terms=terms,
        )
        return self.place_request(request, keep)

    def place_request(self, request: OrderRequest, keep: int | None = None) -> str:
        """Publish an order under an id of now, or only its first `keep` lines; return its id."""
        request = msgspec.structs.replace(request, order_id=new_order_id(self.now_ms))
        for command in place_order_lines(request)[:keep]:
            self.publish(outgoing(command))
        return request.order_id

    def adopt(self, rules_version: int) -> None:
        """Append the adoption of a version of the rules to every log that rooms decide about here."""
        for topic in (INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS):
            for partition in range(len(self.log.topics[topic.name])):
                self.publish(Outgoing(topic.name, partition, None, encode(m.AdoptRules(rules_version)), b""))

    def events(self) -> Iterator[Kept]:
        """Iterate over what the rooms have published on order.events."""
        return (record for part in self.log.topics[ORDER_EVENTS.name] for record in part if record.key is not None)

    def publish(self, record: Outgoing) -> Kept:
        count = len(self.log.topics[record.topic])
        partition = partition_of(record.key or b"", count) if record.partition == BY_KEY else record.partition
        records = self.log.topics[record.topic][partition]
        self.now_ms += 10
        headers: list[Any] = [("ce_id", record.event_id)] if record.event_id else []
        if record.headers is not None:
            headers = [*record.headers, (FORWARDED, record.event_id)]
        kept = Kept(partition, len(records), self.now_ms, record.key, record.value, headers)
        records.append(kept)
        return kept

    def run(self, *only: str) -> None:
        """Let the rooms (all, or these and intake) decide until nothing is left to decide."""
        while any(self._apply_fact(room, p) for room, p in self._seats if not only or room.name in (INTAKE, *only)):
            pass

    def repartition(self, partitions: int, *, distribute_states: bool = True) -> None:
        """Switch inventory.commands to more partitions, all that there is being decided; or leave the states behind."""
        name = INVENTORY_COMMANDS.name
        before = [self._replays["inventory", p] for p in range(len(self.log.topics[name]))]
        starts = [self._next["inventory", replay.partition] for replay in before]
        self.log.topics[name] += [[] for _ in range(partitions - len(before))]
        starts += [0] * (partitions - len(before))
        self._generations.append(Generation(partitions, tuple(starts)))
        partitioning = partitioning_of(self._generations)
        at_ms = max(replay.at_ms for replay in before)
        states = repartition([replay.state for replay in before], partitions)
        if not distribute_states:
            states = [*(replay.state for replay in before), *map(Ledger, range(len(before), partitions))]
        room = before[0].room
        for p, state in enumerate(states):
            self._replays["inventory", p] = Replay(room, p, partitioning, state, at_ms, rules_version=NEWEST)
            self._next.setdefault(("inventory", p), 0)
            self._ranges.setdefault(("inventory", p), [])
        self._seats += [(room, p) for p in range(len(before), partitions)]

    def _apply_fact(self, room: Any, partition: int) -> bool:
        topic, first = room.source, self._next[room.name, partition]
        records = self.log.topics[topic.name][partition][first:]
        if not records:
            return False
        self._next[room.name, partition] = first + len(records)
        self._ranges[room.name, partition].append(Range(0, first, first + len(records)))
        replay = self._replays[room.name, partition]
        decided = [record for record in records if (topic.name, partition, record.offset) not in self.skipped]
        letters = self._letters(room.name, decided) if self.forged and topic is ORDER_EVENTS else None
        outputs = [output for decision in replay.feed(0, decided, letters) for output in decision.outputs]
        for record in outputs:
            for changed in self._tamper(record):
                self.publish(changed)
        if room.name == "payments":
            self._answer(replay.state)
        return True

    def _letters(self, room: str, records: Sequence[Any]) -> Callable[[str, int], Answers]:
        """Return the judgement of who reads an event, as a letter."""
        answers: Answers = {}
        for record in records:
            if (record.partition, record.offset) in self.forged:
                refusal = NotDecidedError(decode(record.value), "no such decision")
                letter = dead_letter(room, record, ORDER_EVENTS.name, refusal, self.now_ms)
                answers[record.offset] = {
                    f"dead:{room}": Copies([Output(letter.topic, letter.key, letter.value or b"")])
                }
        return lambda *_: answers

    def _answer(self, book: Any) -> None:
        """Be the processor: answer each new operation at once, as the order's token says."""
        for operation in list(book.operations):
            if operation.operation_id in self._asked:
                continue
            self._asked.add(operation.operation_id)
            kind = operation.kind.value
            if kind == "inspect":
                self.publish(outgoing(self._inspection(operation)))
                continue
            payment = book.by_order[operation.order_id]
            refused = payment.payment_token == _REFUSED_BY.get(kind)
            authorization_id = operation.authorization_id or f"auth_{operation.operation_id}"
            if not refused:
                self._write_books(operation, authorization_id, payment.currency)
            result = "succeeded" if not refused else ("declined" if kind == "authorize" else "failed")
            answer = m.RecordPaymentResult(operation.order_id, operation.operation_id, result, authorization_id, "")
            assert outgoing(answer).topic == ORDER_EVENTS.name
            self.publish(outgoing(answer))

    def _inspection(self, operation: Any) -> m.RecordPaymentInspection:
        """Return where the books have an authorisation's money."""
        line = next(
            candidate
            for candidate in self.books[operation.order_id]
            if candidate.authorization_id == operation.authorization_id
        )
        return m.RecordPaymentInspection(
            operation.order_id,
            operation.operation_id,
            line.authorization_id,
            line.currency,
            line.authorized_minor,
            line.captured_minor,
            line.voided_minor,
            line.refunded_minor,
            line.disputed_minor,
            line.lost_minor,
        )

    def _write_books(self, operation: Any, authorization_id: str, currency: str) -> None:
        lines = self.books.setdefault(operation.order_id, [])
        if operation.kind == "authorize":
            lines.append(Authorization(authorization_id, operation.order_id, currency, operation.amount_minor))
            return
        line = next(candidate for candidate in lines if candidate.authorization_id == authorization_id)
        if operation.kind == "capture":
            line.captured_minor += operation.amount_minor
        elif operation.kind == "refund":
            line.refunded_minor += operation.amount_minor
        if operation.kind == "void" or (operation.kind == "capture" and operation.is_last):
            line.voided_minor += line.held_minor

    # --- what is left ---------------------------------------------------------------------------------------------------

    def stop(self) -> MemorySnapshot:
        """Return the database as the rooms have left it."""
        database = MemorySnapshot(self.now_ms)
        database.all_ranges = self._ranges
        database.generations[INVENTORY_COMMANDS.name] = self._generations
        for (room, partition), replay in self._replays.items():
            next_offset = self._next[room, partition]
            database.claims[room, partition] = ClaimRow(room, partition, 1, next_offset, replay.at_ms, 1)
            for table, rows in replay.rows().items():
                database.tables.setdefault(table, []).extend(rows)
        return database

    async def audit(
        self, database: MemorySnapshot, *, books: bool = True, deciders: Sequence[Room[Any]] | None = None
    ) -> Report:
        audit = Audit(database, self.log, deciders)
        await audit.run()
        if books:
            await audit.compare_with(self.earlier or self.books, self.books)
        return audit.tallies.report()


def message_of(record: Outgoing) -> Any:
    """Return the message that a room says."""
    return decode(record.value)
