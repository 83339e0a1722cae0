"""What was decided before rules had versions, followed by what was published then instead of being decided anew.

Version 0 of the rules is no longer at hand: where the present rules come to something else, a replay takes the published
outcomes as facts. The SKU or order that such a decision is about is followed by facts from there on, for its state
is no longer known in full (an outcome that stays inside a room is not published); its sums are checked all the same.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from consumers.runtime.deciding.decision import CLOCK_STEP_MS, decide_records
from consumers.runtime.room import INTERNAL_EVENTS
from infra.ops.audit.outputs import Copies, Output, is_shared, outcome_of, output_of, room_of, take
from schemas.codec.wire import decode
from schemas.errors import DecodeError
from schemas.messages import RecordDeadLettered
from topology.rules import UNVERSIONED
from topology.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from consumers.runtime.deciding.record import ReadAs, Reading
    from consumers.runtime.room import Room
    from producers.publisher import Outgoing
    from schemas.messages import Message

S = TypeVar("S")
_SUBJECT: Final = {"inventory": "sku"}


def subject_of(room: str, thing: Any) -> str | None:
    """Return the SKU (of inventory) or the order that a message or a row is about, None where it is about neither."""
    subject = getattr(thing, _SUBJECT.get(room, "order_id"), None)
    return None if subject is None else str(subject)


class Facts(Generic[S]):
    """Follows one room's partition. `subjects` are the SKUs or orders that are followed by facts alone."""

    def __init__(self, room: Room[S], subjects: Collection[str] = ()) -> None:
        self.subjects = set(subjects)
        self._room = room
        self._preview: Any = _Preview(room)

    def instead(
        self,
        state: S,
        source: str,
        reading: Reading,
        published: Mapping[str, Copies],
        *,
        at_ms: int,
        version: int,
        step_ms: int = CLOCK_STEP_MS,
    ) -> tuple[dict[str, Copies], int] | None:
        """Return what was published about a record if it stands for a decision, and evolve the state by it; else None.

        `published` is all that was published about the record, by outcome, by whatever room. `at_ms` is the latest append time
        before the record; the one after it is returned, as `decide_records` finds it.
        """
        message = reading[1]
        decided, at_ms = decide_records(
            self._preview, state, source, [reading], at_ms, rules_version=version, step_ms=step_ms
        )
        own = take(published, self._room.name, whole=not is_shared(source) or _answers(decided))
        now = [output_of(record.topic, record.key, record.value, record.headers) for record in decided]
        then = [own[name].contents[0] for name in sorted(own, key=_place)]
        if now == then:
            return None
        differing = set(self._subjects(now, then))
        if version == UNVERSIONED:
            self.subjects |= differing | self._own(message)
        elif not (differing | self._own(message)) <= self.subjects:
            return None
        with suppress(Exception):  # the state of what is followed by facts may lack what the fact is about
            self._room.evolve(state, message, list(_facts(then)), at_ms)  # type: ignore[arg-type]
        return own, at_ms

    def _own(self, message: ReadAs) -> set[str]:
        return {subject} if (subject := subject_of(self._room.name, message)) is not None else set()

    def _subjects(self, now: list[Output], then: list[Output]) -> Iterator[str]:
        """Yield what the outcomes that only one of the two has are about."""
        for output in [outcome for outcome in now if outcome not in then] + [
            outcome for outcome in then if outcome not in now
        ]:
            with suppress(DecodeError):
                if (subject := subject_of(self._room.name, decode(output.value))) is not None:
                    yield subject


class _Preview(Generic[S]):
    """A room that decides and does not evolve."""

    run_type = None

    def __init__(self, room: Room[S]) -> None:
        self.name, self.names_outcomes = room.name, room.names_outcomes
        self._outcomes = room.outcomes

    def decide(self, state: S, message: Message, at_ms: int) -> Iterator[Any]:
        """Iterate over the outcomes that would leave the room."""
        return (outcome for outcome in self._outcomes(state, message, at_ms) if type(outcome) not in INTERNAL_EVENTS)

    def lettered(self, state: S, key: bytes | None) -> None:
        """Leave the state as it is: what the room made of the record then is followed instead."""


def _answers(decided: list[Outgoing]) -> bool:
    return any(room_of(outcome_of(record.event_id, record.topic)) is None for record in decided)


def _place(outcome: str) -> tuple[int, str]:
    """Order outcomes as they were decided: by their number, and dead letters after them."""
    number = outcome.rpartition(":")[2]
    return (int(number), "") if number.isdigit() else (1 << 31, outcome)


def _facts(outputs: list[Output]) -> Iterator[Message]:
    for output in outputs:
        if output.topic != DEAD_LETTERS.name:
            with suppress(DecodeError):
                if not isinstance(fact := decode(output.value), RecordDeadLettered):
                    yield fact
