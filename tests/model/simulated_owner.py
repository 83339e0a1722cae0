"""One room on one partition: what it has heard, what it said, and the memory that a crash takes from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from consumers.errors import RefusedError
from consumers.runtime.room import Room
from schemas import messages as m
from tests.model.accounting import Books
from tests.model.sense import AccountingError

Entry = tuple[m.Message, int]
"""(message, append time in ms)"""
Outcomes = list[m.Message | RefusedError]


class SimulatedOwner:
    """`inbox` has the records that the room's log still has for it, only those that it accepts."""

    __slots__ = ("books", "history", "inbox", "name", "partition", "room", "state")

    def __init__(self, room: Room[Any], partition: int, books: Books | None = None) -> None:
        self.room, self.partition, self.books = room, partition, books
        self.name = f"{room.name}/{partition}"
        self.state = room.new_state(partition)
        self.inbox: deque[Entry] = deque()
        self.history: list[tuple[Entry, Outcomes]] = []

    def decide(self) -> tuple[m.Message, int, Outcomes]:
        """Decide the next record. A refusal stands among what is said, as a dead letter would."""
        entry = self.inbox.popleft()
        outcomes = _decided(self.room, self.state, entry)
        self.history.append((entry, outcomes))
        if self.books is not None:
            self.books.apply(entry[0], outcomes, entry[1])
        return (*entry, outcomes)

    def crash(self) -> None:
        """Lose the memory and decide the whole log again. Raises AccountingError where that says anything else."""
        self.state = self.room.new_state(self.partition)
        for entry, outcomes in self.history:
            again = _decided(self.room, self.state, entry)
            if list(map(repr, again)) != list(map(repr, outcomes)):
                raise AccountingError(f"{self.name} said {outcomes} about {entry}, after a crash it says {again}")
        self.room.close_batch(self.state, 0)


def _decided(room: Room[Any], state: Any, entry: Entry) -> Outcomes:
    try:
        return list(room.decide(state, *entry))
    except RefusedError as refusal:
        return [refusal]


def dead_letters(owners: Sequence[SimulatedOwner]) -> list[tuple[str, m.Message, RefusedError]]:
    """Return (who, what, why) of everything that was refused."""
    return [
        (owner.name, entry[0], outcome)
        for owner in owners
        for entry, outcomes in owner.history
        for outcome in outcomes
        if isinstance(outcome, RefusedError)
    ]
