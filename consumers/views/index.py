"""The index of orders in PostgreSQL: which there are of a reference, a customer, a SKU, a state or a day.

It is written beside the timelines, by the same consumer, and can be rebuilt from order.events as they can. All writes can
be repeated and come in any order: what an event adds is added once, and a state gives way to that of a later offset only.
Events are gathered for a second, so that most orders are written once, when they are over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from consumers.runtime.postgres.database import ASYNC_COMMIT, Database
from consumers.runtime.postgres.sql import load_queries
from consumers.views.store import forget_positions
from consumers.views.timeline import STATE_AFTER
from schemas.ids import is_order_id
from topology.states import OrderState

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

    from consumers.views.timeline import TimelineEvent

QUERIES: Final = load_queries("consumers.views")
GATHER_SECONDS: Final = 1.0
MOST_GATHERED: Final = 5_000
"""Orders beyond which nothing more is gathered."""
SEPARATOR: Final = "\x1f"
"""Between SKUs in one text; no SKU can hold it. PostgreSQL takes no array of arrays of several lengths."""
NAMING: Final = frozenset({"LineReserved", "LineRejected"})
"""The events that name an order's customer, its reference and one of its SKUs."""
NO_OFFSET: Final = -1


class IndexedOrder(msgspec.Struct, frozen=True):
    """One order as the index knows it; times in ms since the epoch, UTC."""

    order_id: str
    placed_at_ms: int
    customer_id: str
    reference: str
    state: OrderState
    skus: list[str]


class OrderQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders are sought: those of which all that is given is true. Times in ms since the epoch, UTC.

    `after` is the last order of a page, (placed_at_ms, order_id): what follows it in the list, which is earlier.
    """

    reference: str | None = None
    customer_id: str | None = None
    sku: str | None = None
    state: OrderState | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    after: tuple[int, str] | None = None


class _Gathered(msgspec.Struct):
    """What the events of a second add to one order."""

    placed_at_ms: int
    customer_id: str = ""
    reference: str = ""
    skus: set[str] = msgspec.field(default_factory=set)
    state: str = OrderState.PENDING
    state_offset: int = NO_OFFSET


class OrderIndex:
    """Writes the index. Raises ConnectionLostError where PostgreSQL does not answer; the events are then given again."""

    def __init__(self, dsn: str) -> None:
        self.database = Database(dsn, "views")
        self._orders: dict[str, _Gathered] = {}
        self._reached: dict[int, int] = {}
        self._due_at = 0.0

    async def positions(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return up to where each partition of order.events is indexed; what was gathered and not written is forgotten."""
        for partition in partitions:
            self._reached.pop(partition, None)

        async def read(connection: asyncpg.Connection) -> Sequence[Any]:
            rows: Sequence[Any] = await connection.fetch(QUERIES["read_positions"], list(partitions))
            return rows

        stored = {row["partition"]: row["next_offset"] for row in await self.database.run(ASYNC_COMMIT, read)}
        return {partition: stored.get(partition, 0) for partition in partitions}

    async def write(self, by_order: Mapping[str, Sequence[TimelineEvent]], reached: Mapping[int, int]) -> None:
        """Gather the events of orders, up to where each partition was read, and write what was gathered for long enough."""
        for order_id, events in by_order.items():
            if is_order_id(order_id):
                for event in events:
                    if event.type in NAMING or event.type in STATE_AFTER:
                        self._gather(order_id, event)
        self._reached |= reached
        now = time.monotonic()
        self._due_at = self._due_at or now + GATHER_SECONDS
        if now >= self._due_at or len(self._orders) > MOST_GATHERED:
            await self.flush()

    async def flush(self) -> None:
        """Write what was gathered."""
        self._due_at = 0.0
        if not self._reached:
            return
        rows = list(self._orders.items())
        arguments = [
            list(self._reached),
            list(self._reached.values()),
            [UUID(order_id) for order_id, _ in rows],
            [order.placed_at_ms for _, order in rows],
            [order.customer_id for _, order in rows],
            [order.reference for _, order in rows],
            [SEPARATOR.join(sorted(order.skus)) for _, order in rows],
            [order.state for _, order in rows],
            [order.state_offset for _, order in rows],
        ]

        async def write(connection: asyncpg.Connection) -> None:
            await connection.execute(QUERIES["write_orders"], *arguments)

        await self.database.run(ASYNC_COMMIT, write)
        self.forget()

    def due_in_seconds(self) -> float:
        """Return how long until what was gathered is to be written; infinite where there is nothing."""
        return self._due_at - time.monotonic() if self._reached and self._due_at else math.inf

    def forget(self) -> None:
        """Forget what was gathered and not written; it is to be read again."""
        self._orders, self._reached = {}, {}

    async def close(self) -> None:
        """Close the connection."""
        await self.database.close()

    def _gather(self, order_id: str, event: TimelineEvent) -> None:
        gathered = self._orders.setdefault(order_id, _Gathered(event.at_ms))
        gathered.placed_at_ms = min(gathered.placed_at_ms, event.at_ms)
        if event.type in NAMING:
            gathered.customer_id = event.data["customer_id"]
            gathered.reference = event.data.get("reference", "")
            gathered.skus.add(event.data["sku"])
        if event.type in STATE_AFTER and event.offset >= gathered.state_offset:
            gathered.state, gathered.state_offset = STATE_AFTER[event.type], event.offset


async def find_orders(connection: asyncpg.Connection, query: OrderQuery, limit: int) -> list[IndexedOrder]:
    """Return the orders that are sought, the latest first."""
    conditions, arguments = _conditions(query)
    if query.after is not None:
        at = len(arguments)
        conditions.append(f"(placed_at_ms, order_id) < (${at + 1}, ${at + 2})")
        arguments += [query.after[0], UUID(query.after[1])]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = f"{QUERIES['find_orders']} {where} ORDER BY placed_at_ms DESC, order_id DESC LIMIT {limit:d}"
    rows = await connection.fetch(statement, *arguments)
    return [
        IndexedOrder(**{**row, "order_id": str(row["order_id"]), "state": OrderState(row["state"])}) for row in rows
    ]


async def forget_index(connection: asyncpg.Connection, redis: Redis, namespace: str) -> None:
    """Have the views' consumer, running or not, index the whole log again. It looks after its positions in Redis only."""
    await connection.execute(QUERIES["forget_positions"])
    await forget_positions(redis, namespace)


def _conditions(query: OrderQuery) -> tuple[list[str], list[Any]]:
    """Return the conditions of what is given, each with its argument: one plan for each set of them."""
    given: Iterable[tuple[str, Any]] = (
        ("reference = ${0} AND reference <> ''", query.reference),
        ("customer_id = ${0}", query.customer_id),
        ("skus @> ARRAY[${0}]", query.sku),
        ("state = ${0}", query.state),
        ("placed_at_ms >= ${0}", query.from_ms),
        ("placed_at_ms < ${0}", query.until_ms),
    )
    wanted = [(condition, value) for condition, value in given if value is not None]
    return [condition.format(n) for n, (condition, _) in enumerate(wanted, start=1)], [value for _, value in wanted]
