"""One consistent view of PostgreSQL, read partition by partition while the system goes on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from consumers.runtime.deciding.partitioning import generations_in
from consumers.runtime.postgres.sql import load_queries
from infra.base import connections
from infra.base.weekly.ahead import weeks_ahead
from infra.base.weekly.tables import partitions, weeks_of
from infra.ops.audit.course import TakenOver
from infra.ops.audit.retention import DroppedWeeks
from infra.ops.audit.rows import (
    AttemptRow,
    BalanceRow,
    ClaimRow,
    DeliveryRow,
    FulfilmentRow,
    HoldRow,
    InventoryRows,
    MovementRow,
    OrderRow,
    OrderRows,
    OutboxRow,
    PaymentRow,
    PurchaseRow,
    StockRow,
)
from infra.ops.log import Range
from producers.publisher import Outgoing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import asyncpg

    from consumers.runtime.deciding.partitioning import Generation
    from infra.base.settings import Settings
    from infra.ops.audit.course import TakenOverByRoom

R = TypeVar("R")

QUERIES: Final = load_queries("infra.ops.audit")
_decode_parts: Final = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_decode_blob: Final = msgspec.msgpack.Decoder(list[Outgoing]).decode
_TRIPLE: Final = 3


class Snapshot:
    """Reads of one REPEATABLE READ transaction.

    `claims` are by (room, partition), `generations` by topic, `now_ms` is the database's clock. `taken_over` has where rooms
    stood in order.commands before there was intake.
    """

    def __init__(
        self,
        connection: asyncpg.Connection,
        claims: dict[tuple[str, int], ClaimRow],
        generations: dict[str, list[Generation]],
        taken_over: TakenOverByRoom,
        now_ms: int,
    ) -> None:
        self._connection = connection
        self.taken_over = taken_over
        self.claims = claims
        self.generations = generations
        self.now_ms = now_ms

    async def outbox(self) -> list[OutboxRow]:
        """Return what is committed but not known to be published."""
        rows = await self._connection.fetch(QUERIES["outbox"])
        return [OutboxRow(row[0], row[1], row[2], _decode_blob(row[3])) for row in rows]

    async def ranges(self, room: str, partition: int) -> list[Range]:
        """Return the order in which a room decided its sources while it had several."""
        rows = await self._connection.fetch(QUERIES["ranges"], room, partition)
        return [Range(*row[0][i : i + _TRIPLE]) for row in rows for i in range(0, len(row[0]), _TRIPLE)]

    async def inventory(self, partition: int) -> InventoryRows:
        """Return inventory's rows of one partition."""
        return InventoryRows(
            stock=await self._rows("stock", partition, StockRow),
            holds=await self._rows("holds", partition, _hold),
            movements=await self._rows("movements", partition, _movement),
            purchases=await self._rows("purchases", partition, PurchaseRow),
            balances=await self._rows("balances", partition, BalanceRow),
            carried={row[:2]: row[2] for row in await self._rows("carried", partition, lambda *row: row)},
        )

    async def dropped(self) -> DroppedWeeks:
        """Return which ids' rows were dropped."""
        return DroppedWeeks([(row[0], row[1]) for row in await self._connection.fetch(QUERIES["dropped"])])

    async def weeks_ahead(self) -> int:
        """Return how many weeks have partitions after this one."""
        return weeks_ahead(self.now_ms, weeks_of(await partitions(self._connection)))

    async def orders(self, partition: int) -> OrderRows:
        """Return the orders of one partition, their money and the stock that they hold."""
        return OrderRows(
            orders=await self._rows("orders", partition, _order),
            payments=await self._rows("payments", partition, _payment),
            attempts=await self._rows("attempts", partition, _attempt),
            fulfilments=await self._rows("fulfilments", partition, _fulfilment),
            live_holds=await self._rows("live_holds", partition, _hold),
            came_back=await self._rows("came_back", partition, _hold),
        )

    async def holds_without_order(self) -> list[HoldRow]:
        """Return the live holds whose order is not in the books."""
        return [_hold(*row) for row in await self._connection.fetch(QUERIES["holds_without_order"])]

    async def deliveries(self) -> list[DeliveryRow]:
        """Return what subscribers have not taken yet."""
        return [DeliveryRow(*row) for row in await self._connection.fetch(QUERIES["deliveries"])]

    async def sides(self, skus: list[str] | None) -> list[Any]:
        """Return (SKU, its level, its level by movements and holds) of these SKUs, or of all."""
        return list(await self._connection.fetch(QUERIES["sides"], skus))

    async def _rows(self, query: str, partition: int, row_type: Callable[..., R]) -> list[R]:
        return [row_type(*row) for row in await self._connection.fetch(QUERIES[query], partition)]


@asynccontextmanager
async def snapshot(settings: Settings) -> AsyncIterator[Snapshot]:
    """Hold one consistent view for the length of the block; it takes no lock and stops nobody. Raises InfraError."""
    async with (
        connections.database(settings) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(QUERIES["hold_still"])
        rows = await connection.fetch(QUERIES["claims"])
        now_ms = await connection.fetchval(QUERIES["now_ms"])
        claims = {(row[0], row[1]): ClaimRow(*row) for row in rows}
        yield Snapshot(connection, claims, await _generations(connection), await _taken_over(connection), now_ms)


async def _taken_over(connection: asyncpg.Connection) -> TakenOverByRoom:
    rows = await connection.fetch(QUERIES["taken_over"])
    return {(room, partition): TakenOver(*where) for room, partition, *where in rows}


async def _generations(connection: asyncpg.Connection) -> dict[str, list[Generation]]:
    by_topic: dict[str, list[Any]] = {}
    for topic, *row in await connection.fetch(QUERIES["generations"]):
        by_topic.setdefault(topic, []).append(row)
    return {topic: generations_in(rows) for topic, rows in by_topic.items()}


def _hold(order_id: object, *rest: Any) -> HoldRow:
    return HoldRow(str(order_id), *rest)


def _movement(uuid: object, *columns: Any) -> MovementRow:
    row = MovementRow(str(uuid), *columns)
    return row if row.order_id is None else row._replace(order_id=str(row.order_id))


def _order(order_id: object, *rest: Any) -> OrderRow:
    *head, lines, deadline_ms, updated_at_ms = rest
    return OrderRow._make((str(order_id), *head, _decode_parts(lines), deadline_ms, updated_at_ms))


def _payment(order_id: object, *rest: Any) -> PaymentRow:
    return PaymentRow(str(order_id), *rest)


def _attempt(operation_id: str, order_id: object, *rest: Any) -> AttemptRow:
    return AttemptRow(operation_id, str(order_id), *rest)


def _fulfilment(order_id: object, *rest: Any) -> FulfilmentRow:
    partition, state, at_shipping, is_lapsed, is_returned, ship_by_ms, lines, shipments, returns, *tail = rest
    head = (str(order_id), partition, state, at_shipping, is_lapsed, is_returned, ship_by_ms)
    return FulfilmentRow._make((*head, *map(_decode_parts, (lines, shipments, returns)), *tail))
