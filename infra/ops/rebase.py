"""Accepts a log that was moved or mirrored: the positions in the database go on to mean what they meant.

A claim names the cluster and the topic that its position belongs to. After a move both are others; that the records are
the same is recognised by the last record that was decided of each partition, whose digest stands in the claim: at its offset the
new log must have the very same record. Offsets, append times, keys, values and headers all count, since decisions, ids and
deadlines derive from them. A mirror that numbers records anew is another log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from consumers.runtime.log_identity import record_digest
from infra.base.errors import InfraError
from topology.topics import log_read_by

if TYPE_CHECKING:
    import asyncpg

    from consumers.runtime.log_identity import LogIdentity
    from infra.ops.log import Log
    from topology.topics import Topic

_CLAIMS: Final = "SELECT room, partition, next_offsets[1], last_records[1] FROM claims ORDER BY room, partition"
_ACCEPT: Final = "UPDATE claims SET cluster_id = $2, topic_ids = ARRAY[$3::text], epoch = epoch + 1 WHERE room = $1"
"""The epoch too: whoever still decides the earlier log is fenced."""


class RebaseRefusedError(InfraError):
    """The new log is not the one that was decided; nothing was changed."""


class RebasePlan(msgspec.Struct):
    """What is about to happen.

    `verified` counts positions whose last record is the same, `at_the_beginning` those before any record; `unverified`
    names those of which no digest is known, and `refused` is why a position must not be accepted.
    """

    identities: dict[str, LogIdentity]
    verified: int = 0
    at_the_beginning: int = 0
    unverified: list[str] = []
    refused: list[str] = []


async def plan_rebase(database: asyncpg.Connection, log: Log) -> RebasePlan:
    """Compare the last record decided of each partition with the log's. Changes nothing. Raises InfraError."""
    rows = await database.fetch(_CLAIMS)
    plan = RebasePlan({room: await log.identity(log_read_by(room)) for room in {row["room"] for row in rows}})
    ends: dict[Topic, list[int]] = {}
    for room, partition, position, last in rows:
        topic = log_read_by(room)
        if topic not in ends:
            ends[topic] = await log.ends(topic)
        end = ends[topic][partition] if partition < len(ends[topic]) else 0
        where = f"{room} at {position} of {topic.name}/{partition}"
        if position > end:
            plan.refused.append(f"{where}: the log ends at {end}")
        elif not position:
            plan.at_the_beginning += 1
        elif not last:
            plan.unverified.append(where)
        elif (digest := await _digest_at(log, topic, partition, last)) != last:
            plan.refused.append(f"{where}: {'another record stands' if digest else 'no record stands'} before it")
        else:
            plan.verified += 1
    return plan


async def accept_log(database: asyncpg.Connection, plan: RebasePlan, *, unverified_too: bool = False) -> None:
    """Have the claims name the new log, all or none. Raises RebaseRefusedError."""
    if plan.refused:
        raise RebaseRefusedError(
            "This is another log than the one that was decided:\n  "
            + "\n  ".join(plan.refused)
            + "\nNothing was changed. Mirror it with offsets and append times as they are, or begin with an empty database."
        )
    if plan.unverified and not unverified_too:
        raise RebaseRefusedError(
            "Of these positions no digest is known, as nothing was decided there since the release that keeps them:\n  "
            + "\n  ".join(plan.unverified)
            + "\nNothing was changed. If you are sure of them, add --accept-unverified."
        )
    async with database.transaction():
        for room, identity in plan.identities.items():
            await database.execute(_ACCEPT, room, *identity)


async def _digest_at(log: Log, topic: Topic, partition: int, last: str) -> str | None:
    """Return the digest of the record that stands where the last decided one stood; None where none does."""
    offset = int(last.partition(":")[0])
    async for records in log.read(topic, partition, offset + 1, start=offset):
        for record in records:
            return record_digest(record)
    return None
