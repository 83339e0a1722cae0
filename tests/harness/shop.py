"""A shop for one test: topics, tables, a payment processor with books, and rooms, here or as processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import asyncpg
import msgspec
from aiokafka.errors import KafkaError

from consumers.payments.processor import PaymentProcessor
from consumers.runtime.deciding.record import Record
from consumers.runtime.options import OwnerOptions
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.room import Room
from infra.base.migrate import migrate
from infra.base.processor import processor_of
from infra.base.rooms import BOOKKEEPERS, ROOMS, SAGA
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR, Supervisor
from infra.ops.audit import Report, verify
from infra.ops.errors import UnreadableError
from infra.ops.log import Log
from producers.clients.orders import ACCEPTED_TOKEN, OrderClient, OrderLine, OrderRequest
from producers.clients.stock import StockClient, receipts_of
from producers.outage import Readiness
from producers.publisher import Publisher
from schemas.codec.wire import decode
from schemas.messages import Message
from tests.harness.outside import asked
from tests.harness.owner_options import options_of, with_intake
from tests.harness.shop_evidence import orders_lost
from tests.harness.tables import give_tables
from tests.harness.waiting import PATIENCE_SECONDS, until
from topology import admin
from topology.saga import INTAKE
from topology.states import FINAL_ORDER_STATES
from topology.topics import CO_PARTITIONED, ORDER_EVENTS, Topic, log_read_by

PARTITIONS = 3
ROOMS_AT_WORK = (INTAKE, *BOOKKEEPERS)
T = TypeVar("T")
_ENDED = "SELECT count(*) FROM orders WHERE state = ANY($1::text[])"
_LEVELS = "SELECT sku, on_hand, reserved, allocated FROM stock"
_PROGRESS = "SELECT coalesce(sum(n), 0)::bigint FROM claims, unnest(next_offsets) AS n WHERE room = $1"
_QUIET = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM payment_attempts WHERE result = 'pending')"


class Level(msgspec.Struct, frozen=True):
    """One SKU's units."""

    on_hand: int
    reserved: int
    allocated: int


