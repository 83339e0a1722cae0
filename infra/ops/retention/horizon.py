"""The lowest append time that an undecided record may have: ids are judged by it, so nothing older may be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.runtime.postgres.sql import load_queries
from infra.base.rooms import bookkeepers
from topology.topics import EARLIER_SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg

    from infra.ops.log import Log

QUERIES: Final = load_queries("infra.ops.retention")

Offsets = dict[str, list[int]]
"""Topic -> one offset for each partition."""


class Position(NamedTuple):
    """How far a room has decided a partition; `at_ms` is the time by which it has judged last."""

    room: str
    partition: int
    next_offset: int
    at_ms: int


async def log_ends(log: Log) -> Offsets:
    """Return where every topic that a room decides ends."""
    return {topic.name: await log.ends(topic) for topic in {room.source for room in bookkeepers()}}


async def log_begins(log: Log) -> Offsets:
    """Return where every topic begins that a room has decided, before there was intake too."""
    topics = {topic.name: topic for sources in EARLIER_SOURCES.values() for topic in sources}
    return {name: await log.begins(topic) for name, topic in topics.items()}


async def positions(connection: asyncpg.Connection) -> list[Position]:
    """Return every claim."""
    return [Position(*row) for row in await connection.fetch(QUERIES["claims"])]


def floor_ms(claims: Iterable[Position], ends: Mapping[str, Sequence[int]], now_ms: int) -> int:
    """Return the lowest append time that an undecided record may have, in ms since the epoch.

    `now_ms` was read before `ends`, and `ends` before the claims: so what came in later is not older than `now_ms`, but for
    the clocks. Where a room lags, it has not judged anything before the time by which it judged last; where it has
    judged nothing yet, nothing is known.
    """
    claimed = {(claim.room, claim.partition): claim for claim in claims}
    lowest_ms = now_ms
    for room in bookkeepers():
        for partition, end in enumerate(ends[room.source.name]):
            claim = claimed.get((room.name, partition))
            if end > (claim.next_offset if claim is not None else 0):
                lowest_ms = min(lowest_ms, claim.at_ms if claim is not None else 0)
    return lowest_ms
