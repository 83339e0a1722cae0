"""Pauses a room or one partition of it, and lets it go on: a row that its owners read, noted on operator.actions before.

A note without an effect is harmless, an effect without a note is not.

Decisions: docs/decisions, 045.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from infra.base.connections import database, kafka_publisher
from infra.base.errors import InfraError
from infra.base.rooms import ROOMS
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from schemas.messages import OperatorAction
from topology.topics import OPERATOR_ACTIONS, log_read_by

if TYPE_CHECKING:
    import asyncpg

    from infra.base.settings import Settings

PAUSE: Final = "pause_room"
RESUME: Final = "resume_room"

_LIST: Final = "SELECT room, partition, by_whom, why, paused_at FROM pauses ORDER BY room, partition NULLS FIRST"
_PAUSE: Final = """
INSERT INTO pauses (room, partition, by_whom, why) VALUES ($1, $2, $3, $4)
ON CONFLICT (room, coalesce(partition, -1)) DO UPDATE SET by_whom = $3, why = $4, paused_at = now()
"""
_RESUME: Final = "DELETE FROM pauses WHERE room = $1 AND ($2::integer IS NULL OR partition = $2)"


class UnusablePauseError(InfraError):
    """What is to be paused or resumed is not there; the text is for whoever asked."""


class Place(msgspec.Struct, frozen=True):
    """A room, or one partition of it."""

    room: str
    partition: int | None = None

    @property
    def text(self) -> str:
        """As in `payments` and `payments/3`."""
        return self.room if self.partition is None else f"{self.room}/{self.partition}"

    @property
    def subject(self) -> str:
        """How operator.actions names it."""
        return f"room/{self.text}"

    @classmethod
    def of(cls, text: str) -> Place:
        """Read what `text` gives. Raises UnusablePauseError."""
        room, slash, partition = text.partition("/")
        if room not in ROOMS:
            raise UnusablePauseError(f"{room[:40]!r} is not one of the rooms {', '.join(ROOMS)}.")
        if slash and not (partition.isascii() and partition.isdecimal() and len(partition) < 6):  # noqa: PLR2004
            raise UnusablePauseError(f"{partition[:40]!r} is no partition.")
        return cls(room, int(partition) if slash else None)


class Pause(msgspec.Struct, frozen=True):
    """A pause that stands; `at_ms` is in ms since the epoch, UTC."""

    room: str
    partition: int | None
    by: str
    why: str
    at_ms: int

    @property
    def place(self) -> Place:
        """What is paused."""
        return Place(self.room, self.partition)


async def read_pauses(connection: asyncpg.Connection) -> list[Pause]:
    """Return all pauses that stand."""
    return [
        Pause(row["room"], row["partition"], row["by_whom"], row["why"], round(row["paused_at"].timestamp() * 1000))
        for row in await connection.fetch(_LIST)
    ]


async def pause(settings: Settings, place: Place, *, by: str, why: str) -> None:
    """Have nothing more decided there after the batch in hand. Raises UnusablePauseError, InfraError, PublishError."""
    async with kafka_publisher(settings) as publisher, database(settings) as connection:
        partitions = await publisher.partitions_of(log_read_by(place.room).name)
        if place.partition is not None and place.partition >= partitions:
            raise UnusablePauseError(f"{place.room} has the partitions 0 to {partitions - 1}.")
        await publisher.publish([_note(place, PAUSE, by, why)])
        await connection.execute(_PAUSE, place.room, place.partition, by, why)


async def resume(settings: Settings, place: Place, *, by: str, why: str) -> None:
    """Let it go on; a room with all its partitions. Raises UnusablePauseError where it is not paused, InfraError, PublishError."""
    async with kafka_publisher(settings) as publisher, database(settings) as connection:
        of_room = [each for each in await read_pauses(connection) if each.room == place.room]
        if place.partition is not None and not any(each.partition == place.partition for each in of_room):
            whole = " by itself; the whole room is: resume that" if of_room and of_room[0].partition is None else ""
            raise UnusablePauseError(f"{place.text} is not paused{whole}.")
        if not of_room:
            raise UnusablePauseError(f"{place.text} is not paused.")
        await publisher.publish([_note(place, RESUME, by, why)])
        await connection.execute(_RESUME, place.room, place.partition)


def _note(place: Place, action: str, by: str, why: str) -> Outgoing:
    note = OperatorAction(place.subject, action, by, why, place.text)
    return Outgoing(OPERATOR_ACTIONS.name, BY_KEY, place.subject.encode(), encode(note))
