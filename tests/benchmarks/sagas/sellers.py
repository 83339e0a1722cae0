"""Who sells: every process of the product together, or one of the orchestrators, each over a lane with topics and tables."""

from __future__ import annotations

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis

from consumers.runtime.postgres.sql import load_queries
from consumers.views.store import read_positions
from infra.base.rooms import HOSTS, SYSTEM, TOGETHER
from infra.local.sandbox_processor.address import address_in
from infra.local.stack import ChildProcess
from infra.local.supervisor import PROCESSOR
from tests.benchmarks.baselines.sagas.processor import LATENCY_VARIABLE
from tests.benchmarks.growth import UNITS, fill
from tests.benchmarks.harness.baseline import Baseline, PostgresBaseline, RestateBaseline, Tunable
from tests.benchmarks.harness.options import ROOT
from tests.benchmarks.harness.orders import HOT_SKU, names
from tests.benchmarks.harness.servers import environment
from tests.benchmarks.sagas.books import READY_SECONDS, SagaBooks, Sold, agreed, fetch
from tests.benchmarks.sagas.shapes import SCARCE, as_commands, as_wholes
from tests.harness.waiting import until
from topology.topics import ORDER_EVENTS, log_read_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.clients.orders import OrderRequest
    from producers.publisher import Outgoing
    from tests.benchmarks.harness.lanes import Lane, Ours

QUERIES: Final = load_queries("tests.benchmarks.sagas")
UNASKED_URL: Final = "http://127.0.0.1:9"
"""The address of a processor that nobody asks."""


class Seller(ABC):
    """What a trial needs of whoever sells. `sold` is what its books must show; they last as long as the lane's.

    `processor_ms` is how long the processor takes for an answer. One who shares the lane of another has its books too.
    """

    def __init__(self, name: str, lane: Lane, *, processor_ms: float = 0, sharing: Seller | None = None) -> None:
        self.name = name
        self.lane = lane
        self.processor_ms = processor_ms
        self.is_guest = sharing is not None
        self.sold: Sold = Sold() if sharing is None else sharing.sold

    @abstractmethod
    async def fill_shelves(self, skus: int) -> None:
        """Let plenty of each SKU of the catalogue and of the hot one come in, and what there is of the scarce ones."""

    @abstractmethod
    async def start(self) -> None:
        """Start the processes."""

    @abstractmethod
    async def stop(self) -> list[str]:
        """Stop them in good order; say what was wrong with that, and what the books say that lasted until now only."""

    @abstractmethod
    def records(self, orders: Sequence[OrderRequest]) -> list[Outgoing]:
        """Return the orders as it takes them."""

    @abstractmethod
    def events_of(self, order: OrderRequest) -> int:
        """Return how many events, at least, an order has had when it is paid."""

    @abstractmethod
    def processes(self) -> dict[str, ChildProcess]:
        """Return the processes by name."""

    async def catch_up(self) -> None:
        """Wait until all that was said is heard: nobody listens to an orchestrator."""
        return

    async def audit(self) -> list[str]:
        """Compare the books with the events so far, where they can be read while it works."""
        return []


