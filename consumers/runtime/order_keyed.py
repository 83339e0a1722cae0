"""What the rooms share that keep one record for each order: loading, deciding, ending waits, and what is long over.

A room gives its decider (pure functions), its queries and how a row becomes a record. Everything else is the same for all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec
from typing_extensions import override

from consumers.runtime.deciding.deadlines import DeadlineIndex
from consumers.runtime.deciding.now import DEADLINES, Deadlines, Now
from consumers.runtime.deciding.validation import require_order_id, require_valid
from consumers.runtime.postgres.queries import QUERIES
from consumers.runtime.postgres.sql import array_literal
from consumers.runtime.room import Room
from consumers.runtime.stored_orders import MOST_AHEAD, StoredOrders
from schemas import messages as m
from schemas.ids import is_in_window, is_order_id, last_id
from schemas.limits import SETTLING_MS
from schemas.validation import CHECKED

if TYPE_CHECKING:
    import asyncpg

    from consumers.runtime.room import Changes
    from schemas.messages import Message


class OrderRecord(msgspec.Struct):
    """What a room keeps of one order. `deadline_ms` is when its present wait ends by itself; None: time ends nothing."""

    order_id: str
    deadline_ms: int | None = None
    updated_at_ms: int = 0
    is_stored: bool = False

    @property
    def is_settled(self) -> bool:
        """Tell whether the record waits for nothing, so that its row may have been dropped once its time was over."""
        raise NotImplementedError

    @property
    def parts(self) -> int:
        """The number of lines or attempts in the record, by which memory is measured."""
        raise NotImplementedError


R = TypeVar("R", bound=OrderRecord)


class OrderKeyedState(Generic[R]):
    """The records of one partition, as far as they are loaded; `changed` collects the open batch.

    `parts` counts what the records are made of, of which one may have thousands. `waits` has those that time ends, `stored` which
    orders may have a row that is not loaded. `at_ms` is the latest append time decided (ms since the epoch, UTC).
    `unconfirmed` are the open batch's events that its commit compares with the rows of their rooms.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.waits = DeadlineIndex()
        self.stored = StoredOrders()
        self.at_ms = 0
        self.changed: set[str] = set()
        self.unconfirmed: list[Any] = []
        self.by_order: dict[str, R] = {}
        self.parts = 0

    def forget(self) -> None:
        """Empty the memory; what is needed again gets loaded."""
        self.stored.forget(self.at_ms, self.by_order)
        self.by_order = {}
        self.parts = 0
        self.waits.forget()

    def keep(self, record: R) -> None:
        """Take a stored record into memory."""
        self.by_order[record.order_id] = record
        self.parts += record.parts
        self.waits.put(record.order_id, record.deadline_ms)

    def take_changed(self) -> list[R]:
        """Return the records that the open batch changed, and begin the next batch."""
        changed = [self.by_order[order_id] for order_id in self.changed]
        self.changed, self.unconfirmed = set(), []
        return changed


S = TypeVar("S", bound=OrderKeyedState[Any])


@dataclass(frozen=True)
class Decider(Generic[R]):
    """The pure functions of a room: its first record of an order, and how one is decided on and evolves.

    `decide` returns the outcomes of a message, or raises RefusedError. `evolve` is the only writer; it returns whether
    anything changed. `respond_outside_window` answers for an order of which nothing may be kept any more.
    """

    initial: Callable[[str], R]
    decide: Callable[[R, Message, Now], list[Any]]
    evolve: Callable[[R, Message, Sequence[Any], Now], bool]
    respond_outside_window: Callable[[R, Message, Now], list[Any]]


