"""A log and a database in memory, as an audit reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from consumers.runtime.deciding.partitioning import Generation
from consumers.runtime.deciding.record import Record
from consumers.runtime.log_identity import LogIdentity
from infra.ops.audit.course import TakenOverByRoom
from infra.ops.audit.outputs import OUTPUT_TOPICS, SOURCES
from infra.ops.audit.retention import DroppedWeeks
from infra.ops.audit.rows import (
    BalanceRow,
    ClaimRow,
    DeliveryRow,
    HoldRow,
    InventoryRows,
    OrderRow,
    OrderRows,
    OutboxRow,
)
from infra.ops.audit.snapshot import Snapshot
from infra.ops.log import Log, Range
from topology.topics import Topic

PARTITIONS = 3


class Kept(msgspec.Struct):
    """One record as Kafka keeps it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class MemoryLog(Log):
    """Topics that are lists."""

    def __init__(self) -> None:
        names = {topic.name for topic in (*SOURCES.values(), *OUTPUT_TOPICS)}
        self.topics: dict[str, list[list[Any]]] = {name: [[] for _ in range(PARTITIONS)] for name in names}

    async def ends(self, topic: Topic) -> list[int]:
        return [len(records) for records in self.topics[topic.name]]

    async def identity(self, topic: Topic) -> LogIdentity:
        return LogIdentity("in memory", topic.name)

    async def begins(self, topic: Topic) -> list[int]:
        return [0 for _ in self.topics[topic.name]]

    async def unused_records(self, topic: Topic) -> int:
        return 0 if topic.name in self.topics else 1

    async def read(
        self, topic: Topic, partition: int, until: int, *, start: int = 0
    ) -> AsyncIterator[Sequence[Record]]:
        yield self.topics[topic.name][partition][start:until]

    async def follow(
        self, topics: Sequence[Topic], partition: int, ranges: Sequence[Range]
    ) -> AsyncIterator[tuple[int, Sequence[Record]]]:
        for part in ranges:
            if records := self.topics[topics[part.source].name][partition][part.first : part.next]:
                yield part.source, records


class MemorySnapshot(Snapshot):
    """Tables that are lists; tests plant breaches in them."""

    def __init__(self, now_ms: int) -> None:
        self.claims: dict[tuple[str, int], ClaimRow] = {}
        self.generations: dict[str, list[Generation]] = {}
        self.taken_over: TakenOverByRoom = {}
        self.now_ms = now_ms
        self.tables: dict[str, list[Any]] = {}
        self.all_ranges: dict[tuple[str, int], list[Range]] = {}
        self.waiting: list[OutboxRow] = []
        self.spans: list[tuple[int, int]] = []
        self.balances: list[BalanceRow] = []
        self.ahead = 4
        self.to_deliver: list[DeliveryRow] = []

    async def outbox(self) -> list[OutboxRow]:
        return self.waiting

    async def ranges(self, room: str, partition: int) -> list[Range]:
        return self.all_ranges[room, partition]

    async def inventory(self, partition: int) -> InventoryRows:
        return InventoryRows(
            stock=self._of("stock", partition),
            holds=self._of("holds", partition),
            movements=self._of("movements", partition),
            purchases=self._of("purchases", partition),
            balances=self.balances,
            carried={},
        )

    async def dropped(self) -> DroppedWeeks:
        return DroppedWeeks(self.spans)

    async def deliveries(self) -> list[DeliveryRow]:
        return self.to_deliver

    async def weeks_ahead(self) -> int:
        return self.ahead

    async def orders(self, partition: int) -> OrderRows:
        orders: list[OrderRow] = self._of("orders", partition)
        ids = {row.order_id for row in orders}
        live = [hold for hold in self._live() if hold.order_id in ids]
        shipped = {(row.command_id, row.sku) for row in self.tables["movements"]}
        back = [
            hold
            for hold in self.tables["holds"]
            if hold.order_id in ids
            and hold.state == 4
            and (f"{hold.order_id}/{hold.line}/shipment", hold.sku) in shipped
        ]
        payments, attempts = self._of("payments", partition), self._of("attempts", partition)
        return OrderRows(orders, payments, attempts, self._of("fulfilments", partition), live, back)

    async def holds_without_order(self) -> list[HoldRow]:
        ids = {row.order_id for row in self.tables["orders"]}
        return [hold for hold in self._live() if hold.order_id not in ids]

    def replace(self, table: str, change: Callable[[Any], Any]) -> None:
        """Plant a change in every row of a table for which `change` returns another one."""
        self.tables[table] = [change(row) for row in self.tables[table]]

    def _of(self, table: str, partition: int) -> list[Any]:
        return [row for row in self.tables[table] if row.partition == partition]

    def _live(self) -> list[HoldRow]:
        return [hold for hold in self.tables["holds"] if hold.state in (0, 1, 5)]
