"""Events that rooms refused because the room whose events such are had not decided them (consumers/runtime/origins).

Whether a room's row confirms an event is known while it is read, and to no replay. That it was refused is on the log: its
dead letter. So a replay takes the letter as a fact, and an audit sees whether it was right: a true event has been
decided by its room, in a replay too.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import NotDecidedError
from infra.ops.audit.outputs import letter_of_forged
from schemas.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.deciding.record import ReadAs
    from infra.ops.audit.outputs import Copies
    from infra.ops.audit.report import Tally
    from producers.publisher import Outgoing
    from schemas.messages import DeadLetter

CE_ID: Final = "ce_id"


def as_judged(room: str, message: ReadAs, published: Mapping[str, Copies]) -> ReadAs:
    """Return a guarded event as the room read it: as refused, where `published` about its record has the letter."""
    if (copies := published.get(f"dead:{room}")) is None or not isinstance(message, Message):
        return message
    letters = filter(None, (letter_of_forged(output.value) for output in copies.contents))
    return next((NotDecidedError(message, letter.detail) for letter in letters), message)


class RefusedEvents:
    """The events that were refused so, each with the rooms that refused it."""

    def __init__(self) -> None:
        self._letters: dict[tuple[str, int, int], list[DeadLetter]] = {}
        self._values: dict[bytes, set[bytes | None]] = {}

    def add(self, letter: DeadLetter) -> None:
        """Take in a dead letter, if it is one of those."""
        if letter.reason == NotDecidedError.REASON:
            self._letters.setdefault((letter.topic, letter.partition, letter.offset), []).append(letter)
            self._values.setdefault(letter.headers.get(CE_ID, b""), set()).add(letter.value)

    def report(self, tally: Tally) -> None:
        """Name each of them: somebody wrote to the topic who is no room."""
        for (topic, partition, offset), letters in sorted(self._letters.items()):
            rooms = " and ".join(sorted({letter.room for letter in letters}))
            tally.count(not_decided_by_their_room=1)
            tally.breach(
                f"{topic}/{partition}/{offset} was published by no room, and {rooms} refused it: {letters[0].detail}"
            )

    def compare(self, decided: Outgoing, tally: Tally) -> None:
        """Report a true event that was refused: its room has decided the very same under its id."""
        if self._values and decided.value in self._values.get(decided.event_id, ()):
            tally.breach(f"{decided.event_id.decode()} was decided by its room, and was refused as if it were not")
