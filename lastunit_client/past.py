"""What happened to orders before somebody asked: one reading of order.events for all who ask meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumers.following.reading_range import read_range
from schemas.ids import order_id_ms
from topology.partitioner import partition_of
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumers.following.follower import Followed

RETRY_SECONDS: Final = 0.5


class _Question(NamedTuple):
    """An order, up to which offsets it is asked about, and who waits for it."""

    order_id: str
    ends: Mapping[int, int]
    read: asyncio.Future[None]


class Past:
    """Reads the events of orders from the time in their ids on, less `margin_ms`, and hands them to `take`."""

    def __init__(
        self,
        bootstrap: str,
        namespace: str,
        partitions_in_use: int | None,
        margin_ms: int,
        take: Callable[[list[Followed]], None],
    ) -> None:
        self._bootstrap, self._namespace = bootstrap, namespace
        self._in_use, self._margin_ms, self._take = partitions_in_use, margin_ms, take
        self._questions: list[_Question] = []
        self._reading: asyncio.Task[None] | None = None

    async def read(self, order_id: str, ends: Mapping[int, int]) -> None:
        """Return once every event of an order before `ends` (offsets by partition) was handed over; waits out outages."""
        read = asyncio.get_running_loop().create_future()
        self._questions.append(_Question(order_id, ends, read))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all(), name="past order events")
        await read

    async def close(self) -> None:
        """End the reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_all(self) -> None:
        while self._questions:
            together, self._questions = self._questions, []
            try:
                await self._read(together)
            except (KafkaError, OSError, TimeoutError):
                self._questions = [*together, *self._questions]
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for question in together:
                if not question.read.done():
                    question.read.set_result(None)

    async def _read(self, questions: Sequence[_Question]) -> None:
        earliest: dict[int, int] = {}
        ends: dict[int, int] = {}
        for question in questions:
            partition = partition_of(question.order_id.encode(), self._in_use or len(question.ends))
            since_ms = max(0, order_id_ms(question.order_id) - self._margin_ms)
            earliest[partition] = min(since_ms, earliest.get(partition, since_ms))
            ends[partition] = max(question.ends.get(partition, 0), ends.get(partition, 0))
        wanted = {question.order_id.encode() for question in questions}
        begins = await self._begins(earliest, ends)
        ranges = read_range(self._bootstrap, self._namespace, ORDER_EVENTS, begins, ends, wants=wanted.__contains__)
        async for records in ranges:
            self._take(records)

    async def _begins(self, earliest: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
        """Return the first offset of each partition that was appended at its time (ms since the epoch) or later."""
        topic = ORDER_EVENTS.in_namespace(self._namespace)
        times = {TopicPartition(topic, partition): at_ms for partition, at_ms in earliest.items()}
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await consumer.start()
        try:
            consumer.assign(list(times))
            first = await consumer.offsets_for_times(times)
        finally:
            await consumer.stop()
        return {tp.partition: at.offset if at is not None else ends[tp.partition] for tp, at in first.items()}
