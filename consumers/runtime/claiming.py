"""Claims what Kafka's group assigned to an owner, once nothing of an earlier claim is under way, and restates levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from consumers.runtime.deciding.decision import last_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.background import BackgroundTasks
    from consumers.runtime.claim import Claim
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.ownership import Ownership
    from consumers.runtime.postgres.database import Database
    from consumers.runtime.room import Room
    from producers.outage import Readiness
    from producers.publisher import Publisher


class Claiming:
    """How one owner comes to its claims. Until its first assignment, and while a partition waits, it is not ready."""

    def __init__(
        self,
        hosting: Hosting,
        ownership: Ownership,
        database: Database,
        publisher: Publisher,
        *,
        background: BackgroundTasks,
        readiness: Readiness,
    ) -> None:
        self._hosting = hosting
        self._ownership = ownership
        self._database = database
        self._publisher = publisher
        self._background = background
        self._readiness = readiness
        self._obstacle = f"partitions of {hosting.name}"
        self.is_member = False
        readiness.blocked(self._obstacle, f"{hosting.name} waits for Kafka to share out its partitions")

    def joined(self) -> None:
        """Note that the group has assigned what it assigns here, be it nothing."""
        self.is_member = True

    async def claim_assigned(
        self, consumer: AIOKafkaConsumer, nothing_under_way: Callable[[], Awaitable[None]]
    ) -> None:
        """Resume the claims that a rebalance left here; claim the rest after `nothing_under_way`: all decided is published.

        While Kafka is away partitions stay unclaimed, to be claimed at a later turn of the loop.
        """
        await self._ownership.check_partitioning(consumer)
        try:
            resumed = await self._ownership.resume_returned(consumer)
            endangered = [
                (room, claim)
                for hosted in resumed
                for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True)
                if claim.endangered
            ]
            if endangered:
                await nothing_under_way()
                for room, claim in endangered:
                    await self._restate_levels(room, claim, sorted(claim.endangered))
            if partitions := self._ownership.to_claim():
                await nothing_under_way()
                for hosted in await self._ownership.claim(consumer, partitions):
                    for room, claim in zip(self._hosting.rooms, hosted.claims, strict=True):
                        await self._restate_levels(room, claim)
        except KafkaError as error:
            if not error.retriable:
                raise
            await self._publisher.outage.wait(error, "claim")
        else:
            self._publisher.outage.ended("claim")
        self._show_waiting()

    def _show_waiting(self) -> None:
        """Show the partitions that are assigned here and not claimed yet; before the first assignment none is known."""
        if waiting := self._ownership.waiting():
            name = self._hosting.name
            self._readiness.blocked(self._obstacle, f"partitions {waiting} of {name} wait to be claimed")
        elif self.is_member:
            self._readiness.cleared(self._obstacle)

    async def _restate_levels(self, room: Room[Any], claim: Claim[Any], keys: Sequence[bytes] | None = None) -> None:
        """Publish a partition's levels again, before any that is decided from now on.

        An earlier owner may have delivered an old level after a newer one. What it left unacknowledged it may still deliver,
        for as long as it is paused; once it goes on it joins the group again, so each rebalance restates those levels again.
        """
        current = await self._database.run_with_retry(
            "load", lambda c: room.levels(c, claim.partition, claim.at_ms, keys)
        )
        if current:
            offset = claim.next_offset - 1
            records = [
                last_value(each, self._ownership.partitioning.generation, claim.partition, offset) for each in current
            ]
            self._background.start(self._publisher.publish(records), "restate levels")
