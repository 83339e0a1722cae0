"""A lane: one way to sell stock, with an input and an outcome topic, books of its own, and one process that works."""

from __future__ import annotations

import importlib.util
import sys
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

import asyncpg
import msgspec
from typing_extensions import override

from infra.local.stack import ChildProcess
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher
from tests.benchmarks.harness.options import ROOT
from tests.benchmarks.harness.orders import publish
from tests.benchmarks.harness.outcomes import LaneTopics, lane_topics
from tests.benchmarks.harness.servers import environment
from tests.harness.waiting import until
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.base.settings import Settings
    from tests.benchmarks.harness.orders import Orders
    from tests.benchmarks.harness.servers import Servers

PATIENCE_SECONDS: Final = 60.0


class Books(msgspec.Struct, frozen=True):
    """What a lane's tables say: units that ever came in, units sold, and hold rows (one a sold line here)."""

    received: int
    sold: int
    holds: int
    unpublished: int = 0

    def breaches(self, *, sold: int) -> list[str]:
        """Say what contradicts the outcomes, of which `sold` were sales of one unit each."""
        checks = {
            f"{self.sold} units taken for {sold} sales": self.sold != sold,
            f"{self.holds} holds for {sold} sales": self.holds != sold,
            f"{self.sold} units taken of {self.received}": self.sold > self.received,
            f"{self.unpublished} outcomes left in the outbox": self.unpublished != 0,
        }
        return [what for what, is_so in checks.items() if is_so]


class Lane(ABC):
    """What every lane can do. Its topics, tables and totals last from round to round, its processes do not."""

    def __init__(self, name: str, servers: Servers) -> None:
        self.name = name
        self.servers = servers
        self.namespace = f"{servers.prefix}{name}."
        self.received = 0
        self.sold = 0
        self.publisher = Publisher(servers.bootstrap, namespace=self.namespace)
        self.topics: LaneTopics
        self._resources = AsyncExitStack()
        self.started = 0

    async def __aenter__(self) -> Self:
        await self.open()
        await self._resources.enter_async_context(self.publisher)
        partitions = self.servers.settings.partitions
        topics = lane_topics(self.servers.bootstrap, self.namespace, partitions)
        self.topics = await self._resources.enter_async_context(topics)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    @abstractmethod
    async def open(self) -> None:
        """Make topics and tables."""

    @abstractmethod
    async def receive(self, units: Mapping[str, int]) -> None:
        """Let units come in, by SKU."""

    @abstractmethod
    async def books(self) -> Books:
        """Return what the tables say."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the program that works, and its arguments."""

    def environment(self) -> Mapping[str, str]:
        """Return its environment."""
        return environment()

    async def place(self, orders: Orders) -> None:
        """Put the orders on the input topic."""
        await publish(self.publisher, orders.records)

    async def start(self) -> ChildProcess:
        """Start a process; several may work at the same time where the lane allows that."""
        self.started += 1
        folder = self.servers.settings.state_dir / "lanes"
        log_path = folder / f"{self.name}-{self.started}.log"
        return await ChildProcess.spawn(self.name, self.command(), log_path=log_path, env=self.environment(), cwd=ROOT)

    async def done(self, outcomes: int) -> float:
        """Return how many orders' worth of work is done, where so many outcomes are there."""
        return outcomes

    async def audit(self) -> list[str]:
        """Compare the books with all outcomes so far."""
        return (await self.books()).breaches(sold=self.sold)


class Ours(Lane):
    """The product: `lastunit room inventory`; one that is not `is_metered` counts nothing for Prometheus and serves no metrics."""

    settings: Settings
    is_metered = True

    def __init__(self, name: str, servers: Servers, **settings: object) -> None:
        super().__init__(name, servers)
        self._changes = settings
        self._deliveries = 0

    async def open(self) -> None:
        self.settings = await self.servers.shop(self.name, **self._changes)

    async def receive(self, units: Mapping[str, int]) -> None:
        self._deliveries += 1
        self.received += sum(units.values())
        receipts = receipts_of(f"delivery-{self._deliveries}", units)
        client = StockClient(self.publisher)
        for first in range(0, len(receipts), 10_000):
            await client.receive(receipts[first : first + 10_000])

    def command(self) -> list[str]:
        program = "from infra.cli import main; main()" if self.is_metered else _UNMETERED
        return [sys.executable, "-P", "-c", program, "room", "inventory"]

    def environment(self) -> Mapping[str, str]:
        return environment(self.settings)

    async def books(self) -> Books:
        return Books(**await self.row(_OUR_BOOKS))

    async def row(self, query: str, *arguments: object) -> dict[str, int]:
        """Return the one row of a query on our database."""
        connection = await asyncpg.connect(self.settings.postgres_dsn)
        try:
            return dict((await connection.fetchrow(query, *arguments)) or {})
        finally:
            await connection.close()

    async def digest(self, seconds: float = 600.0) -> None:
        """Let the room decide all that stands on its input by now, then stop it."""
        process = await self.start()

        async def is_digested() -> bool:
            if not process.running:
                raise RuntimeError(f"the room ended by itself:\n{process.log_tail()}")
            return await self._positions() >= await self.topics.count(INVENTORY_COMMANDS)

        await until(is_digested, seconds=seconds, poll_seconds=0.2)
        await process.terminate()

    async def _positions(self) -> int:
        return (await self.row("SELECT coalesce(sum(next_offsets[1]), 0)::bigint AS n FROM claims"))["n"]


class OursMisrouted(Ours):
    """The product, and a client that puts every record one partition beside its own: each is forwarded, then decided."""

    _placed = 0

    @override
    async def place(self, orders: Orders) -> None:
        partitions = self.servers.settings.partitions
        await publish(
            self.publisher,
            [
                msgspec.structs.replace(
                    record, partition=(partition_of(record.key or b"", partitions) + 1) % partitions
                )
                for record in orders.records
            ],
        )
        self._placed = await self.topics.count(INVENTORY_COMMANDS)

    @override
    async def done(self, outcomes: int) -> float:
        """Return the mean of the orders forwarded and decided: forwarding may be far ahead."""
        return (await self.topics.count(INVENTORY_COMMANDS) - self._placed + outcomes) / 2


_UNMETERED: Final = """
from consumers.runtime.meter import Meter
from infra.cli import main
from infra.ops.process_metrics import ProcessMetrics
ProcessMetrics.meter_of = lambda metrics, rooms: Meter()
ProcessMetrics.serve = lambda metrics, host, port: None
main()
"""
_OUR_BOOKS: Final = """
SELECT (SELECT coalesce(sum(on_hand), 0)::bigint FROM stock) AS received,
       (SELECT coalesce(sum(reserved), 0)::bigint FROM stock) AS sold,
       (SELECT count(*) FROM holds WHERE state = 0) AS holds,
       (SELECT count(*) FROM outbox) AS unpublished
"""


def is_installed(*modules: str) -> bool:
    """Tell whether the optional packages of a lane are there (the `make bench` targets bring them)."""
    return all(importlib.util.find_spec(name) is not None for name in modules)
