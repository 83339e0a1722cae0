"""How many partitions of each topic are in use, as it is recorded in the database (topology/copartitioning.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.postgres.queries import QUERIES
from topology.copartitioning import partitions_in_use
from topology.topics import CO_PARTITIONED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg


async def recorded_partitions(connection: asyncpg.Connection) -> dict[str, int]:
    """Return what is recorded, by plain topic name."""
    return {row["topic"]: row["partitions"] for row in await connection.fetch(QUERIES["partitions_in_use"])}


async def order_partitions(
    connection: asyncpg.Connection, actual: Mapping[str, int], namespace: str = ""
) -> dict[str, int]:
    """Return how many partitions of each order.* topic are in use; record what the topics have where nothing is recorded.

    `actual` has the partitions of each topic by its plain name. Raises CoPartitioningError.
    """
    recorded = await recorded_partitions(connection)
    known = [recorded[topic.name] for topic in CO_PARTITIONED if topic.name in recorded]
    in_use = partitions_in_use(actual, min(known, default=None), namespace)
    for topic in CO_PARTITIONED:
        if topic.name not in recorded:
            await connection.execute(QUERIES["first_generation"], topic.name, in_use)
    return {topic.name: in_use for topic in CO_PARTITIONED}
