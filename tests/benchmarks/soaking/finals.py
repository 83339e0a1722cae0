"""How long each order takes from the moment it is due until Kafka has the event that ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from aiokafka import AIOKafkaConsumer

from schemas import messages as m
from schemas.codec.wire import message_type
from tests.harness.waiting import until
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from infra.base.settings import Settings

ENDINGS: Final = frozenset({m.OrderPaid, m.OrderRejected, m.OrderCancelled})


SELDOM: Final = {"fetch_min_bytes": 2**20, "fetch_max_wait_ms": 500}
"""A fetch for each event would be a fifth of what the broker answers at 50 orders/s."""


class Finals:
    """Follows order.events from now on; keeps only the orders that are under way, and latencies until they are taken.

    A latency ends with the time at which Kafka appended the event, whenever it is read. Who needs to know at once that an order
    has ended reads at once; with `seldom` it is read twice a second, and costs the measured broker next to nothing.
    """

    def __init__(self, settings: Settings, *, seldom: bool = False) -> None:
        self._consumer = AIOKafkaConsumer(
            ORDER_EVENTS.in_namespace(settings.namespace),
            bootstrap_servers=settings.kafka_bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **(SELDOM if seldom else {}),
        )
        self._due_ms: dict[str, float] = {}
        self._latencies_ms: list[float] = []
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._reader = asyncio.create_task(self._read(), name="finals")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._consumer.stop()

    @property
    def under_way(self) -> int:
        """How many orders are due but not at their end."""
        return len(self._due_ms)

    def expect(self, order_id: str, due_ms: float) -> None:
        """Wait for the end of an order that is due at this time (ms since the epoch)."""
        self._due_ms[order_id] = due_ms

    def take(self) -> list[float]:
        """Return the latencies since the last call, in ms."""
        taken, self._latencies_ms = self._latencies_ms, []
        return taken

    async def until_all(self, seconds: float) -> None:
        """Wait until no order is under way. Raises TimeoutError."""
        await until(lambda: not self._due_ms, seconds=seconds)

    async def _read(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if message_type(record.value) in ENDINGS:
                        due_ms = self._due_ms.pop(record.key.decode(), None)
                        if due_ms is not None:
                            self._latencies_ms.append(record.timestamp + 1 - due_ms)
