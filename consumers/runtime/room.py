"""The interface between a transactional room and the partition owner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import msgspec

from consumers.errors import EvolveFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import asyncpg

    from consumers.errors import RefusedError
    from consumers.runtime.background import BackgroundTasks
    from schemas.messages import Message
    from topology.topics import Topic

S = TypeVar("S")
"""A room's state of one partition, in memory: what is loaded so far and what the open batch changed."""


INTERNAL_EVENTS: Final[set[type]] = set()
"""Every class of outcomes that stay inside their room; looked up for each outcome on the hot path."""


class InternalEvent(msgspec.Struct, frozen=True):
    """An outcome that stays inside its room: `evolve` applies it, nobody else reads it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        INTERNAL_EVENTS.add(cls)


class Tombstone(msgspec.Struct, frozen=True):
    """Ends a key of a compacted topic: a record without a value."""

    topic: str
    key: bytes


class Changes(msgspec.Struct):
    """What one partition's part of a batch leaves behind.

    `columns` are the parameters of the room's `save` statement, one list a column, so that the changes of several
    partitions join by concatenation. `records` are what keys of a compacted topic hold now (e.g. stock levels),
    published after the outcomes. `effects` are handed to `Room.after_commit` once the batch is durable.
    """

    columns: tuple[list[Any], ...]
    records: Sequence[Message | Tombstone] = ()
    effects: Sequence[Any] = ()


class Routing(Enum):
    """What a room does with records in the wrong partition of the log that it reads."""

    REFUSES = auto()
    """They are dead letters: its log is written by rooms, and they do not err."""
    FORWARDS = auto()
    """It sends them on to where their key belongs: one room for each topic that the outside writes."""
    DECIDES = auto()
    """It decides them wherever they stand, as it keeps nothing by key."""


class Subscriber(Protocol):
    """A reader of a topic; `accepts` are the messages that it decodes."""

    @property
    def accepts(self) -> frozenset[type[Message]]:
        """Messages of other types are skipped undecoded."""


class Room(ABC, Generic[S]):
    """One transactional service. Subclasses bind `decide.py` and `store.py` to the runtime; the defaults do nothing."""

    name: str
    source: Topic
    """The log that it reads; partition i of it has one owner."""
    accepts: frozenset[type[Message]]
    """Messages of other types are skipped undecoded."""
    guards: frozenset[type[Message]] = frozenset()
    """Those that are dead letters unless the room whose events they are has decided them (origins/confirmations.py)."""
    confirms_in_commit: frozenset[type[Message]] = frozenset()
    """Those of `guards` so frequent that `save` confirms them: it raises 23000 where one is not, and each is asked about then."""
    names_outcomes: str = ""
    """What stands before an outcome's number in its id, where others have answered the same records (`intake:`)."""
    routing: Routing = Routing.REFUSES
    """What it does with records that stand in the wrong partition of its log."""
    save: str
    """CTEs that write `Changes.columns` (from $10 on), under names of their own, each `FROM ..., guard`: see `consumers/runtime/postgres/queries.sql`."""
    looks_up: tuple[int, ...] = ()
    """Parameters of `save` by whose elements it looks rows up that are kept by weeks: order ids, or what begins with them."""
    may_be_repartitioned: bool = False
    """Whether its log may get more partitions while it runs (docs/guides/repartition.md)."""
    run_type: type[Message] | None = None
    """Messages that `decide_run` decides many at a time where several stand one after the other."""
    gathers: bool = False
    """Whether its records wait for more, for up to 0.3 s, where it shares a reader: nobody is in a hurry for what it decides."""
    cache_limit: int = 1_000_000
    """Entries in memory, of all partitions of one process together, beyond which the largest memories are emptied."""
    fetch_min_bytes: int = 262_144
    """Bytes that make a batch worth its price: with fewer of them a busy process pauses before it fetches again (fetch_pacing.py)."""

    @abstractmethod
    def new_state(self, partition: int) -> S:
        """Return the state of a partition before its first record."""

    async def load(
        self, connection: asyncpg.Connection, loads: Sequence[tuple[S, Sequence[Message]]], *, thorough: bool
    ) -> None:
        """Load into each state what deciding its messages needs and memory lacks, in as few queries as possible.

        `thorough` is set after a unique violation: then load also what a first delivery would not need.
        """

    @abstractmethod
    def outcomes(self, state: S, message: Message, at_ms: int) -> Sequence[Any]:
        """Return what the message leads to. Pure: no I/O, no clock, no randomness, and the state stays as it is.

        A RefusedError among the outcomes sends the record to dead.letters beside the rest; one that is raised does so alone.
        """

    def decide_run(self, state: S, messages: Sequence[Any], times_ms: Sequence[int]) -> Sequence[Message] | None:
        """Return exactly one outcome for each of many messages of `run_type`, or None where `decide` has to look at each.

        Pure, and equal to what `decide` yields for one after the other. `times_ms` are their times, which never step back.
        """
        del state, messages, times_ms
        return None

    def evolve_run(self, state: S, outcomes: Sequence[Any]) -> None:
        """Change the state by the outcomes that `decide_run` returned, once all of them were taken."""
        raise NotImplementedError

    @abstractmethod
    def evolve(self, state: S, message: Message, outcomes: Sequence[Any], at_ms: int) -> None:
        """Change the state by what the message led to; nothing else ever does. Raising leaves half a change."""

    def decide(self, state: S, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        """Iterate over the outcomes that leave the room, then evolve the state.

        The state changes only once every outcome was taken: whoever cannot encode one stops, and nothing has happened.
        Raises EvolveFailedError where the change itself failed: what the state is then nobody knows.
        """
        outcomes = self.outcomes(state, message, at_ms)
        for outcome in outcomes:
            if type(outcome) not in INTERNAL_EVENTS:
                yield outcome
        try:
            self.evolve(state, message, outcomes, at_ms)
        except Exception as error:
            raise EvolveFailedError(self.name, type(message).__name__, repr(error)) from error

    async def load_lettered(self, connection: asyncpg.Connection, state: S, keys: Sequence[bytes]) -> None:
        """Load what `lettered` looks at, for records of these keys of which nothing but the key can be read."""

    def lettered(self, state: S, key: bytes | None) -> None:
        """React to a record of this key that became a dead letter, after it was decided. Pure but for the state."""

    def rules_adopted(self, state: S, version: int) -> None:
        """Keep in the state the version of the rules that is in force, where a decision depends on it (topology/rules.py)."""

    @abstractmethod
    def close_batch(self, state: S, at_ms: int) -> Changes:
        """Return what the batch changed in this state, and begin the next batch."""

    def is_barrier(self, message: type[Message]) -> bool:
        """Tell whether such a message is decided alone, after all before it is in the database."""
        del message
        return False

    def size(self, state: S) -> int:
        """Return the number of entries held in memory for a partition."""
        del state
        return 0

    def forget(self, state: S) -> None:
        """Empty a partition's memory down to what cannot be loaded again on demand."""
        del state

    def reminder(self, state: S, now_ms: int) -> Message | None:
        """Return a command that the owner shall append to its own partition now, if time asks for one."""
        del state, now_ms
        return None

    def next_reminder_ms(self, state: S) -> int | None:
        """Return when `reminder` may return a command next (ms since the epoch, UTC); None: not before it decides again."""
        del state
        return None

    def start(self, background: BackgroundTasks, wake: Callable[[], None]) -> None:
        """Begin to work, in tasks of `background`; called once, in the event loop, before the first claim.

        An owner at rest looks only when a record or a deadline comes: `wake` it once `has_effects_to_resume` may have changed.
        """

    async def claimed(self, connection: asyncpg.Connection, partition: int, state: S) -> None:
        """React to a new claim: reload deadlines, resume effects that were persisted but not finished."""

    async def levels(
        self, connection: asyncpg.Connection, partition: int, at_ms: int, keys: Sequence[bytes] | None
    ) -> Sequence[Message | Tombstone]:
        """Return the levels of a partition as they are in the database at `at_ms`: of these keys, or all where None.

        They are published again after a claim, as the earlier owner's last records may arrive after newer ones.
        """
        del connection, partition, at_ms, keys
        return ()

    def released(self, partition: int) -> None:
        """React to a lost partition: start no more effects for it."""

    def after_commit(self, partition: int, effects: Sequence[Any]) -> None:
        """Start effects whose intent is durable now."""

    def has_effects_to_resume(self) -> bool:
        """Tell whether effects are persisted that had no room in memory, and there is room for some now."""
        return False

    async def resume_effects(self, connection: asyncpg.Connection) -> None:
        """Load some of them and begin them."""

    async def stop(self) -> None:
        """Finish or abandon effects; what is abandoned is found again by the next owner."""
