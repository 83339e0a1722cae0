"""Orders from Kafka for baselines that work on many at once: nothing is lost, and what is redelivered they recognise.

The position that Kafka is told is that of the oldest order still under way, so a crash redelivers orders and skips none;
each baseline's hold has the order as its key, which makes a redelivery harmless. This is the usual way to do it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.codec.wire import decode, encode, message_type
from schemas.messages import LineRejected, LineReserved, PlaceOrderLine
from tests.benchmarks.baselines.several import process_number
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.baselines.task import Task
    from topology.topics import Topic

GROUP: Final = "baseline"
TOGETHER: Final = 500
COMMIT_SECONDS: Final = 1.0
FETCH_WAIT_MS: Final = 10
"""As in the product: a fetch of idle partitions, waiting at the broker, must not hold up the busy one for longer."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """One order of one line, where it came from, and the two things that can be said about it."""

    place: tuple[int, int]
    command: PlaceOrderLine
    expires_at_ms: int

    def reserved(self) -> bytes:
        """Return the event of a sale, as the product writes it."""
        command = self.command
        return encode(
            LineReserved(
                command.order_id,
                command.line,
                command.line_count,
                command.sku,
                command.quantity,
                command.unit_price_minor,
                command.currency,
                command.customer_id,
                command.payment_token,
                self.expires_at_ms,
            )
        )

    def rejected(self) -> bytes:
        """Return the event of a refusal; with one unit an order it means that none was left."""
        command = self.command
        return encode(
            LineRejected(
                command.order_id,
                command.line,
                command.line_count,
                command.sku,
                command.quantity,
                command.demand,
                0,
                command.customer_id,
                "insufficient_stock",
            )
        )


def order_of(record: Any) -> Order | None:
    """Return the order in a record, or None for other commands."""
    if message_type(record.value) is not PlaceOrderLine:
        return None
    command = decode(record.value)
    assert isinstance(command, PlaceOrderLine)
    return Order((record.partition, record.offset), command, record.timestamp + command.hold_seconds * 1000)


class Taken(Protocol):
    """What was taken from the topic: it knows its place there."""

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset."""
        ...


T = TypeVar("T", bound=Taken)


class OrderSource(Generic[T]):
    """The input topic of a namespace: all partitions, or this one of several processes' share of them."""

    def __init__(self, task: Task, read: Callable[[Any], T | None], topic: Topic = INVENTORY_COMMANDS) -> None:
        self._read = read
        self._topic = topic.in_namespace(task.namespace)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=task.kafka_bootstrap,
            group_id=f"{task.namespace}{GROUP}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        partitions = range(
            process_number(), task.partitions, task.processes
        )  # fixed, so that nobody is kept waiting by a rebalance
        self._consumer.assign([TopicPartition(self._topic, partition) for partition in partitions])
        self._under_way: dict[int, dict[int, None]] = {}
        self._ends: dict[int, int] = {}
        self._committing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._committing = asyncio.create_task(self._commit_now_and_then())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._committing is not None:
            self._committing.cancel()
        await self.commit()
        await self._consumer.stop()

    async def take(self, at_most: int = TOGETHER) -> list[T]:
        """Return the next orders; none when a tenth of a second brought none."""
        taken: list[T] = []
        for tp, records in (await self._consumer.getmany(timeout_ms=100, max_records=at_most)).items():
            orders = [order for record in records if (order := self._read(record)) is not None]
            self._under_way.setdefault(tp.partition, {}).update(dict.fromkeys(order.place[1] for order in orders))
            self._ends[tp.partition] = records[-1].offset + 1
            taken += orders
        return taken

    def done(self, orders: Sequence[T]) -> None:
        """Note that these orders' outcomes are durable."""
        for order in orders:
            partition, offset = order.place
            del self._under_way[partition][offset]

    async def commit(self) -> None:
        """Tell Kafka how far everything is done."""
        positions = {
            TopicPartition(self._topic, partition): min(self._under_way.get(partition) or (end,))
            for partition, end in self._ends.items()
        }
        if positions:
            with contextlib.suppress(KafkaError):
                await self._consumer.commit(positions)

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            await self.commit()
