"""Follows a race until nothing moves any more: every order final, money and stock settled, every log read to its end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.base.errors import InfraError
from infra.local.demo.books import Position, read_offsets, read_position, received_units
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.base.settings import Settings
    from infra.local.stack import Progress

POLL_SECONDS: Final = 0.25
RECEIVE_SECONDS: Final = 120.0
STUCK_SECONDS: Final = 60.0
"""Nothing at all has changed for so long: it will not end by itself."""

_DECIDED_TOPICS: Final = (INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS)


class Watch:
    """One connection to each of PostgreSQL and Kafka, only to look. Build one with `watching`."""

    def __init__(self, connection: asyncpg.Connection, consumer: AIOKafkaConsumer, namespace: str) -> None:
        self.connection = connection
        self._consumer = consumer
        self._namespace = namespace

    async def until_received(self, units: int) -> None:
        """Wait until inventory has taken in all the stock. Raises InfraError when it does not."""
        deadline = asyncio.get_running_loop().time() + RECEIVE_SECONDS
        while (received := await received_units(self.connection)) < units:
            if asyncio.get_running_loop().time() > deadline:
                raise InfraError(
                    f"After {RECEIVE_SECONDS:.0f} s inventory has taken in {received:,} of {units:,} units."
                )
            await asyncio.sleep(POLL_SECONDS)

    async def until_over(self, orders: int, progress: Progress) -> Position:
        """Return when the race is over, with no loose ends; or when nothing moves any more, with what is left."""
        loop = asyncio.get_running_loop()
        seen, since = Position({}, {}), loop.time()
        with progress.counted("Orders with a final state", orders) as advance:
            while True:
                position = await self._position(orders)
                advance(position.final - seen.final)
                if position != seen:
                    seen, since = position, loop.time()
                is_over = position.final >= orders and not position.loose_ends
                if is_over or loop.time() - since > STUCK_SECONDS:
                    return position
                await asyncio.sleep(POLL_SECONDS)

    async def _position(self, orders: int) -> Position:
        position = await read_position(self.connection, orders)
        if position.final < orders:
            return position
        # Positions first, ends afterwards: what is published meanwhile then counts as unread.
        if unread := await self._unread():
            return Position(position.states, {**position.loose_ends, "records not yet decided": unread})
        return position

    async def _unread(self) -> int:
        decided = await read_offsets(self.connection)
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        return sum(
            max(0, end - decided.get(TopicPartition(tp.topic.removeprefix(self._namespace), tp.partition), 0))
            for tp, end in ends.items()
        )


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[Watch]:
    """Connect to look, for the length of the block."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        names = [topic.in_namespace(settings.namespace) for topic in _DECIDED_TOPICS]
        consumer = AIOKafkaConsumer(*names, bootstrap_servers=settings.kafka_bootstrap, group_id=None)
        await consumer.start()
        consumer.pause(*consumer.assignment())  # only the ends are of interest
        try:
            yield Watch(connection, consumer, settings.namespace)
        finally:
            await consumer.stop()
    finally:
        await connection.close()
