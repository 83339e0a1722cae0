"""How many partitions of each topic are in use, as it is recorded in the database (topology/copartitioning.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.postgres.queries import QUERIES
from topology.copartitioning import partitions_in_use

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg


async def recorded_partitions(connection: asyncpg.Connection) -> dict[str, int]:
    """Return what is recorded, by plain topic name."""
    return {row["topic"]: row["partitions"] for row in await connection.fetch(QUERIES["partitions_in_use"])}


async def fixed_partitions(
    connection: asyncpg.Connection, actual: Mapping[str, int], namespace: str = ""
) -> dict[str, int]:
    """Return how many partitions are in use of each topic whose number is fixed; record what is not recorded yet.

    All by plain topic names; `actual` has the partitions in Kafka. Raises CoPartitioningError.
    """
    recorded = await recorded_partitions(connection)
    in_use = partitions_in_use(actual, recorded, namespace)
    for topic, partitions in in_use.items():
        if topic not in recorded:
            await connection.execute(QUERIES["first_generation"], topic, partitions)
    return in_use
