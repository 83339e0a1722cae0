"""The one statement that makes a batch durable, and what to believe when its answer is lost.

Decisions: docs/decisions, 002, 042, 056.
"""

from __future__ import annotations

import re
import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from consumers.errors import FencedError
from consumers.runtime.postgres.database import ConnectionLostError, Database
from consumers.runtime.postgres.queries import QUERIES
from consumers.runtime.postgres.sql import array_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from consumers.runtime.deciding.batch import PartitionBatch
    from consumers.runtime.room import Room

FENCED_SQLSTATE: Final = "LU001"
_PARAMETER: Final = re.compile(r"\$(\d+)")
_ID_LENGTH: Final = 36
_FENCE: Final = 8
"""Parameters of the statement before those of the rooms."""
_FIRST_OF_A_ROOM: Final = 10
"""The number from which each room counts its own."""


@cache
def commit_statement(saves: tuple[str, ...]) -> str:
    """Return the fenced statement with the changes of some rooms in it (`Room.save` of each)."""
    changes, last = [], _FENCE
    for save in saves:
        named = [int(number) for number in _PARAMETER.findall(save)]
        changes.append(_shifted(save, last + 1 - _FIRST_OF_A_ROOM))
        last += max(named, default=_FIRST_OF_A_ROOM - 1) - (_FIRST_OF_A_ROOM - 1)
    statement = QUERIES["commit"].replace("{saves}", "".join(f",\n{each}" for each in changes))
    statement = statement.replace("{last_records}", f"${last + 1}").replace("{rules_versions}", f"${last + 2}")
    return statement.replace("{first_id}", f"${last + 3}::text::uuid").replace("{last_id}", f"${last + 4}::text::uuid")


def _shifted(save: str, by: int) -> str:
    return _PARAMETER.sub(lambda number: f"${int(number[1]) + by}", save)


async def commit(
    database: Database, statement_of: Callable[[tuple[str, ...]], str], parts: Sequence[PartitionBatch[Any]]
) -> float:
    """Make the parts of all rooms durable, all or none, and return how long it took, s. `statement_of` is `commit_statement`.

    The steps of one commit; 1 to 4 are one autocommit statement (queries.sql, `commit`):

    1. compare and set: epoch and position of each claim must be those that the batch was decided from;
    2. `guard` raises unless every claim was: then another process owns a partition, and nothing below is applied;
    3. the outputs become one outbox row for each room and partition;
    4. the rooms' own rows change (`Room.save`), each behind `guard`; a room without changes is left out of the statement;
    5. an answer that was lost is looked up by the position in the database, and the statement sent again if it did not apply;
    6. what follows is the caller's: claims become durable, effects start, outputs are published (outbox.py).

    An outage of the server is waited out. Raises FencedError with the partitions that belong to another process (then
    nothing was applied), or what PostgreSQL answers about the data (asyncpg.IntegrityConstraintViolationError: then nothing
    was applied either).
    """
    began = time.perf_counter()
    saving = _rooms_with_changes(parts)
    statement = statement_of(tuple(room.save for room in saving))
    arguments = _arguments(saving, parts)
    try:
        while True:
            try:
                await database.run("commit", lambda connection: connection.fetchval(statement, *arguments))
            except ConnectionLostError as lost:
                await database.outage.wait(lost.cause, "commit")
            except asyncpg.PostgresError as error:
                if error.sqlstate != FENCED_SQLSTATE:
                    raise
            else:
                return time.perf_counter() - began
            # What fenced us may be our own earlier sending, which was still being carried out when we looked.
            if await _took_effect(database, parts):
                return time.perf_counter() - began
    finally:
        database.outage.ended("commit")


async def _took_effect(database: Database, parts: Sequence[PartitionBatch[Any]]) -> bool:
    """Tell whether the positions are the batch's already. Raises FencedError for partitions with another owner."""
    rows = await _positions(database, parts)
    stored = {(row["room"], row["partition"]): (row["epoch"], row["next_offset"]) for row in rows}
    if lost := _moved_by_others(stored, parts):
        rooms = ", ".join(dict.fromkeys(room for room, _ in lost))
        raise FencedError(rooms, sorted({partition for _, partition in lost}))
    return all(stored[_key(part)][1] == part.new_offset for part in parts)


