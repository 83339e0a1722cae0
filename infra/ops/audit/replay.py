"""Decides a partition again from its first record, with the owner's own code, and holds it against what was published.

In a replay nothing is ever loaded: what is absent was never there (see Ledger and OrderKeyedState).
A replay is one batch that never closes, so what it would insert in the end is what the tables must hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from consumers.runtime.deciding.batch import accepted_by, decode_records
from consumers.runtime.deciding.decision import decide_records
from consumers.runtime.deciding.record import MisroutedRecord, ReadAs
from consumers.runtime.deciding.routing import settle
from infra.ops.audit.course import Course
from infra.ops.audit.facts import Facts
from infra.ops.audit.forged import as_judged
from infra.ops.audit.outputs import Copies, Output, is_shared, outcome_of, output_of, room_of, take
from infra.ops.audit.redaction import redacted
from infra.ops.audit.row_comparison import TABLES, Row
from schemas.messages import AdoptRules
from topology.rules import UNVERSIONED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from consumers.runtime.deciding.partitioning import Partitioning
    from consumers.runtime.deciding.record import Record
    from consumers.runtime.room import Room
    from infra.ops.audit.outputs import Answers
    from infra.ops.audit.report import Tallies
    from producers.publisher import Outgoing

S = TypeVar("S")


class Decision(msgspec.Struct):
    """One record of a source topic, what the room read in it, and what the room answers.

    `rules_version` is the version of the rules that was in force. `by_facts` has what was published then where it is not
    held against a decision: under version 0, and about what has differed since (facts.py).
    """

    source: str
    record: Record
    at_ms: int
    message: ReadAs
    outputs: list[Outgoing]
    rules_version: int
    by_facts: dict[str, Copies] | None = None

    @property
    def position(self) -> str:
        """Return where the record stands, as topic/partition/offset."""
        return f"{self.source}/{self.record.partition}/{self.record.offset}"


_AUDITED_ROOMS: Final = frozenset({None, *TABLES})


class Replay(Generic[S]):
    """One partition of one room, decided again: from nothing, or from where another replay came to."""

    def __init__(
        self,
        room: Room[S],
        partition: int,
        partitioning: Partitioning,
        state: S | None = None,
        at_ms: int = 0,
        *,
        rules_version: int = UNVERSIONED,
    ) -> None:
        self.room = room
        self.partition = partition
        self.state = room.new_state(partition) if state is None else state
        self.at_ms = at_ms
        self.rules_version = rules_version
        self.facts = Facts(room)
        self.unversioned: dict[str, int] = {}
        """Source topic -> the offset below which version 0 of the rules decided."""
        self.course = Course((room.source,))
        self._partitioning = partitioning

    def follow(self, course: Course) -> None:
        """Begin where this way begins."""
        self.course = course
        if course.rules_version > self.rules_version:
            self.rules_version = course.rules_version
            self.room.rules_adopted(self.state, self.rules_version)

    def feed(
        self, source: int, records: Sequence[Record], answers: Callable[[str, int], Answers] | None = None
    ) -> Iterator[Decision]:
        """Decide the next records of a source (by its place among those of the course), those that the room accepts.

        `answers` gives what was published about a partition of a source topic. Without it version 0 is decided like others.
        """
        name = self.course.sources[source].name
        for record, read_as in decode_records(accepted_by(self.room), records, self._partitioning):
            message = read_as
            if isinstance(message, MisroutedRecord):
                message = settle(self.room.routing, message, record, self.rules_version)
            if answers is not None and type(read_as) in self.room.guards:
                message = as_judged(self.room.name, read_as, answers(name, self.partition).get(record.offset, {}))
            if isinstance(message, AdoptRules):
                self.rules_version = max(self.rules_version, message.version)
                self.room.rules_adopted(self.state, self.rules_version)
                continue
            if self.rules_version == UNVERSIONED:
                self.unversioned[name] = record.offset + 1
            step_ms = self.course.step_ms(source, record.offset)
            if answers is not None and (self.rules_version == UNVERSIONED or self.facts.subjects):
                published = answers(name, self.partition).get(record.offset, {})
                followed = self.facts.instead(
                    self.state,
                    name,
                    (record, message),
                    published,
                    at_ms=self.at_ms,
                    version=self.rules_version,
                    step_ms=step_ms,
                )
                if followed is not None:
                    by_facts, self.at_ms = followed
                    yield Decision(name, record, self.at_ms, message, [], self.rules_version, by_facts)
                    continue
            outputs, self.at_ms = decide_records(
                self.room,
                self.state,
                name,
                [(record, message)],
                self.at_ms,
                rules_version=self.rules_version,
                step_ms=step_ms,
            )
            yield Decision(name, record, self.at_ms, message, outputs, self.rules_version)

    def rows(self) -> dict[str, list[Row]]:
        """Return what the room's tables must hold now, by table. Ends the replay."""
        columns = self.room.close_batch(self.state, self.at_ms).columns
        return {
            table.name: [table.row(*row) for row in zip(*columns[table.first : table.first + table.width], strict=True)]
            for table in TABLES[self.room.name]
        }


