"""Reads dead letters, and what operators did about each of them (operator.actions)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.codec.wire import decode
from schemas.errors import DecodeError
from schemas.messages import DeadLetter, Message, OperatorAction
from topology.topics import DEAD_LETTERS, OPERATOR_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.ops.log import Log
    from topology.topics import Topic

REDRIVE: Final = "redrive"
ACKNOWLEDGE: Final = "acknowledge"
EXPIRE: Final = "expire"


class LetterState(StrEnum):
    """What became of a dead letter."""

    OPEN = "open"
    REDRIVEN = "redriven"
    """It was published to its topic again. If it fails again, that is a new letter."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody has decided that nothing is to be done about it."""
    EXPIRED = "expired"
    """It was open for so long that nothing is to be done about it any more."""


_STATE_AFTER: Final = {
    REDRIVE: LetterState.REDRIVEN,
    ACKNOWLEDGE: LetterState.ACKNOWLEDGED,
    EXPIRE: LetterState.EXPIRED,
}


class Handling(msgspec.Struct, frozen=True):
    """What somebody did about a letter, an order or a SKU, when (ms since the epoch, UTC) and why."""

    action: str
    by: str
    why: str
    detail: str
    at_ms: int


class Letter(msgspec.Struct, frozen=True):
    """A dead letter. `id` is its partition and offset on dead.letters, `dead_at_ms` when it was published there."""

    id: str
    dead_at_ms: int
    source: DeadLetter
    state: LetterState
    handled: tuple[Handling, ...] = ()

    @property
    def place(self) -> str:
        """Topic, partition and offset of the record that could not be processed."""
        return f"{self.source.topic}/{self.source.partition}/{self.source.offset}"

    @property
    def message(self) -> Message | None:
        """Return what the record says; None where nothing can be read in it."""
        try:
            return decode(self.source.value)
        except DecodeError:
            return None


class Filter(msgspec.Struct, frozen=True):
    """Which letters are meant; what is empty holds for all. `key` is compared as text.

    `dead_before_ms` leaves out what was published to dead.letters at that time (ms since the epoch) or later.
    """

    ids: tuple[str, ...] = ()
    room: str = ""
    topic: str = ""
    reason: str = ""
    key: str = ""
    states: tuple[LetterState, ...] = (LetterState.OPEN,)
    dead_before_ms: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Return whether the letter is meant."""
        source = letter.source
        return (
            (not self.ids or letter.id in self.ids)
            and self.room in {"", source.room}
            and self.topic in {"", source.topic}
            and self.reason in {"", source.reason}
            and self.key in {"", shown_key(source.key)}
            and (not self.states or letter.state in self.states)
            and (self.dead_before_ms is None or letter.dead_at_ms < self.dead_before_ms)
        )


def subject_of(letter_id: str) -> str:
    """Return how operator.actions names a letter."""
    return f"{DEAD_LETTERS.name}/{letter_id}"


def shown_key(key: bytes | None) -> str:
    """Return a record's key as text; what is not UTF-8 in hexadecimal."""
    return "" if key is None else key.decode(errors="backslashreplace")


class LetterBook:
    """All letters, kept current by reading on from where the last refresh ended. Values of letters are kept whole."""

    def __init__(self) -> None:
        self._records: list[Any] = []
        self._actions: list[Any] = []
        self._next: dict[tuple[str, int], int] = {}

    async def refresh(self, log: Log) -> list[Letter]:
        """Read what is new and return every letter, the oldest first. Raises UnreadableError."""
        await self._read_on(log, DEAD_LETTERS, self._records)
        await self._read_on(log, OPERATOR_ACTIONS, self._actions)
        return letters_of(self._records, self._actions)

    def actions_about(self, *subjects: str) -> list[Handling]:
        """Return what operators did about these subjects of operator.actions, as of the last refresh, the oldest first."""
        keys = {subject.encode() for subject in subjects}
        actions = ((record, _read(record)) for record in self._actions if record.key in keys)
        did = [_handling(record, action) for record, action in actions if isinstance(action, OperatorAction)]
        return sorted(did, key=lambda handling: handling.at_ms)

    async def _read_on(self, log: Log, topic: Topic, into: list[Any]) -> None:
        for partition, end in enumerate(await log.ends(topic)):
            place = (topic.name, partition)
            async for records in log.read(topic, partition, end, start=self._next.get(place, 0)):
                into += records
                self._next[place] = records[-1].offset + 1


def letters_of(records: Iterable[Any], actions: Iterable[Any]) -> list[Letter]:
    """Join the records of dead.letters with those of operator.actions, in the order in which they became letters.

    What is no dead letter, or cannot be read, is left out: anybody may write to a topic that has no access control.
    """
    handled: dict[str, list[Handling]] = {}
    for record in actions:
        if isinstance(action := _read(record), OperatorAction) and action.action in _STATE_AFTER:
            handled.setdefault(action.subject, []).append(_handling(record, action))
    letters = []
    for record in records:
        if isinstance(source := _read(record), DeadLetter):
            letter_id = f"{record.partition}/{record.offset}"
            done = sorted(handled.get(subject_of(letter_id), ()), key=lambda did: did.at_ms)
            state = _STATE_AFTER[done[-1].action] if done else LetterState.OPEN
            letters.append(Letter(letter_id, record.timestamp, source, state, tuple(done)))
    return sorted(letters, key=lambda letter: letter.dead_at_ms)


def _handling(record: Any, action: OperatorAction) -> Handling:
    return Handling(action.action, action.by, action.why, action.detail, record.timestamp)


def _read(record: Any) -> Message | None:
    try:
        return decode(record.value)
    except DecodeError:
        return None


async def read_letters(log: Log) -> list[Letter]:
    """Return every dead letter of the log, the oldest first. Raises UnreadableError."""
    return await LetterBook().refresh(log)
