"""The lowest append time that an undecided record may have: ids are judged by it, so nothing older may be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.runtime.postgres.sql import load_queries
from infra.base.rooms import bookkeepers

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
    next_offsets: Sequence[int]
    at_ms: int


async def log_ends(log: Log) -> Offsets:
    """Return where every topic that a room decides ends."""
    topics = {topic.name: topic for room in bookkeepers() for topic in room.sources}
    return {name: await log.ends(topic) for name, topic in topics.items()}


async def log_begins(log: Log) -> Offsets:
    """Return where every topic that a room decides begins."""
    topics = {topic.name: topic for room in bookkeepers() for topic in room.sources}
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
    claimed = {(it.room, it.partition): it for it in claims}
    found = now_ms
    for room in bookkeepers():
        sources = [ends[topic.name] for topic in room.sources]
        # A topic that got more partitions by hand than the others has a surplus that is not in use.
        for partition, its_ends in enumerate(zip(*sources, strict=False)):
            claim = claimed.get((room.name, partition))
            decided = claim.next_offsets if claim is not None else [0] * len(its_ends)
            if any(offset < end for offset, end in zip(decided, its_ends, strict=True)):
                found = min(found, claim.at_ms if claim is not None else 0)
    return found
