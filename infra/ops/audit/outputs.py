"""What the rooms have published, by the position that it answers: the topics' derived records, and what the outbox holds."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from consumers.errors import NotDecidedError
from consumers.runtime.deciding.letters import OF_AN_ORDER
from producers.publisher import FORWARDED
from schemas.codec.wire import decode, decode_if, in_newest_schema
from schemas.errors import DecodeError
from schemas.messages import AdoptRules, DeadLetter, PlaceOrderLine
from topology.partitioner import partition_of, partitions_of
from topology.saga import INTAKE
from topology.topics import (
    APPENDED_WITHOUT_CAUSE,
    DEAD_LETTERS,
    INVENTORY_COMMANDS,
    ORDER_COMMANDS,
    ORDER_EVENTS,
    ORDER_NOTIFICATIONS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumers.runtime.deciding.record import Record
    from infra.ops.audit.report import Tallies
    from producers.publisher import Outgoing

SOURCES: Final = {topic.name: topic for topic in (INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS)}
"""Topics whose records rooms answer."""
_NAMES: Final = {name.encode(): name for name in SOURCES}
OUTPUT_TOPICS: Final = (DEAD_LETTERS, ORDER_EVENTS, INVENTORY_COMMANDS, ORDER_NOTIFICATIONS)
"""Topics that carry the rooms' answers, letters first: they name events that are no answer. Others publish on inventory.commands too."""
_LETTERS: Final = ("dead:", OF_AN_ORDER)
_NOTICE: Final = "notifications:"
_TAKEN_IN: Final = f"{INTAKE}:"
_WITHOUT_CAUSE: Final = APPENDED_WITHOUT_CAUSE | {AdoptRules}
_ID_PARTS: Final = 4
_NOT_DECIDED: Final = NotDecidedError.REASON.encode()


