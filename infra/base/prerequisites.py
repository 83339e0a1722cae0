"""What a room's process needs before it can work: servers that answer, topics and tables of this release.

None of it is a reason to end: whoever starts before its servers, or before somebody applied topics and tables, waits. Only
what no waiting mends is raised: another cluster than the configured one, an address that cannot be read, order.* topics
that lack partitions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from consumers.runtime.postgres.database import is_outage
from infra.base.errors import SettingsError
from infra.base.migrate import MIGRATIONS, read_migrations
from infra.base.partitions import fixed_partitions
from infra.base.schema_registry import require_own_ids
from infra.base.settings import PREFIX, redacted
from producers.outage import Outage
from topology import admin
from topology.errors import KafkaUnreachableError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from infra.base.settings import Settings
    from producers.outage import Readiness

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS: Final = 2.0
CONNECT_SECONDS: Final = 10.0
TOPICS: Final = "topics"
TABLES: Final = "tables"


async def until_possible(settings: Settings, needs: Collection[str], readiness: Readiness) -> dict[str, int]:
    """Wait until a process with these `needs` (settings that name servers) can work.

    Return how many partitions are in use of the topics whose number is fixed, by plain topic name; nothing for a process
    without a database. Raises ClusterMismatchError, CoPartitioningError, SettingsError.
    """
    if settings.schema_registry_url:
        await require_own_ids(settings.schema_registry_url)
    actual = await _until_topics(settings, readiness)
    return await _until_tables(settings, actual, readiness) if "postgres_dsn" in needs else {}


async def _until_topics(settings: Settings, readiness: Readiness) -> dict[str, int]:
    """Wait until every topic is there and takes what is lawful; return the partitions of each, by plain name."""
    kafka, bootstrap = Outage("Kafka", readiness), settings.kafka_bootstrap or ""
    while True:
        try:
            differences = await admin.diff(
                bootstrap,
                namespace=settings.namespace,
                partitions=settings.partitions,
                expected_cluster_id=settings.cluster_id,
            )
            actual = await admin.partitions_of(bootstrap, settings.namespace)
        except KafkaUnreachableError as error:
            await kafka.wait(error.__cause__ or error, "topics")
            continue
        kafka.ended("topics")
        lacking = [*(f"{missing.topic} is missing" for missing in differences.missing), *differences.too_small()]
        if not lacking:
            readiness.cleared(TOPICS)
            return actual
        _report(readiness, TOPICS, f"{'; '.join(lacking)}; run `lastunit topology apply`")
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _until_tables(settings: Settings, actual: Mapping[str, int], readiness: Readiness) -> dict[str, int]:
    """Wait until the tables are those of this release; return the partitions in use."""
    dsn, postgres = settings.postgres_dsn or "", Outage("PostgreSQL", readiness)
    newest = read_migrations(MIGRATIONS)[-1].name
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
            try:
                if await _has_applied(connection, newest):
                    in_use = await fixed_partitions(connection, actual, settings.namespace)
                    break
            finally:
                await connection.close()
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise SettingsError(f"{PREFIX}POSTGRES_DSN cannot be used: {redacted(str(error))}") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            if not is_outage(error):
                raise
            await postgres.wait(error, "tables")
            continue
        postgres.ended("tables")
        _report(readiness, TABLES, f"the database has not applied {newest}; `lastunit up` of this release applies it")
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    postgres.ended("tables")
    readiness.cleared(TABLES)
    return in_use


async def _has_applied(connection: asyncpg.Connection, migration: str) -> bool:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return False
    return bool(await connection.fetchval("SELECT 1 FROM schema_migrations WHERE name = $1", migration))


def _report(readiness: Readiness, obstacle: str, reason: str) -> None:
    if readiness.obstacles.get(obstacle) != reason:
        readiness.blocked(obstacle, reason)
        log.warning("waits", obstacle=obstacle, reason=reason)
