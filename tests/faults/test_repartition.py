"""inventory.commands gets more partitions while orders flow: nothing is lost or doubled, whoever dies or lags behind."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from typing_extensions import override

from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.partitioning_watcher import PartitioningWatcher
from infra.base import connections
from infra.base.settings import Settings
from infra.ops.log import Log
from infra.ops.repartition.change import Done, Repartition, Switched, Target
from producers.clients.orders import OrderClient
from producers.publisher import FORWARDED, Publisher
from schemas.codec.wire import decode
from schemas.messages import DeadLetter
from tests.faults.test_restarts import Flow, progress_after
from tests.faults.test_zombies import UngroupedOwner
from tests.harness.cli import lastunit
from tests.harness.crash_during_repartition import DIED
from tests.harness.race import race
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.waiting import one_turn
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS

BEFORE, AFTER, LATER = 4, 6, 8
STEPS = ("announced", "drained", "partitions_added", "switched")


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=BEFORE, batch_records=20), tmp_path) as opened:
        yield opened


class Outdated(Publisher):
    """A producer that never hears of new partitions."""

    @override
    async def _partitions_of(self, producer: AIOKafkaProducer, topic: str) -> int:
        await super()._partitions_of(producer, topic)
        return BEFORE


def publishing(shop: Shop, kind: type[Publisher] = Publisher) -> Publisher:
    """Return a producer of its own, which knows what Kafka has when it connects."""
    return kind(shop.settings.kafka_bootstrap or "", namespace=shop.settings.namespace)


@asynccontextmanager
async def change_of(shop: Shop, kind: type[Repartition] = Repartition) -> AsyncIterator[Repartition]:
    settings = shop.settings
    target = Target(settings.kafka_bootstrap or "", settings.cluster_id or "", settings.namespace, AFTER, 60.0)
    async with connections.database(settings) as database, Log(target.bootstrap, target.namespace) as log:
        yield kind(target, database, log)


async def killed_after(shop: Shop, step: str) -> int | None:
    environment = {**os.environ, **shop.settings.environment()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.harness.crash_during_repartition", str(AFTER), step, env=environment
    )
    return await asyncio.wait_for(process.wait(), 90)


async def dead_letters(shop: Shop) -> list[DeadLetter]:
    letters = [decode(record.value) for record in await shop.records(DEAD_LETTERS)]
    return [letter for letter in letters if isinstance(letter, DeadLetter)]


async def forwarded(shop: Shop) -> list[Any]:
    return [
        record
        for record in await shop.records(INVENTORY_COMMANDS)
        if any(name == FORWARDED for name, _ in record.headers)
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("steps", [("drained",), pytest.param(STEPS, marks=pytest.mark.release)])
async def test_the_switch_under_load_with_its_tool_and_an_owner_killed_loses_and_doubles_nothing(
    shop: Shop, steps: Sequence[str]
) -> None:
    traffic = await race(shop, 4_646, orders=12_000)
    environment = {**os.environ, **shop.settings.environment()}
    await shop.start_processes()
    await shop.supervisor.start("inventory-2")
    async with Flow(shop, traffic) as flow:
        await shop.until(progress_after(shop, 0))
        for step in steps:
            assert await killed_after(shop, step) == DIED
            if step == "drained":
                await shop.supervisor.kill("inventory")
        if steps == STEPS:  # after "drained" alone the switch holds orders back until its tool is called again
            await shop.until(progress_after(shop, await shop.progress("orders")))
        await shop.supervisor.start("inventory")
        ended = await lastunit(environment, "topology", "repartition", "--partitions", str(AFTER), "--yes")
        assert (ended.status, "nothing to do" in ended.output) == (0, steps == STEPS), ended
        await shop.until(progress_after(shop, await shop.progress("orders")))
        async with publishing(shop, Outdated) as late:
            again = traffic.orders[: flow.placed]
            await OrderClient(late).place(again)
            await OrderClient(late).place([new := order(("MUG", 1)), *again[-20:]])
        await shop.until(progress_after(shop, await shop.progress("orders")))
        partitions = AFTER
        if steps == STEPS:
            partitions = LATER
            further = await lastunit(
                environment, "topology", "repartition", "--partitions", str(LATER), "--yes", "--json"
            )
            print("undisturbed:", further.json["done"])  # noqa: T201  the pause is worth knowing
            await shop.until(progress_after(shop, await shop.progress("orders")))
    await shop.until_quiet(orders=flow.placed + 1)
    assert (await shop.state(new))[0] != "unknown"
    assert await forwarded(shop)
    assert {letter.reason for letter in await dead_letters(shop)} <= {"unexpected"}
    assert len(await shop.database.fetch("SELECT FROM claims WHERE room = 'inventory'")) == partitions
    await shop.assert_sound()


# --- the negative controls ----------------------------------------------------------------------------------------------


class Undrained(Repartition):
    """Switches without waiting until the old partitions are decided to their ends."""

    @override
    async def drain(self) -> None:
        await one_turn()

    @override
    def require_drained(self, starts: Sequence[int], decided: Mapping[int, int], partitions: int) -> None:
        pass

    @override
    async def resume(self, switched: Switched) -> Done:
        return Done(AFTER, 2, 0, 0, 0.0, 0.0)


class Unfenced(Repartition):
    """Tells nobody: owners of before stay owners."""

    @override
    async def fence(self) -> None:
        await one_turn()

    @override
    async def resume(self, switched: Switched) -> Done:
        return Done(AFTER, 2, 0, 0, 0.0, 0.0)


class Unaware(PartitioningWatcher):
    """Looks how keys are partitioned only when it claims."""

    @property
    @override
    def is_due(self) -> bool:
        return False


class Newcomer(UngroupedOwner):
    """Owns the new partitions only, as a process does that joins when the old ones have an owner."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._claim_all = self._claiming.claim_assigned
        self._claiming.claim_assigned = self._claim_new  # type: ignore[method-assign,assignment]

    async def _claim_new(self, *arguments: Any) -> None:
        for partition in range(BEFORE):
            self._ownership._unclaimed.pop(partition, None)
        await self._claim_all(*arguments)


