"""Has payments read at the processor what others moved there: the decision and the log stay the only writers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from consumers.runtime.deciding.decision import outgoing
from infra.base.connections import address_of, kafka_publisher
from infra.base.partitions import recorded_partitions
from infra.ops.log import Log
from infra.ops.reconciliation.ours import QUERIES, OurBooks
from infra.ops.reconciliation.plan import Difference, is_moving
from schemas.messages import InspectPayment
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

    from infra.base.settings import Settings
    from producers.publisher import Publisher

CAUSE: Final = "payments reconcile"
LOOK_SECONDS: Final = 0.1


class Booking:
    """Publishes InspectPayment and waits until payments has decided, read and booked, for `timeout_seconds` at most.

    Where it has not, in time, it is not waited for again: payments stands still, however much there is to book.
    """

    def __init__(self, connection: asyncpg.Connection, publisher: Publisher, log: Log, timeout_seconds: float) -> None:
        self._connection = connection
        self._publisher = publisher
        self._log = log
        self.timeout_seconds = timeout_seconds
        self._stands_still = False

    async def book(self, differences: Sequence[Difference]) -> bool:
        """Return whether all of them were decided and read in time; what came of it the books show. Raises PublishError."""
        await self._publisher.publish(
            [
                outgoing(InspectPayment(difference.order_id, difference.authorization_id, CAUSE))
                for difference in differences
            ]
        )
        ends = await self._log.ends(ORDER_EVENTS)
        orders = {difference.order_id for difference in differences}
        deadline = asyncio.get_running_loop().time() + self.timeout_seconds
        while not await self._is_done(ends, orders):
            if self._stands_still or asyncio.get_running_loop().time() >= deadline:
                self._stands_still = True
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _is_done(self, ends: Sequence[int], orders: set[str]) -> bool:
        rows = await self._connection.fetch(QUERIES["decided"])
        decided = {row["partition"]: row["next_offset"] for row in rows}
        if any(decided.get(partition, 0) < end for partition, end in enumerate(ends)):
            return False
        known = await OurBooks(self._connection).known(orders)
        return not any(order.payment is not None and is_moving(order.payment) for order in known.values())


@asynccontextmanager
async def booking(settings: Settings, connection: asyncpg.Connection, timeout_seconds: float) -> AsyncIterator[Booking]:
    """Connect what publishes, for the length of the block. Raises InfraError."""
    in_use = await recorded_partitions(connection)
    bootstrap = address_of("kafka_bootstrap", settings)
    async with kafka_publisher(settings) as publisher, Log(bootstrap, settings.namespace, in_use) as log:
        yield Booking(connection, publisher, log, timeout_seconds)