class OrderKeyedRoom(Room[S], Generic[S, R]):
    """A room that keeps one record for each order, and ends what time ends by EndWaits commands in its own log."""

    decider: Decider[R]
    queries: Mapping[str, str]
    """`load_orders` and `load_due` select records; `earliest_deadline` and `save` are the others that are needed.

    With `dated_later`, which lists the ids of rows dated after one, orders that cannot have a row are not looked up.
    """
    ends_per_command: ClassVar[int] = 200
    """Records whose waits one EndWaits of the room ends: each may have thousands of lines."""
    max_ends: ClassVar[int] = 200
    """Records whose waits any EndWaits may end, whoever sends it."""
    deadlines: Deadlines = DEADLINES
    cache_limit = 60_000

    def __init__(self, *, deadlines: Deadlines = DEADLINES) -> None:
        self.deadlines = deadlines

    @abstractmethod
    async def read(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> Iterable[R]:
        """Return the records that these rows hold."""

    @abstractmethod
    def changes(self, state: S) -> Changes:
        """Return the open batch's changes as columns for `save`, and begin the next batch."""

    def query_for(self, message: Message, *, thorough: bool) -> str | None:
        """Return the name of the query that finds the record for a message; None: it can be decided without."""
        del message, thorough
        return "load_orders"

    def changed(self, state: S, record: R, message: Message, outcomes: Sequence[Any]) -> None:
        """Note in the state what else the room has to save or to start for a message and its outcomes."""

    # --- loading ----------------------------------------------------------------------------------------------------------

    @override
    async def load(
        self, connection: asyncpg.Connection, loads: Sequence[tuple[S, Sequence[Message]]], *, thorough: bool
    ) -> None:
        missing: dict[str, dict[str, S]] = {}
        for state, messages in loads:
            for message in messages:
                if type(message) is m.EndWaits:
                    if message.room == self.name:
                        await self._load_due(connection, state, message)
                    continue
                order_id: str = message.order_id  # type: ignore[attr-defined]  # each of the others has one
                if order_id in state.by_order or not is_order_id(order_id):
                    continue
                if not (thorough or state.stored.may_have(order_id)):
                    continue
                if (query := self.query_for(message, thorough=thorough)) is not None:
                    missing.setdefault(query, {})[order_id] = state
        for query, states in missing.items():
            rows = await connection.fetch(self.queries[query], array_literal(list(states)))
            for record in await self.read(connection, rows):
                states[record.order_id].keep(record)

    async def load_earliest_deadline(self, connection: asyncpg.Connection, state: S, after_ms: int = -1) -> None:
        """Load when the next wait of this partition ends (only a hint of when to ask; decisions do not read it)."""
        query = self.queries["earliest_deadline"]
        state.waits.earliest_ms = await connection.fetchval(query, state.partition, after_ms)

    async def _load_due(self, connection: asyncpg.Connection, state: S, command: m.EndWaits) -> None:
        limit = self._limit(command)
        rows = await connection.fetch(self.queries["load_due"], state.partition, command.as_of_ms, limit)
        for record in await self.read(connection, [row for row in rows if str(row["order_id"]) not in state.by_order]):
            state.keep(record)
        if len(rows) < limit:
            await self.load_earliest_deadline(connection, state, command.as_of_ms)
        state.waits.answered()

    def _limit(self, command: m.EndWaits) -> int:
        return max(0, min(command.limit, self.max_ends))

    # --- deciding ---------------------------------------------------------------------------------------------------------

    @override
    def outcomes(self, state: S, message: Message, at_ms: int) -> Sequence[Any]:
        now = Now(at_ms, self.deadlines)
        if type(message) is m.EndWaits:
            return [outcome for _, outcomes in self._ends(state, message, now) for outcome in outcomes]
        if type(message) in CHECKED:
            require_valid(message)
        record = self._record_of(state, message)
        if self._is_over(record, now):
            return self.decider.respond_outside_window(record, message, now)
        return self.decider.decide(record, message, now)

    @override
    def evolve(self, state: S, message: Message, outcomes: Sequence[Any], at_ms: int) -> None:
        now = Now(at_ms, self.deadlines)
        if type(message) is m.EndWaits:
            for record, ends in self._ends(state, message, now):
                self._evolve(state, record, message, ends, now)
            if message.room == self.name:
                state.waits.expect_what_is_left(message.as_of_ms)
            return
        record = self._record_of(state, message)
        if not self._is_over(record, now):
            self._evolve(state, record, message, outcomes, now)

    def _record_of(self, state: S, message: Message) -> R:
        order_id: str = message.order_id  # type: ignore[attr-defined]  # each of those without one is decided elsewhere
        record: R | None = state.by_order.get(order_id)
        if record is None:
            require_order_id(order_id)
            record = self.decider.initial(order_id)
        return record

    def _is_over(self, record: R, now: Now) -> bool:
        """Tell whether the record is of an order of which nothing may be kept any more."""
        return record.is_settled and not is_in_window(record.order_id, now.at_ms, margin_ms=SETTLING_MS)

    def _ends(self, state: S, command: m.EndWaits, now: Now) -> list[tuple[R, Sequence[Any]]]:
        """Return the records whose wait is over, each with what follows. Pure, so it may be asked again."""
        if command.room != self.name:
            return []
        due = state.waits.overdue(min(command.as_of_ms, now.at_ms), self._limit(command))
        records: list[R] = [state.by_order[order_id] for order_id in due]
        return [(record, self.decider.decide(record, command, now)) for record in records]

    def _evolve(self, state: S, record: R, message: Message, outcomes: Sequence[Any], now: Now) -> None:
        deadline_ms, parts = record.deadline_ms, record.parts
        if not self.decider.evolve(record, message, outcomes, now):
            return
        self.changed(state, record, message, outcomes)
        if type(message) in self.confirms_in_commit and type(message) in self.guards:
            state.unconfirmed.append(message)
        state.by_order[record.order_id] = record
        state.changed.add(record.order_id)
        state.parts += record.parts - parts
        if record.deadline_ms != deadline_ms:
            state.waits.put(record.order_id, record.deadline_ms)

    # --- what the owner asks ----------------------------------------------------------------------------------------------

    @override
    def close_batch(self, state: S, at_ms: int) -> Changes:
        state.at_ms = at_ms
        return self.changes(state)

    @override
    def is_barrier(self, message: type[Message]) -> bool:
        return message is m.EndWaits

    @override
    def size(self, state: S) -> int:
        return len(state.by_order) + state.parts

    @override
    def forget(self, state: S) -> None:
        state.forget()

    @override
    def reminder(self, state: S, now_ms: int) -> Message | None:
        """Ask for an end of waits once the first is over; the command in the log decides, not this clock."""
        return m.EndWaits(self.name, now_ms, self.ends_per_command) if state.waits.due(now_ms) else None

    @override
    def next_reminder_ms(self, state: S) -> int | None:
        return state.waits.next_ms()

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: S) -> None:
        await self.load_earliest_deadline(connection, state)
        if (query := self.queries.get("dated_later")) is not None:
            state.at_ms = await connection.fetchval(QUERIES["log_time"], self.name, partition)
            rows = await connection.fetch(query, partition, last_id(state.at_ms), MOST_AHEAD + 1)
            state.stored.begin(state.at_ms, [str(row["order_id"]) for row in rows])
