"""The change itself, step by step.

Each step is one transaction, or harmless to repeat, so a run that was cut short at any point is finished by the next one.
Owners are fenced when the change is announced, and again when it is in force, so it does not matter when they learn of it.

Decision: docs/decisions, 005.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.inventory.room import InventoryRoom
from consumers.runtime.deciding.partitioning import Generation, generations_in, in_force
from consumers.runtime.postgres.sql import load_queries
from infra.ops.repartition.errors import RepartitionError, RepartitionRefusedError
from infra.ops.repartition.plan import Plan, moves, require_possible, starts_of_next, undrained
from topology import admin
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from infra.ops.log import Log

QUERIES: Final = load_queries("infra.ops.repartition")
MOVED_TABLES: Final = ("stock", "holds", "movements", "purchases")
TOPIC: Final = INVENTORY_COMMANDS
_ROOM: Final = InventoryRoom.name
_LOOK_SECONDS: Final = 0.1


class Target(msgspec.Struct, frozen=True):
    """Where and how many. `cluster_id` is insisted on; the seconds bound each of the two waits for the owners."""

    bootstrap: str
    cluster_id: str
    namespace: str
    partitions: int
    wait_seconds: float = 300.0


class Progress(msgspec.Struct, frozen=True):
    """Something that is done now, for whoever watches."""

    name: str
    detail: str


class Switched(msgspec.Struct, frozen=True):
    """What the switch moved and how long it took; `epochs` are those that it left, by partition."""

    moved_skus: int
    moved_rows: int
    seconds: float
    epochs: dict[int, int]


class Done(msgspec.Struct, frozen=True):
    """What came of it. No command was decided beyond the drained ones for `pause_seconds`; Kafka took them all along."""

    partitions: int
    generation: int
    moved_skus: int
    moved_rows: int
    switch_seconds: float
    pause_seconds: float


class Repartition:
    """One run. `report` gets each step once it is done."""

    def __init__(
        self,
        target: Target,
        database: asyncpg.Connection,
        log: Log,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._target = target
        self._database = database
        self._log = log
        self._report = report

    async def plan(self) -> Plan:
        """Return what would be done. Raises RepartitionRefusedError for what cannot be."""
        generations, _ = await self._generations()
        ends = await self._log.ends(TOPIC)
        wanted = self._target.partitions
        require_possible(TOPIC.name, generations, wanted, len(ends))
        now = in_force(generations)[-1].partitions
        skus = [row["sku"] for row in await self._database.fetch(QUERIES["skus"])]
        decided = await self._decided()
        return Plan(
            topic=TOPIC.name,
            partitions=now,
            wanted=wanted,
            in_kafka=len(ends),
            skus=len(skus),
            moving=len(moves(skus, now, wanted)),
            lag=tuple(max(0, end - decided.get(partition, 0)) for partition, end in enumerate(ends[:now])),
            announced=_is_announced(generations),
        )

    async def run(self) -> Done:
        """Do all that is left to do. Raises RepartitionError when the owners do not follow; run again then."""
        await self.announce()
        await self.drain()
        await self.add_partitions()
        return await self.resume(await self.switch())

    async def cancel(self) -> bool:
        """Call off what was only announced; return whether there was anything. Raises RepartitionError when too late."""
        generations, _ = await self._generations()
        now = in_force(generations)[-1].partitions
        if not _is_announced(generations):
            return False
        if (in_kafka := len(await self._log.ends(TOPIC))) > now:
            raise RepartitionError(
                f"It is too late: Kafka has {in_kafka} partitions already and cannot take them away. Finish the change: "
                f"--partitions {generations[-1].partitions} --yes."
            )
        async with self._database.transaction():
            await self._database.execute(QUERIES["lock_claims"])
            await self._database.execute(QUERIES["cancel"], TOPIC.name)
            await self.fence()
        return True

    # --- the steps ------------------------------------------------------------------------------------------------------

    async def announce(self) -> None:
        """Write down where the old partitions end, and fence every owner: who claims again stops there."""
        generations, _ = await self._generations()
        if _is_announced(generations):
            self._report(Progress("announced", "by an earlier run"))
            return
        now = in_force(generations)[-1].partitions
        ends = await self._log.ends(TOPIC)
        async with self._database.transaction():
            await self._database.execute(QUERIES["lock_claims"])
            await self._database.execute(QUERIES["open_claims"], _ROOM, now, 0)
            starts = starts_of_next(ends[:now], await self._decided(), self._target.partitions)
            await self._database.execute(
                QUERIES["announce"], TOPIC.name, len(generations) + 1, self._target.partitions, starts
            )
            await self.fence()
        self._report(
            Progress("announced", f"each of {now} partitions is decided up to where it ends now, and no further")
        )

    async def drain(self) -> None:
        """Wait until each old partition is decided exactly up to its end. Raises RepartitionError when it is not."""
        generations, _ = await self._generations()
        now, starts = in_force(generations)[-1].partitions, generations[-1].starts
        deadline = asyncio.get_running_loop().time() + self._target.wait_seconds
        while left := undrained(starts, await self._decided(), now):
            if beyond := sorted(partition for partition, records in left.items() if records < 0):
                raise RepartitionError(
                    f"Partitions {beyond} were decided beyond their ends: does an inventory of an earlier release run? "
                    "Call this off (--cancel), replace that process, and begin again."
                )
            if asyncio.get_running_loop().time() > deadline:
                where = ", ".join(f"{partition} ({records} commands)" for partition, records in sorted(left.items()))
                raise RepartitionError(
                    f"Not drained within {self._target.wait_seconds:.0f} s: partition {where}. Does the inventory run? "
                    "Then run this again to go on, or call it off: --cancel."
                )
            await asyncio.sleep(_LOOK_SECONDS)
        self._report(Progress("drained", f"{now} partitions are decided to their ends"))

    async def add_partitions(self) -> None:
        """Make the partitions in Kafka: from here on the change can only be finished."""
        target = self._target
        await admin.add_partitions(
            target.bootstrap,
            TOPIC.in_namespace(target.namespace),
            target.partitions,
            expected_cluster_id=target.cluster_id,
        )
        self._report(Progress("partitions_added", f"Kafka has {target.partitions}"))

    async def switch(self) -> Switched:
        """Move the rows of the SKUs that move, and put the new number in force, in one transaction.

        Raises RepartitionError when a partition is not where it was drained to.
        """
        begun = asyncio.get_running_loop().time()
        generations, _ = await self._generations()
        number, before = len(generations), in_force(generations)[-1].partitions
        async with self._database.transaction():
            starts = await self._database.fetchval(QUERIES["lock_announced"], TOPIC.name, number)
            if starts is None:
                raise RepartitionError("Another run has made the switch meanwhile; nothing is left to do.")
            claims = await self._database.fetch(QUERIES["positions_locked"], _ROOM)
            self.require_drained(starts, {row["partition"]: row["next"] for row in claims}, before)
            moved, rows = await self._move(before)
            at_ms = max(row["at_ms"] for row in claims)
            await self._database.execute(QUERIES["open_claims"], _ROOM, self._target.partitions, at_ms)
            await self._database.execute(QUERIES["advance_time"], _ROOM, at_ms)
            await self.fence()
            await self._database.execute(QUERIES["switch"], TOPIC.name, number)
            epochs = await self._epochs()
        switched = Switched(moved, rows, asyncio.get_running_loop().time() - begun, epochs)
        self._report(Progress("switched", f"{moved} SKUs with {rows} rows moved in {switched.seconds:.2f} s"))
        return switched

    async def resume(self, switched: Switched) -> Done:
        """Wait until every partition has an owner again. Raises RepartitionError when one does not get any."""
        deadline = asyncio.get_running_loop().time() + self._target.wait_seconds
        while waiting := [p for p, epoch in (await self._epochs()).items() if epoch <= switched.epochs[p]]:
            if asyncio.get_running_loop().time() > deadline:
                raise RepartitionError(
                    f"The switch is made, but partitions {waiting} have no owner yet: does the inventory run? Its log "
                    "says why. Nothing is left to do here."
                )
            await asyncio.sleep(_LOOK_SECONDS)
        generations, announced_at = await self._generations()
        pause_seconds = await self._database.fetchval(QUERIES["seconds_since"], announced_at)
        self._report(Progress("resumed", "every partition has an owner"))
        return Done(
            partitions=self._target.partitions,
            generation=len(generations),
            moved_skus=switched.moved_skus,
            moved_rows=switched.moved_rows,
            switch_seconds=switched.seconds,
            pause_seconds=pause_seconds,
        )

    # --- what makes it safe ---------------------------------------------------------------------------------------------

    async def fence(self) -> None:
        """Raise every claim's epoch: nobody commits any more who has not claimed again, and so learned of the change."""
        await self._database.execute(QUERIES["fence"], _ROOM)

    def require_drained(self, starts: Sequence[int], decided: Mapping[int, int], partitions: int) -> None:
        """Raise RepartitionError when a partition is not decided exactly up to where the next generation starts."""
        if left := undrained(starts, decided, partitions):
            raise RepartitionError(f"Not drained: partitions {sorted(left)}. Nothing was switched; run this again.")

    # --- the database ---------------------------------------------------------------------------------------------------

    async def _generations(self) -> tuple[list[Generation], datetime]:
        """Return every generation, and when the last one was announced. Raises RepartitionRefusedError without any."""
        rows = await self._database.fetch(QUERIES["generations"], TOPIC.name)
        if not rows:
            raise RepartitionRefusedError(
                f"No inventory has ever run here, so nobody knows {TOPIC.name}'s partitions. Before the first start, set "
                "LASTUNIT_PARTITIONS instead."
            )
        return generations_in(row[:3] for row in rows), rows[-1]["announced_at"]

    async def _decided(self) -> dict[int, int]:
        return {row["partition"]: row["next"] for row in await self._database.fetch(QUERIES["positions"], _ROOM)}

    async def _epochs(self) -> dict[int, int]:
        return {row["partition"]: row["epoch"] for row in await self._database.fetch(QUERIES["positions"], _ROOM)}

    async def _move(self, before: int) -> tuple[int, int]:
        """Give the rows of the SKUs that move their new partition; return how many SKUs and rows."""
        skus = [row["sku"] for row in await self._database.fetch(QUERIES["skus"])]
        moving = moves(skus, before, self._target.partitions)
        await self._database.execute(QUERIES["moves"])
        await self._database.copy_records_to_table("moves", records=list(moving.items()))
        await self._database.execute("ANALYZE moves")
        rows = 0
        for table in MOVED_TABLES:
            done = await self._database.execute(
                f"UPDATE {table} t SET partition = m.partition FROM moves m WHERE t.sku = m.sku"  # noqa: S608  ours
            )
            rows += int(done.rpartition(" ")[2])
        return len(moving), rows


def _is_announced(generations: Sequence[Generation]) -> bool:
    return not generations[-1].in_force