async def _positions(database: Database, parts: Sequence[PartitionBatch[Any]]) -> list[Any]:
    """Read on the connection of commits, which are still failing: their outage is not over with this."""
    arguments = [part.room.name for part in parts], [part.claim.partition for part in parts]
    while True:
        try:
            return await database.run("commit", lambda c: c.fetch(QUERIES["positions_by_room"], *arguments))
        except ConnectionLostError as lost:
            await database.outage.wait(lost.cause, "commit")


def _moved_by_others(
    stored: Mapping[tuple[str, int], tuple[int, int]], parts: Sequence[PartitionBatch[Any]]
) -> list[tuple[str, int]]:
    """Return the claims, each a room and a partition, that somebody else moved. Pure. `stored` has epoch and position of each.

    The parts are applied together or not at all: where some claims are at their parts' ends and others are not yet, it was not these
    parts that moved them.
    """
    if foreign := [_key(part) for part in parts if not _is_ours(stored.get(_key(part)), part)]:
        return foreign
    moving = [part for part in parts if part.new_offset != part.old_offset]
    ended = [_key(part) for part in moving if stored[_key(part)][1] == part.new_offset]
    return ended if len(ended) < len(moving) else []


def _is_ours(stored: tuple[int, int] | None, part: PartitionBatch[Any]) -> bool:
    return stored is not None and stored[0] == part.claim.epoch and stored[1] in (part.old_offset, part.new_offset)


def _key(part: PartitionBatch[Any]) -> tuple[str, int]:
    return part.room.name, part.claim.partition


def _rooms_with_changes(parts: Iterable[PartitionBatch[Any]]) -> list[Room[Any]]:
    """Return the rooms, each once, that have something to save."""
    return list({part.room.name: part.room for part in parts if any(map(len, part.changes.columns))}.values())


def _arguments(saving: Sequence[Room[Any]], parts: Sequence[PartitionBatch[Any]]) -> list[Any]:
    fence: list[Any] = [
        [part.room.name for part in parts],
        [part.claim.partition for part in parts],
        [part.claim.epoch for part in parts],
        [part.old_offset for part in parts],
        [part.new_offset for part in parts],
        [part.at_ms for part in parts],
        [part.batch for part in parts],
        [msgspec.msgpack.encode(part.outputs) if part.outputs else None for part in parts],
    ]
    columns = [
        array_literal(column)
        for room in saving
        for column in _joined([part for part in parts if part.room.name == room.name])
    ]
    return [
        *fence,
        *columns,
        [part.last_record for part in parts],
        [part.rules_version for part in parts],
        *(_least_and_greatest_id(parts) if any(room.looks_up for room in saving) else ()),
    ]


def _least_and_greatest_id(parts: Sequence[PartitionBatch[Any]]) -> tuple[str | None, str | None]:
    """Return between which order ids the rows lie that the statement looks up, None where it looks none up.

    PostgreSQL then begins to read the few weeks of them alone. By the ids themselves it finds the same rows, but knows the
    weeks only as it goes: it would begin a scan of every week, for each look-up of each batch.
    """
    looked_up = (part.changes.columns[number - _FIRST_OF_A_ROOM] for part in parts for number in part.room.looks_up)
    ends = [end for ids in looked_up if ids for end in (min(ids), max(ids))]
    return (min(ends)[:_ID_LENGTH], max(ends)[:_ID_LENGTH]) if ends else (None, None)


def _joined(parts: Sequence[PartitionBatch[Any]]) -> Iterable[Sequence[Any]]:
    """Join the columns of one room's changes, partition by partition."""
    if len(parts) == 1:
        return parts[0].changes.columns
    joined = zip(*(part.changes.columns for part in parts), strict=True)
    return ([value for part in column for value in part] for column in joined)