class OurSeller(Seller):
    """Every room of the product, grouped in processes as `make up` does, or each a process; the processor is in the process of
    the payments room, or asked over HTTP.
    """

    lane: Ours

    def __init__(
        self,
        name: str,
        lane: Ours,
        *,
        processor_ms: float = 0,
        sharing: Seller | None = None,
        over_http: bool = False,
        apart: bool = False,
    ) -> None:
        super().__init__(name, lane, processor_ms=processor_ms, sharing=sharing)
        self._over_http = over_http
        self._apart = apart
        self._processes: dict[str, ChildProcess] = {}

    async def fill_shelves(self, skus: int) -> None:
        await fill(self.lane, skus, 0)
        await self.lane.receive({HOT_SKU: UNITS, **SCARCE})

    async def start(self) -> None:
        url = await self._start_processor() if self._over_http else UNASKED_URL
        env = {
            **environment(self.lane.settings.model_copy(update={"processor_url": url})),
            LATENCY_VARIABLE: f"{self.processor_ms:g}",
        }
        for name in SYSTEM if self._apart else TOGETHER:
            asks_here = "payments" in HOSTS.get(name, (name,)) and not self._over_http
            program = "tests.benchmarks.baselines.sagas.processor" if asks_here else "infra.local.room_process"
            self._processes[name] = await self._spawn(name, [program, name], env)

    async def stop(self) -> list[str]:
        codes = await asyncio.gather(*(process.terminate(timeout_seconds=30) for process in self._processes.values()))
        ended = dict(zip(self._processes, codes, strict=True))
        self._processes = {}
        return [f"{name} ended with exit code {code}" for name, code in ended.items() if code != 0]

    def records(self, orders: Sequence[OrderRequest]) -> list[Outgoing]:
        return as_commands(orders)

    def events_of(self, order: OrderRequest) -> int:
        """Each line reserved and committed; the order reserved, placed and paid; the money authorised and captured."""
        return 2 * len(order.lines) + 5

    def processes(self) -> dict[str, ChildProcess]:
        return self._processes

    async def catch_up(self) -> None:
        async with Redis.from_url(self.lane.servers.redis_url) as redis:
            await until(lambda: self._has_caught_up(redis), seconds=READY_SECONDS, poll_seconds=0.05)

    async def audit(self) -> list[str]:
        return await agreed(self.lane.settings.postgres_dsn, QUERIES["our_books"], self.sold)

    async def _has_caught_up(self, redis: Redis) -> bool:
        rows = await fetch(self.lane.settings.postgres_dsn, QUERIES["our_positions"])
        positions = {row["room"]: row["read"] for row in rows}
        topics = {ORDER_EVENTS, *map(log_read_by, positions)}
        ends = {topic: await self.lane.topics.ends(topic) for topic in topics}
        due = {room: sum(ends[log_read_by(room)]) for room in positions}
        written = await read_positions(redis, self.lane.namespace, range(len(ends[ORDER_EVENTS])))
        return positions == due and sum(at or 0 for at in written.values()) == sum(ends[ORDER_EVENTS])

    async def _start_processor(self) -> str:
        books = self.lane.servers.settings.state_dir / "lanes" / self.name / PROCESSOR
        options = ["--data-dir", str(books), "--latency-ms", f"{self.processor_ms:g}"]
        process = await self._spawn(PROCESSOR, ["infra.local.sandbox_processor", *options], environment())
        self._processes[PROCESSOR] = process

        def url() -> str:
            address = address_in(books)
            return address.url if address is not None and address.pid == process.pid else ""

        return await until(url, seconds=READY_SECONDS)

    async def _spawn(self, name: str, program: Sequence[str], env: Mapping[str, str]) -> ChildProcess:
        log_path = self.lane.servers.settings.state_dir / "lanes" / self.name / f"{name}.log"
        command = [sys.executable, "-m", *program]
        return await ChildProcess.spawn(name, command, log_path=log_path, env=env, cwd=ROOT)


class Orchestrating(Seller):
    """An orchestrator: a process that takes whole orders and says one thing of each.

    `settings` are those of its lane that were tuned for it, by name.
    """

    lane: Baseline
    _process: ChildProcess | None = None

    def __init__(self, name: str, lane: Baseline, *, processor_ms: float = 0, sharing: Seller | None = None) -> None:
        super().__init__(name, lane, processor_ms=processor_ms, sharing=sharing)
        self.settings: dict[Tunable, int] = {}

    async def start(self) -> None:
        self.lane.processor_ms = self.processor_ms
        for setting, value in self.settings.items():
            setattr(self.lane, setting, value)
        self._process = await self.lane.start()

    async def stop(self) -> list[str]:
        process, self._process = self._process, None
        code = 0 if process is None else await process.terminate(timeout_seconds=30)
        return [f"the process ended with exit code {code}"] if code != 0 else []

    def records(self, orders: Sequence[OrderRequest]) -> list[Outgoing]:
        return as_wholes(orders)

    def events_of(self, order: OrderRequest) -> int:
        """Only that it is paid."""
        del order
        return 1

    def processes(self) -> dict[str, ChildProcess]:
        return {} if self._process is None else {"lane": self._process}


class PostgresSeller(Orchestrating):
    """An orchestrator with its tables in PostgreSQL."""

    lane: PostgresBaseline

    async def fill_shelves(self, skus: int) -> None:
        await self.lane.receive({**dict.fromkeys(names(skus), UNITS), HOT_SKU: UNITS, **SCARCE})

    async def audit(self) -> list[str]:
        return await agreed(self.lane.postgres_dsn, QUERIES["orchestrators_books"], self.sold)


class RestateSeller(Orchestrating):
    """An orchestrator with its state in a Restate that begins empty with every process; its books are read in the end."""

    lane: RestateBaseline

    async def fill_shelves(self, skus: int) -> None:
        del skus
        self.lane.variant = json.dumps({"units": UNITS, "others": SCARCE})

    async def start(self) -> None:
        self.sold = Sold()
        await super().start()

    async def stop(self) -> list[str]:
        problems = await super().stop()
        document = json.loads((self.lane.state_dir / "books.json").read_text())
        books = SagaBooks(
            on_hand=document["on_hand"],
            reserved=document["reserved"],
            allocated=document["allocated"],
            held_minor=document["authorize"] - document["capture"] - document["void"],
            captured_minor=document["capture"] - document["refund"],
        )
        if document["taken"] != document["reserved"] + document["allocated"]:
            problems.append(
                f"{document['taken']} units taken for holds of {document['reserved'] + document['allocated']}"
            )
        return problems + books.breaches(self.sold)