def match(decision: Decision, answers: Answers, room: str, tallies: Tallies) -> list[Output]:
    """Hold what the room decides now against what it published then; return what it published then, in its order.

    What was lost is returned as it should have been, so that the rest of the audit goes on with it.
    """
    tally = tallies["replay_gives_the_same_decisions"]
    tally.figure["decisions"] += 1
    tally.figure["events"] += len(decision.outputs)
    if decision.rules_version == UNVERSIONED:
        tally.figure["decided_by_version_0"] += 1
    if decision.by_facts is not None:
        return _match_facts(decision, answers, tallies)
    at_offset = answers.get(decision.record.offset)
    if at_offset is None and not decision.outputs:
        return []
    answers_it = not is_shared(decision.source) or any(
        room_of(outcome_of(output.event_id, output.topic)) is None for output in decision.outputs
    )
    earlier = take(at_offset or {}, room, whole=answers_it)
    for outcome in earlier:
        del (at_offset or {})[outcome]
    published: list[Output] = []
    for output in decision.outputs:
        expected = output_of(output.topic, output.key, output.value, output.headers)
        copies = earlier.pop(outcome_of(output.event_id, output.topic), None)
        if copies is None:
            tally.breach(f"{output.event_id.decode()} ({describe(expected)}) is neither published nor in the outbox")
            published.append(expected)
            continue
        contents = copies.contents
        if copies.waiting is not None or contents != [expected]:
            _check_copies(output.event_id.decode(), copies, expected, tallies)
        published.append(contents[0])
    for outcome, copies in earlier.items():
        extra = copies.contents[0]
        tally.breach(f"{decision.position}/{outcome} ({describe(extra)}) was published, the replay does not give it")
        published.append(extra)
    return published


def _match_facts(decision: Decision, answers: Answers, tallies: Tallies) -> list[Output]:
    """Return what was published then, without judging it by what would be decided now."""
    facts = decision.by_facts or {}
    at_offset = answers.get(decision.record.offset, {})
    tallies["replay_gives_the_same_decisions"].figure["checked_by_facts"] += 1
    for outcome, copies in facts.items():
        at_offset.pop(outcome, None)
        _check_ways(f"{decision.position}/{outcome}", copies, tallies)
    return [copies.contents[0] for copies in facts.values()]


def _check_copies(name: str, copies: Copies, expected: Output, tallies: Tallies) -> None:
    contents = copies.contents
    if not copies.published:
        tallies["replay_gives_the_same_decisions"].count(waiting_in_outbox=1)
    if expected not in contents:
        tallies["replay_gives_the_same_decisions"].breach(
            f"{name}: the replay gives {describe(expected)}, published is {describe(contents[0])}"
        )
    _check_ways(name, copies, tallies)


def _check_ways(name: str, copies: Copies, tallies: Tallies) -> None:
    contents = copies.contents
    if len(contents) > 1:
        words = (
            f"{name} was published in {len(contents)} ways: {' and '.join(describe(content) for content in contents)}"
        )
        tallies["each_command_took_effect_once"].breach(words)
        tallies["no_position_decided_twice"].breach(words)


def report_unexplained(
    source: str,
    answers: Answers,
    decided: Mapping[str | None, int],
    exists: int,
    tallies: Tallies,
    *,
    unversioned: int = 0,
) -> None:
    """Report the outputs that no replay gives, although they answer a decided position, or one not below `exists`.

    What answers a position below `unversioned` was decided by version 0 of the rules: it is counted, as a fact.

    `decided` has how far each room has decided the source, and under None how far all that keep books have. What answers
    a position between the two was published after the snapshot.
    """
    tally = tallies["replay_gives_the_same_decisions"]
    for offset in sorted(answers):
        for outcome, copies in answers[offset].items():
            room = room_of(outcome)
            until = decided.get(room, decided[None])
            if until <= offset < exists or room not in _AUDITED_ROOMS:
                continue
            if offset < unversioned:
                tally.figure["checked_by_facts"] += 1
                continue
            what = f"{source}/{offset}/{outcome} ({describe(copies.contents[0])})"
            why = "the replay does not give it" if offset < until else "but there is no such position"
            tally.breach(f"{what} was published, {why}")


def describe(output: Output) -> str:
    """Return a record's message in words, or its first bytes where it cannot be read."""
    return redacted(output.value)