class Output(NamedTuple):
    """One derived record. Two are the same that differ in nothing but the version of their message's schema: see `output_of`."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...] = ()
    """Those of a record that was sent on whole."""


def output_of(
    topic: str, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] | None
) -> Output:
    """Return a derived record, its message as the newest schema writes it: an earlier release knew less of its fields."""
    content = value or b""
    with suppress(DecodeError):
        content = in_newest_schema(content)
    return Output(topic, key, content, headers or ())


class Copies(msgspec.Struct):
    """What was published under one event id: the distinct records on the topic, and the one that waits in the outbox."""

    published: list[Output]
    waiting: Output | None = None

    @property
    def contents(self) -> list[Output]:
        """Everything distinct that was published; more than one is one too many."""
        if self.waiting is None or self.waiting in self.published:
            return self.published
        return [*self.published, self.waiting]


class EventId(NamedTuple):
    """The parts of a derived id; `outcome` is a number, dead:<room> for a dead letter, notifications:<number> there, intake:0."""

    topic: str
    partition: int
    offset: int
    outcome: str


Answers = dict[int, dict[str, Copies]]
"""Offset of the answered record -> outcome -> what was published."""


class Published:
    """What was published in answer to the given partitions of the source topics.

    Dead letters come first: an event that a room refused because no room had decided it is not taken in.
    `counts` has each topic's number of partitions, with those that it had before or is about to have.
    """

    def __init__(self, asked: Collection[int], counts: Mapping[str, Sequence[int]]) -> None:
        self._asked = frozenset(asked)
        self._counts = counts
        self._answers: dict[tuple[str, int], Answers] = {}
        self._forged: set[tuple[str, int, int]] = set()

    def answers(self, source: str, partition: int) -> Answers:
        """Return what was published in answer to one partition of a source topic."""
        return self._answers.setdefault((source, partition), {})

    def add(self, topic: str, records: Sequence[Record], tallies: Tallies) -> None:
        """Take in records of a topic: those that derive from a record, each once however often it was sent."""
        now, *others = self._counts[topic]
        home_partitions = partitions_of([record.key or b"" for record in records], now)
        for record, home_partition in zip(records, home_partitions, strict=True):
            if self._forged and (topic, record.partition, record.offset) in self._forged:
                continue
            if topic == DEAD_LETTERS.name:
                self._note_forged(record.value)
            event_id = derived_id(record, topic)
            if event_id is None:
                if has_no_cause(record):
                    continue
                if topic != INVENTORY_COMMANDS.name and record.partition in self._asked:
                    tallies["replay_gives_the_same_decisions"].breach(
                        f"{topic}/{record.partition}/{record.offset} has no id of ours: no room published it"
                    )
                continue
            if event_id.partition not in self._asked:
                continue
            if home_partition != record.partition and not _belonged(record, others):
                tallies["replay_gives_the_same_decisions"].breach(
                    f"{topic}/{record.partition}/{record.offset} belongs to partition {home_partition}"
                )
            self._keep(event_id, output_of(topic, record.key, record.value, forwarded_headers(record)), tallies)

    def add_waiting(self, record: Outgoing) -> None:
        """Take in a record that stands in the outbox."""
        event_id = parse_id(record.event_id, record.topic)
        if event_id is not None and event_id.partition in self._asked:
            copies = self._copies(event_id)
            copies.waiting = output_of(record.topic, record.key, record.value, record.headers)
            if record.topic == DEAD_LETTERS.name:
                self._note_forged(record.value)

    def _note_forged(self, value: bytes | None) -> None:
        if (letter := letter_of_forged(value)) is not None:
            self._forged.add((letter.topic, letter.partition, letter.offset))

    def _keep(self, event_id: EventId, output: Output, tallies: Tallies) -> None:
        copies = self._copies(event_id)
        if output in copies.published:
            tallies["each_command_took_effect_once"].count(published_again=1)
        else:
            copies.published.append(output)

    def _copies(self, event_id: EventId) -> Copies:
        at_offset = self.answers(event_id.topic, event_id.partition).setdefault(event_id.offset, {})
        return at_offset.setdefault(event_id.outcome, Copies([]))


def derived_id(record: Record, topic: str) -> EventId | None:
    """Return the id of a record that a room published or forwarded, None for one that others did."""
    ids = dict(reversed([header for header in record.headers if header[0] in (FORWARDED, "ce_id")]))
    raw = ids.get(FORWARDED) or ids.get("ce_id")
    return parse_id(raw, topic) if raw is not None else None


def has_no_cause(record: Record) -> bool:
    """Tell whether a record answers none: an operator adopts rules in any log, and payments writes down what it is told."""
    try:
        return decode_if(record.value, _WITHOUT_CAUSE) is not None
    except DecodeError:
        return False


def forwarded_headers(record: Record) -> tuple[tuple[str, bytes | None], ...] | None:
    """Return the headers that a record had before it was sent on, None for one that was not."""
    if all(name != FORWARDED for name, _ in record.headers):
        return None
    return tuple((name, value) for name, value in record.headers if name != FORWARDED)


def _belonged(record: Record, counts: Sequence[int]) -> bool:
    return any(partition_of(record.key or b"", count) == record.partition for count in counts)


def parse_id(raw: bytes, topic: str) -> EventId | None:
    """Return the parts of topic/partition/offset/outcome of a record on `topic`, None for anything else."""
    parts = raw.split(b"/")
    if len(parts) != _ID_PARTS or not (parts[1].isdigit() and parts[2].isdigit()):
        return None
    source = _NAMES.get(parts[0])
    return EventId(source, int(parts[1]), int(parts[2]), outcome_of(raw, topic)) if source is not None else None


def is_shared(source: str) -> bool:
    """Tell whether several rooms decide about a topic. One of them at most answers a record, but which one no id says."""
    return source != INVENTORY_COMMANDS.name


def take(at_offset: Mapping[str, Copies], room: str, *, whole: bool) -> dict[str, Copies]:
    """Return what this room published about an offset: its dead letter, and the `whole` answer where it is the room's.

    Who does not answer leaves the answer to the others; what is left in the end no room explains (`report_unexplained`).
    """
    return {
        outcome: copies
        for outcome, copies in at_offset.items()
        if (speaker := room_of(outcome)) == room or (speaker is None and whole)
    }


def outcome_of(raw: bytes, topic: str) -> str:
    """Return the outcome that the id of a record on `topic` ends with: an event may lead to a fact and to a notification."""
    outcome = raw[raw.rfind(b"/") + 1 :].decode(errors="replace")
    return _NOTICE + outcome if topic == ORDER_NOTIFICATIONS.name else outcome


def dead_letter_in(record: Record) -> DeadLetter | None:
    """Return the dead letter in a record, None where it is none."""
    try:
        message = decode(record.value)
    except DecodeError:
        return None
    return message if isinstance(message, DeadLetter) else None


def letter_of_forged(value: bytes | None) -> DeadLetter | None:
    """Return the dead letter of an event that its room had not decided, None where the value is none."""
    if value is None or _NOT_DECIDED not in value:
        return None
    with suppress(DecodeError):
        letter = decode(value)
        if isinstance(letter, DeadLetter) and letter.reason == NotDecidedError.REASON:
            return letter
    return None


def placed_by(letter: DeadLetter) -> PlaceOrderLine | None:
    """Return the order line that a dead letter would have placed, None where it is something else."""
    try:
        message = decode(letter.value)
    except DecodeError:
        return None
    return message if isinstance(message, PlaceOrderLine) else None


def room_of(outcome: str) -> str | None:
    """Return the room that an outcome names: of a dead letter and its event, a notification, a command taken in; else None."""
    if outcome.startswith(_NOTICE):
        return "notifications"
    if outcome.startswith(_TAKEN_IN):
        return INTAKE
    return next((outcome.removeprefix(prefix) for prefix in _LETTERS if outcome.startswith(prefix)), None)