def moving_sku() -> str:
    """Return a SKU that belongs to an old partition before, and to a new one after."""
    names = (f"SKU-{number}" for number in range(100))
    return next(name for name in names if partition_of(name.encode(), AFTER) >= BEFORE)


@pytest.mark.release
async def test_a_switch_that_does_not_wait_for_the_drain_is_caught(shop: Shop) -> None:
    sku = moving_sku()
    async with shop.running("inventory"):
        await shop.receive(**{sku: 10})
        await shop.until_quiet("inventory")
    await shop.place(*(order((sku, 1)) for _ in range(5)))  # nobody decides these before the switch
    async with change_of(shop, Undrained) as change:
        await change.run()
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert "replay_gives_the_same_decisions" in (await shop.audit()).breaches


@pytest.mark.release
@pytest.mark.parametrize("kind", [Repartition, Unfenced])
async def test_the_fence_is_what_keeps_an_owner_of_before_from_deciding_after(
    shop: Shop, kind: type[Repartition]
) -> None:
    sku = moving_sku()
    await shop.receive(**{sku: 10})
    old = PartitionOwner(InventoryRoom(), shop.options(session_timeout_ms=1_000), shop.publisher)
    old._ownership.watcher = Unaware(old.rooms[0], old._database)
    async with shop.owning(old):
        await shop.until_quiet("inventory")
        async with change_of(shop, kind) as change:
            for step in (change.announce, change.drain, change.add_partitions, change.switch):
                await step()
        async with (
            publishing(shop, Outdated) as late,
            publishing(shop) as punctual,
            shop.owning(Newcomer(InventoryRoom(), shop.options(), shop.publisher)),
        ):
            await OrderClient(late).place([order((sku, 1)) for _ in range(5)])
            await OrderClient(punctual).place([order((sku, 1)) for _ in range(5)])
            await shop.until_quiet("inventory")
    if kind is Repartition:
        await shop.assert_sound()
        assert len(await forwarded(shop)) == 5
    else:
        assert "replay_gives_the_same_decisions" in (await shop.audit()).breaches
