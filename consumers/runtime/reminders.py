"""Appends the commands that end what has passed its deadline to an owner's own partitions; the log's time decides."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from consumers.runtime.deciding.decision import outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consumers.runtime.claim import Claim, HostedPartition
    from consumers.runtime.room import Room
    from producers.publisher import Publisher


class Reminders:
    """The deadlines of the rooms of one owner, as far as its claims go."""

    def __init__(self, rooms: Sequence[Room[Any]], claims: Mapping[int, HostedPartition], publisher: Publisher) -> None:
        self._rooms = rooms
        self._claims = claims
        self._publisher = publisher

    async def append(self) -> None:
        """Append what is due now."""
        now_ms = _now_ms()
        reminders = [
            outgoing(message, partition=claim.partition)
            for room, claim in self._by_room()
            if (message := room.reminder(claim.state, now_ms)) is not None
        ]
        if reminders:
            await self._publisher.publish(reminders)

    def next_in_seconds(self) -> float:
        """Return how long until the next one may be due; infinite where none is to come before more is decided."""
        due_ms = [due for room, claim in self._by_room() if (due := room.next_reminder_ms(claim.state)) is not None]
        return (min(due_ms) - _now_ms()) / 1000 if due_ms else math.inf

    def _by_room(self) -> Iterator[tuple[Room[Any], Claim[Any]]]:
        for hosted in self._claims.values():
            pairs = zip(self._rooms, hosted.claims, strict=True)
            yield from ((room, claim) for room, claim in pairs if not claim.is_paused)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
