"""What went wrong with the servers of late, and may still show in orders: a database that went back, topics that grew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.ops.overdue.orders import QUERIES, Stuck
from topology.topics import CO_PARTITIONED, log_read_by

if TYPE_CHECKING:
    import asyncpg

    from infra.ops.log import Log

SHOWN_MS: Final = 24 * 60 * 60 * 1000
"""How long a database that went back is shown after everything is decided again."""


async def older_database(connection: asyncpg.Connection, now_ms: int) -> list[Stuck]:
    """Return the partitions whose position was found behind the one that Kafka was given, within the last day."""
    return [_went_back(*row) for row in await connection.fetch(QUERIES["went_back"], now_ms - SHOWN_MS)]


def _went_back(room: str, partition: int, reached: int, up_to: int, since_ms: int) -> Stuck:
    left = f"{up_to - reached:,} records of {log_read_by(room).name}/{partition}" if reached < up_to else ""
    return Stuck(
        None,
        "database",
        "went_back",
        f"{room} to decide {left} again" if left else f"nobody: {room} has decided partition {partition} again",
        since_ms,
        None,
        "`lastunit verify` once all is decided; docs/guides/outages.md, 'A database that went back'",
        [],
        "PostgreSQL was restored to an older state, or lost its last commits",
    )


async def unused_partitions(log: Log, now_ms: int) -> list[Stuck]:
    """Return the order.* topics with records in partitions that no room reads."""
    counts = {topic: await log.unused_records(topic) for topic in CO_PARTITIONED}
    return [
        Stuck(
            None,
            "partition",
            "unused",
            f"somebody to publish {records:,} records of {topic.name} again",
            now_ms,
            None,
            "publish them to the partitions in use: `lastunit topology check` names them",
            [],
            f"{topic.name} got more partitions than orders are keyed by, and a producer uses them",
        )
        for topic, records in counts.items()
        if records
    ]
