"""Rooms that die at one exactly chosen point: before or after a commit, a publication, a call to somebody outside.

The wiring is the product's, with a trap in it. Once the trap has sprung, whoever is still at work there can do nothing
visible any more, as in a process that was killed; it is the owner's end, and somebody else takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Final

import asyncpg
from typing_extensions import override

from consumers.errors import OwnerStoppedError
from consumers.notifications.delivery import Deliverer, Delivery
from consumers.notifications.room import NotificationsRoom
from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, ProcessorResult
from consumers.payments.room import PaymentsRoom
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.database import Database
from consumers.runtime.room import Room
from producers.publisher import Outgoing, Publisher
from tests.harness.shop import Shop


class Moment(StrEnum):
    """A visible step, or the moment before it."""

    BEFORE_COMMIT = "before a commit"
    AFTER_COMMIT = "after a commit"
    BEFORE_PUBLISH = "before a publication"
    AFTER_PUBLISH = "after a publication"
    BEFORE_CALL = "before a call"
    AFTER_CALL = "after a call"


CALLERS: Final = frozenset({"payments", "notifications"})


def moments_of(room: str) -> tuple[Moment, ...]:
    """Return the moments that a room's work has."""
    calls = {Moment.BEFORE_CALL, Moment.AFTER_CALL}
    return tuple(moment for moment in Moment if room in CALLERS or moment not in calls)


class DeadError(Exception):
    """Nobody does anything here any more."""


class Trap:
    """Springs at the `number`th `moment`, from 1."""

    def __init__(self, moment: Moment | None = None, number: int = 1) -> None:
        self.sprung = False
        self.on_death: Callable[[Exception], None] = lambda _: None
        self._moment = moment
        self._left = number

    def reach(self, moment: Moment) -> None:
        """Go on, or die here. Raises DeadError."""
        if not self.sprung and moment is self._moment:
            self._left -= 1
            if self._left == 0:
                self.sprung = True
                self.on_death(DeadError(moment))
        self.check()

    def check(self) -> None:
        """Raise DeadError for whoever works on after the end."""
        if self.sprung:
            raise DeadError


class TrappedPublisher(Publisher):
    """Dies before or after something is said."""

    trap = Trap()

    @override
    async def publish(self, records: Sequence[Outgoing]) -> None:
        if not records:
            return
        self.trap.reach(Moment.BEFORE_PUBLISH)
        await super().publish(records)
        self.trap.reach(Moment.AFTER_PUBLISH)


class TrappedProcessor(HttpProcessor):
    """Dies before or after the processor is asked."""

    trap = Trap()

    @override
    async def perform(self, operation: Operation) -> ProcessorResult:
        self.trap.reach(Moment.BEFORE_CALL)
        result = await super().perform(operation)
        self.trap.reach(Moment.AFTER_CALL)
        return result

    @override
    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        self.trap.check()
        return await super().look_up(operation)


class TrappedDeliverer(Deliverer):
    """Dies before or after a subscriber is told."""

    trap = Trap()

    @override
    async def _post(self, session: Any, delivery: Delivery) -> tuple[int | None, str]:
        self.trap.reach(Moment.BEFORE_CALL)
        answer = await super()._post(session, delivery)
        self.trap.reach(Moment.AFTER_CALL)
        return answer

    @override
    async def _deliver(self, session: Any, delivery: Delivery) -> None:
        with contextlib.suppress(DeadError):
            await super()._deliver(session, delivery)


def room_of(shop: Shop, name: str, publisher: Publisher, trap: Trap) -> Room[Any]:
    """Return a room whose way to the outside leads past the trap."""
    if name == "payments":
        processor = TrappedProcessor(shop.supervisor.processor_url)
        processor.trap = trap
        return PaymentsRoom(processor, publisher)
    if name == "notifications":
        deliverer = TrappedDeliverer(
            Database(shop.settings.postgres_dsn or "", "webhooks"), schedule_seconds=(0.2,) * 9
        )
        deliverer.trap = trap
        return NotificationsRoom(deliverer)
    return shop.room(name)


@asynccontextmanager
async def trapped(
    shop: Shop,
    name: str,
    trap: Trap,
    room: Callable[[Shop, str, Publisher, Trap], Room[Any]] = room_of,
    **options: Any,
) -> AsyncIterator[PartitionOwner]:
    """Make an owner with the trap in it; it decides one record at a time, so that each is a step."""
    publisher = TrappedPublisher(shop.settings.kafka_bootstrap or "", namespace=shop.settings.namespace)
    publisher.trap = trap
    async with publisher:
        owner = PartitionOwner(room(shop, name, publisher, trap), shop.options(batch_records=1, **options), publisher)
        once = owner._database.run

        async def watched(purpose: str, work: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
            if purpose != "commit":
                return await once(purpose, work)
            trap.reach(Moment.BEFORE_COMMIT)
            answer = await once(purpose, work)
            trap.reach(Moment.AFTER_COMMIT)
            return answer

        owner._database.run = watched  # type: ignore[method-assign]
        trap.on_death = owner._lifecycle.fail
        yield owner


async def live_until_death(owner: PartitionOwner, trap: Trap, life: asyncio.Task[None]) -> bool:
    """Run the owner until it dies, or until the order's `life` is over: then it stops as asked. Return whether it died."""
    running = asyncio.create_task(owner.run())
    await asyncio.wait({running, life}, return_when=asyncio.FIRST_COMPLETED)
    owner.stop()
    with contextlib.suppress(DeadError, OwnerStoppedError):
        await asyncio.wait_for(running, 30)
    if not trap.sprung and not life.done():
        raise AssertionError("the room ended by itself")
    return trap.sprung
