"""The lanes that are not ours: each a program in tests/benchmarks/baselines, with its stock where it keeps it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import asyncpg
from redis.asyncio import Redis
from typing_extensions import override

from schemas.codec.native import VARIABLE as CODEC_VARIABLE
from tests.benchmarks.baselines.redis_lua import BOOKS, available_key, holds_key
from tests.benchmarks.baselines.source import TOGETHER
from tests.benchmarks.baselines.task import Task
from tests.benchmarks.harness.lanes import Books, Lane
from tests.benchmarks.harness.options import FOLDER, ROOT
from tests.benchmarks.harness.servers import environment
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.stack import ChildProcess
    from tests.benchmarks.harness.servers import Servers
    from topology.topics import Topic

Tunable = Literal["connections", "together", "processes", "relay_pause_ms"]
RELAY_PAUSE_MS: Final = 20
"""Served throughput best where it was tried, see baselines/relay.py."""
NPM: Final = FOLDER / "npm"
_TABLES: Final = ROOT / "tests" / "benchmarks" / "baselines" / "tables.sql"


class Baseline(Lane):
    """A baseline's process. What the harness tunes (see `Task`) may be changed between trials.

    `tuned`: the settings of which it gets the value that serves it best. `reads` is the topic on which it finds its orders.
    """

    tuned: tuple[Tunable, ...] = ("connections",)
    reads: Topic = INVENTORY_COMMANDS

    def __init__(self, name: str, servers: Servers, program: str, *, variant: str = "") -> None:
        super().__init__(name, servers)
        self.program = program
        self.variant = variant
        self.connections = 8
        self.together = TOGETHER
        self.processes = 1
        self.processor_ms = 0.0
        self.relay_pause_ms = RELAY_PAUSE_MS
        self.codec = "auto"
        self.postgres_dsn = ""

    @property
    def state_dir(self) -> Path:
        """Where the latest process may leave files."""
        return self.servers.settings.state_dir / "lanes" / f"{self.name}-{self.started}"

    @override
    async def open(self) -> None:
        await self.servers.topics(self.namespace, (self.reads, ORDER_EVENTS))

    @override
    def command(self) -> list[str]:
        launcher = [] if self.processes == 1 else ["tests.benchmarks.baselines.several"]
        program = self.program if launcher else f"tests.benchmarks.baselines.{self.program}"
        return [sys.executable, "-m", *launcher, program]

    @override
    def environment(self) -> Mapping[str, str]:
        task = Task(
            kafka_bootstrap=self.servers.bootstrap,
            postgres_dsn=self.postgres_dsn,
            redis_url=self.servers.redis_url,
            namespace=self.namespace,
            variant=self.variant,
            connections=self.connections,
            together=self.together,
            processes=self.processes,
            partitions=self.servers.settings.partitions,
            processor_ms=self.processor_ms,
            relay_pause_ms=self.relay_pause_ms,
            state_dir=str(self.state_dir),
        )
        packages = os.environ.get("PYTHONPATH", "")
        return {**environment(), **task.environment(), "PYTHONPATH": packages, CODEC_VARIABLE: self.codec}


class PostgresBaseline(Baseline):
    """Stock, holds and outbox in a PostgreSQL database of its own, which is made of `tables`."""

    tables = _TABLES

    @override
    async def open(self) -> None:
        await super().open()
        self.postgres_dsn = await self.servers.empty_database(self.name)
        connection = await asyncpg.connect(self.postgres_dsn)
        try:
            await connection.execute(self.tables.read_text())
        finally:
            await connection.close()

    @override
    async def receive(self, units: Mapping[str, int]) -> None:
        self.received += sum(units.values())
        connection = await asyncpg.connect(self.postgres_dsn)
        try:
            if self.variant == "skip_locked":
                await connection.executemany(_RECEIVE_UNITS, units.items())
            else:
                await connection.execute(_RECEIVE, list(units), list(units.values()))
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    @override
    async def books(self) -> Books:
        connection = await asyncpg.connect(self.postgres_dsn)
        try:
            row = await connection.fetchrow(_BOOKS_OF_UNITS if self.variant == "skip_locked" else _BOOKS)
        finally:
            await connection.close()
        return Books(**dict(row or {}))


class RedisBaseline(Baseline):
    """Stock, holds and outbox in Valkey. The append-only file's policy is set for the length of each process."""

    tuned = ()  # a pipeline needs one connection

    def __init__(self, name: str, servers: Servers, *, appendfsync: str) -> None:
        super().__init__(name, servers, "redis_lua", variant=appendfsync)

    @override
    async def start(self) -> ChildProcess:
        async with Redis.from_url(self.servers.redis_url) as redis:
            await redis.config_set("appendfsync", self.variant)
        return await super().start()

    @override
    async def receive(self, units: Mapping[str, int]) -> None:
        self.received += sum(units.values())
        async with Redis.from_url(self.servers.redis_url) as redis, redis.pipeline(transaction=False) as pipeline:
            for sku, count in units.items():
                pipeline.incrby(available_key(self.namespace, sku), count)
            await pipeline.execute()

    @override
    async def books(self) -> Books:
        async with Redis.from_url(self.servers.redis_url) as redis:
            available, holds, unpublished = await redis.eval(BOOKS, 1, holds_key(self.namespace), self.namespace)
        return Books(self.received, self.received - available, holds, unpublished)


class RestateBaseline(Baseline):
    """Stock and holds as the state of a Restate object; every process begins with an empty Restate."""

    def __init__(self, name: str, servers: Servers, server: Path, *, in_javascript: bool = False) -> None:
        super().__init__(name, servers, "restate_object")
        self._server = server
        self._npm = str(NPM) if in_javascript else ""

    @override
    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "BENCH_RESTATE_SERVER": str(self._server), "BENCH_NPM": self._npm}

    @override
    async def receive(self, units: Mapping[str, int]) -> None:
        (opening,) = set(units.values())
        self.variant = json.dumps({"units": opening})
        self.received = sum(units.values())

    @override
    async def start(self) -> ChildProcess:
        self.sold = 0
        return await super().start()

    @override
    async def books(self) -> Books:
        document = json.loads((self.state_dir / "books.json").read_text())
        return Books(self.received, document["sold"], document["holds"])


def restate_server() -> Path | None:
    """Return the program that make fetched, or None."""
    return next((NPM / "node_modules" / "@restatedev").glob("restate-server-*/bin/restate-server"), None)


_RECEIVE: Final = """
INSERT INTO stock AS s (sku, on_hand) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (sku) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand
"""
_RECEIVE_UNITS: Final = "INSERT INTO units (sku) SELECT $1 FROM generate_series(1, $2::bigint)"
_BOOKS: Final = """
SELECT (SELECT coalesce(sum(on_hand), 0)::bigint FROM stock) AS received,
       (SELECT coalesce(sum(reserved), 0)::bigint FROM stock) AS sold,
       (SELECT count(*) FROM holds) AS holds,
       (SELECT count(*) FROM outbox) AS unpublished
"""
_BOOKS_OF_UNITS: Final = """
SELECT (SELECT count(*) FROM units) AS received,
       (SELECT count(*) FROM units WHERE order_id IS NOT NULL) AS sold,
       (SELECT count(*) FROM holds) AS holds,
       (SELECT count(*) FROM outbox) AS unpublished
"""
