"""The embedded stack that a benchmark has for itself: fsync on, data made anew, nothing shared with a running system."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from infra.base.endpoints import Endpoints
from infra.base.logs import configure
from infra.base.migrate import migrate
from infra.base.settings import PREFIX, Settings, load_settings
from infra.local.stack import Stack, embedded_stack, progress_for
from tests.benchmarks.harness.options import ROOT
from tests.harness.waiting import until
from topology import admin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.harness.options import Options
    from topology.topics import Topic

READY_SECONDS: Final = 30.0
_KEPT: Final = {PREFIX + "CACHE_DIR"}
_ADDRESSES: Final = {PREFIX + name.upper() for name in Endpoints.__dataclass_fields__}


class Servers:
    """Kafka, PostgreSQL and Valkey, with what a lane needs made on request; all names in them begin with `prefix`."""

    def __init__(self, stack: Stack, postgres: asyncpg.Connection, prefix: str = "") -> None:
        self.prefix = prefix
        self.stack = stack
        self.settings = stack.endpoints.applied_to(stack.settings)
        self.postgres = postgres

    @property
    def bootstrap(self) -> str:
        return self.stack.endpoints.kafka_bootstrap

    @property
    def redis_url(self) -> str:
        return self.stack.endpoints.redis_url

    async def empty_database(self, name: str) -> str:
        """Return the DSN of a new, empty database."""
        await self.postgres.execute(f'CREATE DATABASE "{self.prefix}{name}"')
        return f"{self.stack.endpoints.postgres_dsn.rpartition('/')[0]}/{self.prefix}{name}"

    async def shop(self, name: str, **changes: Any) -> Settings:
        """Return settings of a new system of ours: all topics, all tables."""
        update = {"namespace": f"{self.prefix}{name}.", "postgres_dsn": await self.empty_database(name), **changes}
        settings = self.settings.model_copy(update=update)
        await admin.apply(
            self.bootstrap,
            namespace=settings.namespace,
            partitions=settings.partitions,
            expected_cluster_id=settings.cluster_id,
        )
        await migrate(settings.postgres_dsn or "")
        return settings

    async def topics(self, namespace: str, topics: Sequence[Topic]) -> None:
        """Create some of our topics, as they are declared, in a namespace of their own."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await client.start()
        try:
            new = [
                NewTopic(
                    topic.in_namespace(namespace), self.settings.partitions, 1, topic_configs=topic.kafka_configs()
                )
                for topic in topics
            ]
            for name, code, message in (await client.create_topics(new)).topic_errors:
                if code:
                    raise for_code(code)(f"{name}: {message}")
            names = [topic.in_namespace(namespace) for topic in topics]
            await until(lambda: _all_led(client, names), seconds=READY_SECONDS)
        finally:
            await client.close()

    async def settle(self) -> None:
        """Write out what the last lane left dirty, so that the next one does not pay for it."""
        await self.postgres.execute("CHECKPOINT")

    async def wal_bytes(self) -> int:
        """Return how many bytes of WAL were written since the server was made."""
        return int(await self.postgres.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))


@asynccontextmanager
async def running_servers(options: Options) -> AsyncIterator[Servers]:
    """Run a stack with new data in the benchmark's folder for the length of the block, or connect to the given one."""
    kept = _KEPT | _ADDRESSES if options.given_servers else _KEPT
    for name in set(os.environ) - kept:
        if name.startswith(PREFIX):  # a developer's own settings must not change what is measured
            del os.environ[name]
    configure("warning", "console", sys.stderr, {})
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains while new topics find their leaders
    folder = options.folder / "stack"
    shutil.rmtree(folder, ignore_errors=True)
    given = {"partitions": options.partitions} if options.partitions else {}
    settings = load_settings(state_dir=folder, log_format="json", **given)
    async with embedded_stack(settings, progress_for()) as stack:
        postgres = await asyncpg.connect(stack.endpoints.postgres_dsn)
        try:
            yield Servers(stack, postgres, f"bench{secrets.token_hex(4)}-" if options.given_servers else "")
        finally:
            await postgres.close()
    shutil.rmtree(folder, ignore_errors=True)


async def _all_led(client: Any, names: Sequence[str]) -> bool:
    """Tell whether every partition of these topics has a leader."""
    described = await client.describe_topics(names)
    return all(not topic["error_code"] and all(p["leader"] >= 0 for p in topic["partitions"]) for topic in described)


def environment(settings: Settings | None = None) -> Mapping[str, str]:
    """Return the whole environment of a lane's process: the code beside this file, none of the baselines' packages."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **(settings.environment() if settings else {})}