class Shop:
    """Everything that a test does to a system, and sees of it."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, publisher: Publisher, database: asyncpg.Pool
    ) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self.publisher = publisher
        self.database = database
        self.readiness = Readiness()
        self._owners: dict[str, asyncio.Task[None]] = {}

    # --- what customers and warehouses do ---------------------------------------------------------------------------------

    async def receive(self, **units: int) -> None:
        await StockClient(self.publisher).receive(receipts_of("delivery", units))

    async def place(self, *orders: OrderRequest) -> None:
        await OrderClient(self.publisher).place(orders)

    async def say(self, *messages: Message) -> None:
        await self.publisher.publish(list(map(asked, messages)))

    # --- rooms in this process --------------------------------------------------------------------------------------------

    def room(self, name: str) -> Room[Any]:
        return ROOMS[name].build(self)

    @property
    def processor(self) -> PaymentProcessor:
        return processor_of(self.supervisor.settings)

    @property
    def rooms_at_work(self) -> list[str]:
        """The names of the rooms that an owner in this process runs."""
        return [name.split()[0] for name in self._owners]

    def options(self, **changes: Any) -> OwnerOptions:
        return options_of(self.settings, **changes)

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[None]:
        """Run these rooms (all by default) in this process, intake with those of orders, the processor where payments need it."""
        async with AsyncExitStack() as owners:
            if not names or "payments" in names:
                await self.supervisor.start(PROCESSOR)
            for name in with_intake(names or BOOKKEEPERS):
                owner = PartitionOwner(self.room(name), self.options(), self.publisher)
                await owners.enter_async_context(self.owning(owner))
            yield

    async def start_processes(self) -> None:
        """Start the processor and the rooms as processes of their own."""
        for name in (PROCESSOR, *ROOMS_AT_WORK):
            await self.supervisor.start(name)

    @asynccontextmanager
    async def owning(self, owner: PartitionOwner) -> AsyncIterator[asyncio.Task[None]]:
        """Run one owner; on the way out it stops as asked, whatever it was doing."""
        task = asyncio.create_task(owner.run())
        self._owners[f"{owner.name} {id(owner)}"] = task
        try:
            yield task
        finally:
            del self._owners[f"{owner.name} {id(owner)}"]
            owner.stop()
            await asyncio.wait_for(task, PATIENCE_SECONDS)

    # --- waiting ----------------------------------------------------------------------------------------------------------

    @overload
    async def until(self, condition: Callable[[], Awaitable[T | None]], seconds: float = PATIENCE_SECONDS) -> T: ...
    @overload
    async def until(self, condition: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T: ...
    async def until(self, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """Return the condition's first answer that counts as true; what an owner here fails with is raised at once."""
        return await until(condition, *self._owners.values(), seconds=seconds)

    async def until_quiet(self, *names: str, orders: int | None = None) -> None:
        """Wait until these rooms (all by default) have decided, said and done all that there is, for so many orders."""

        async def quiet() -> bool:
            try:
                return await self._final(orders) and await self._is_quiet(log, self._asked_for(names))
            except (KafkaError, UnreadableError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                return False  # a server is being restarted

        async with self.log() as log:
            try:
                await until(quiet, *self._owners.values(), poll_seconds=0.05)  # it asks the broker for ends
            except TimeoutError:
                raise AssertionError(await self._unquiet(log, self._asked_for(names))) from None

    async def is_quiet(self, *names: str) -> bool:
        """Return whether these rooms (all by default) have decided, said and done all that there is."""
        async with self.log() as log:
            return await self._is_quiet(log, self._asked_for(names))

    def _asked_for(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return these rooms (by default those that keep books), and intake where it is at work here."""
        at_work = {*self.rooms_at_work, *self.supervisor.started}
        return (names or BOOKKEEPERS) + (() if at_work.isdisjoint({INTAKE, SAGA}) else (INTAKE,))

    async def _unquiet(self, log: Log, rooms: Iterable[str]) -> str:
        """Return what keeps a shop from being quiet."""
        queries = (
            "SELECT state, count(*) FROM orders GROUP BY state",
            "SELECT room, partition, batch, records FROM outbox",
            "SELECT * FROM payment_attempts WHERE result = 'pending' LIMIT 5",
            "SELECT room, partition, epoch, next_offsets FROM claims ORDER BY room, partition",
        )
        unsettled = [str([tuple(row) for row in await self.database.fetch(query)]) for query in queries]
        unsettled += [f"{topic.name} ends {await log.ends(topic)}" for topic in map(log_read_by, rooms)]
        return "not quiet: " + "\n".join(unsettled)

    async def _final(self, orders: int | None) -> bool:
        return orders is None or orders == await self.value(_ENDED, list(FINAL_ORDER_STATES))

    async def _is_quiet(self, log: Log, rooms: Iterable[str]) -> bool:
        """Compare one snapshot of what is done with the topics' later ends: equal, nothing was under way."""
        async with self.database.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            if await connection.fetchval(_QUIET):
                return False
            rows = await connection.fetch("SELECT room, partition, next_offsets[1] FROM claims")
        done = {(room, partition): offset for room, partition, offset in rows}
        ends: dict[Topic, list[int]] = {}
        for room in rooms:
            topic = log_read_by(room)
            if topic not in ends:
                ends[topic] = await log.ends(topic)
            if any(done.get((room, partition)) != end for partition, end in enumerate(ends[topic])):
                return False
        return True

    def log(self) -> Log:
        """Return a reader of this shop's topics."""
        in_use = {topic.name: self.settings.partitions for topic in CO_PARTITIONED}
        return Log(self.settings.kafka_bootstrap or "", self.settings.namespace, in_use)

    # --- looking ----------------------------------------------------------------------------------------------------------

    async def value(self, query: str, *arguments: Any) -> Any:
        return await self.database.fetchval(query, *arguments)

    async def progress(self, room: str) -> int:
        """Return how many records the room has decided."""
        return int(await self.value(_PROGRESS, room))

    async def has_decided(self, room: str, records: int) -> bool:
        return await self.progress(room) >= records

    async def state(self, order: OrderRequest) -> tuple[str, str]:
        row = await self.database.fetchrow("SELECT state, reason FROM orders WHERE order_id = $1", order.order_id)
        return tuple(row) if row else ("unknown", "")

    async def payment(self, order: OrderRequest) -> str | None:
        state: str | None = await self.value("SELECT state FROM payments WHERE order_id = $1", order.order_id)
        return state

    async def levels(self) -> dict[str, Level]:
        return {sku: Level(*units) for sku, *units in await self.database.fetch(_LEVELS)}

    async def records(self, topic: Topic) -> list[Record]:
        """Return all that stands on a topic, partition by partition."""
        async with self.log() as log:
            read_so_far: list[Record] = []
            for partition, end in enumerate(await log.ends(topic)):
                async for records in log.read(topic, partition, end):
                    read_so_far += records
            return read_so_far

    async def timeline(self, order: OrderRequest) -> list[str]:
        """Return the names of the order's events, in their order; commands stand among them on the log."""
        of_order = [record for record in await self.records(ORDER_EVENTS) if record.key == order.order_id.encode()]
        kinds = [type(decode(record.value)) for record in of_order]
        return [kind.__name__ for kind in kinds if kind in ORDER_EVENTS.carries]

    async def audit(self, deciders: Sequence[Room[Any]] | None = None) -> Report:
        """Audit the system as an operator would, replaying with these rooms where others than usual were at work."""
        with_books = self.supervisor.pid(PROCESSOR) if PROCESSOR in self.supervisor.started else None
        url = self.supervisor.processor_url if with_books else None
        return await verify(self.settings, processor_url=url, deciders=deciders)

    async def assert_sound(self, deciders: Sequence[Room[Any]] | None = None, *, lost: Collection[str] = ()) -> None:
        """Assert that every invariant holds, but for the orders `lost` to dead letters: the audit names exactly these."""
        report = await self.audit(deciders)
        assert orders_lost(report) == set(lost)
        assert report.breaches == ({"dead_letters"} if lost else set()), "\n".join(
            f"{finding.name}: {finding.detail} {finding.examples}" for finding in report.findings if not finding.holds
        )


@asynccontextmanager
async def open_shop(
    settings: Settings,
    folder: Path,
    processor_options: Sequence[str] = (),
    *,
    webhooks: bool = False,
    api: bool = False,
    migrated: bool = True,
) -> AsyncIterator[Shop]:
    """Open a shop without any room at work yet. `settings` have an empty database and a namespace without topics.

    A database that has tables already, and is not `migrated` from a template, is brought up to date. With `webhooks` the
    processor, once started, sends its outcomes to the receiver too.
    """
    bootstrap, dsn = settings.kafka_bootstrap or "", settings.postgres_dsn or ""
    await admin.apply(
        bootstrap,
        namespace=settings.namespace,
        partitions=settings.partitions,
        expected_cluster_id=settings.cluster_id,
    )
    await (give_tables(dsn) if migrated else migrate(dsn))
    async with (
        Publisher(bootstrap, namespace=settings.namespace) as publisher,
        asyncpg.create_pool(dsn, min_size=1, max_size=5, command_timeout=30) as database,
        Supervisor(
            settings, folder=folder, processor_options=processor_options, webhooks=webhooks, api=api
        ) as supervisor,
    ):
        yield Shop(settings, supervisor, publisher, database)


def in_miniature(settings: Settings, **changes: Any) -> Settings:
    """Return settings for a test: few partitions, short sessions, logs that a test can read."""
    small = {"partitions": PARTITIONS, "session_timeout_ms": 3_000, "watchdog_seconds": 30.0, "log_format": "json"}
    return settings.model_copy(update=small | changes)


def order(*lines: tuple[str, int], token: str = ACCEPTED_TOKEN, hold_seconds: int = 900) -> OrderRequest:
    """Return an order of (SKU, quantity) lines at 5.00 a unit."""
    return OrderRequest(
        lines=tuple(OrderLine(sku, quantity, 500) for sku, quantity in lines),
        customer_id="customer-1",
        payment_token=token,
        hold_seconds=hold_seconds,
    )
