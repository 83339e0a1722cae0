"""The one statement that makes a batch durable, and what to believe when its answer is lost.

Decision: docs/decisions, 002.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from consumers.errors import FencedError
from consumers.runtime.postgres.database import ConnectionLostError, Database
from consumers.runtime.postgres.queries import QUERIES
from consumers.runtime.postgres.sql import array_literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.deciding.batch import PartitionBatch
    from consumers.runtime.room import Room

FENCED_SQLSTATE: Final = "LU001"
_PARAMETER: Final = re.compile(r"\$(\d+)")


def commit_statement(room: Room[Any]) -> str:
    """Return the fenced statement with the room's own changes in it."""
    save = f",\n{room.save}" if room.save else ""
    parameters = {int(number) for number in _PARAMETER.findall(QUERIES["commit"] + save)}
    last = max(parameters)
    statement = QUERIES["commit"].replace("{save}", save)
    return statement.replace("{last_records}", f"${last + 1}").replace("{rules_versions}", f"${last + 2}")


async def commit(database: Database, room: Room[Any], statement: str, parts: Sequence[PartitionBatch[Any]]) -> None:
    """Make the parts durable, all or none.

    The steps of one commit; 1 to 5 are one autocommit statement (queries.sql, `commit`):

    1. compare and set: epoch and position of each claim must be those that the batch was decided from;
    2. `guard` raises unless every claim was: then another process owns a partition, and nothing below is applied;
    3. the outputs become one outbox row for each partition;
    4. what was read in which order is recorded, for a room with several topics;
    5. the room's own rows change (`Room.save`), each behind `guard`;
    6. an answer that was lost is looked up by the position in the database, and the statement sent again if it did not apply;
    7. what follows is the caller's: claims become durable, effects start, outputs are published (outbox.py).

    An outage of the server is waited out. Raises FencedError with the partitions that belong to another process (then
    nothing was applied), or what PostgreSQL answers about the data (asyncpg.IntegrityConstraintViolationError: then nothing
    was applied either).
    """
    arguments = _arguments(room, parts)
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
                return
            # What fenced us may be our own earlier sending, which was still being carried out when we looked.
            if await _took_effect(database, room, parts):
                return
    finally:
        database.outage.ended("commit")


async def _took_effect(database: Database, room: Room[Any], parts: Sequence[PartitionBatch[Any]]) -> bool:
    """Tell whether the positions are the batch's already. Raises FencedError for partitions with another owner."""
    partitions = [part.claim.partition for part in parts]
    rows = await _positions(database, room.name, partitions)
    found = {row["partition"]: (row["epoch"], list(row["next_offsets"])) for row in rows}
    wanted = {part.claim.partition: (part.claim.epoch, part) for part in parts}
    lost = [p for p, (epoch, part) in wanted.items() if not _is_ours(found.get(p), epoch, part)]
    if lost:
        raise FencedError(room.name, lost)
    return all(found[p][1] == part.new_offsets for p, (_, part) in wanted.items())


async def _positions(database: Database, room: str, partitions: list[int]) -> list[Any]:
    """Read on the connection of commits, which are still failing: their outage is not over with this."""
    while True:
        try:
            return await database.run("commit", lambda c: c.fetch(QUERIES["positions"], room, partitions))
        except ConnectionLostError as lost:
            await database.outage.wait(lost.cause, "commit")


def _is_ours(found: tuple[int, list[int]] | None, epoch: int, part: PartitionBatch[Any]) -> bool:
    return found is not None and found[0] == epoch and found[1] in (part.old_offsets, part.new_offsets)


def _arguments(room: Room[Any], parts: Sequence[PartitionBatch[Any]]) -> list[Any]:
    many_sources = len(room.sources) > 1
    fence: list[Any] = [
        room.name,
        [part.claim.partition for part in parts],
        [part.claim.epoch for part in parts],
        [_array(part.old_offsets) for part in parts],
        [_array(part.new_offsets) for part in parts],
        [part.at_ms for part in parts],
        [part.batch for part in parts],
        [msgspec.msgpack.encode(part.outputs) if part.outputs else None for part in parts],
        [_array(part.ranges) if many_sources else None for part in parts],
    ]
    last = [[array_literal(part.last_records) for part in parts], [part.rules_version for part in parts]]
    if len(parts) == 1:
        return [*fence, *map(array_literal, parts[0].changes.columns), *last]
    joined = zip(*(part.changes.columns for part in parts), strict=True)
    columns = (array_literal([value for part in column for value in part]) for column in joined)
    return [*fence, *columns, *last]


def _array(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
