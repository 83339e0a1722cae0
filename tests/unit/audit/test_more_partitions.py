"""The audit of a system whose inventory.commands got more partitions, once or twice; and what goes wrong is found."""

from __future__ import annotations

import msgspec
import pytest

from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.deciding.partitioning import Generation
from infra.ops.audit.history import DecisionFilter, audited_decisions
from infra.ops.audit.inputs import AuditInputs
from producers.publisher import Outgoing
from schemas import messages as m
from tests.unit.audit.memory import PARTITIONS
from tests.unit.audit.scenes import ONCE, REPLAY, TWICE, breaches_of, busy_world
from tests.unit.audit.world import World
from topology.partitioner import partition_of

MORE, MOST = 5, 8
SKUS = [f"SKU-{n}" for n in range(12)]


def sale(world: World) -> None:
    """Sell some of each SKU, and more than there is of some."""
    for n, sku in enumerate(SKUS):
        world.place((sku, 1 + n % 3), (SKUS[n - 1], 2), customer=f"c{n % 4}", cart="" if n % 2 else "cart")
    world.run()


def grown(*counts: int) -> World:
    """Return a world that sold before, between and after its changes."""
    world = World()
    for sku in SKUS:
        world.receive(sku, 14)
    world.say(*(m.SetPurchaseLimit(f"limit/{sku}", sku, 9) for sku in SKUS[:4]))
    busy_world(world)
    sale(world)
    for count in counts:
        world.repartition(count)
        sale(world)
    return world


def late(world: World, sku: str, count: int = PARTITIONS) -> None:
    """Let a producer that knows an earlier number of partitions receive a unit."""
    record = outgoing(m.ReceiveStock(f"late/{sku}/{count}", sku, 1))
    world.publish(msgspec.structs.replace(record, partition=partition_of(sku.encode(), count)))


@pytest.mark.parametrize("counts", [(MORE,), (MORE, MOST)])
async def test_a_sound_system_stays_sound(counts: tuple[int, ...]) -> None:
    world = grown(*counts)
    for sku in SKUS:
        late(world, sku)
    world.run()
    database = world.stop()
    assert {row.partition for row in database.tables["stock"]} > {MORE - 1}
    report = await world.audit(database)
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert all(row.on_hand > 0 for row in database.tables["stock"])


async def test_an_audit_in_the_middle_of_a_change_is_not_disturbed() -> None:
    """Announced and made in Kafka, but not in force: producers use the new partitions, nobody decides about them yet."""
    world = grown()
    database = world.stop()
    records = world.log.topics["inventory.commands"]
    starts = tuple(map(len, records)) + (0,) * (MORE - PARTITIONS)
    database.generations["inventory.commands"].append(Generation(MORE, starts, in_force=False))
    records += [[] for _ in range(MORE - PARTITIONS)]
    world.place((SKUS[0], 1), *((sku, 1) for sku in SKUS[1:]))
    assert any(records[PARTITIONS:])
    assert await breaches_of(world, database) == set()


async def test_rows_that_stayed_where_the_sku_was_are_found() -> None:
    world = grown(MORE)
    database = world.stop()
    moved = next(row for row in database.tables["stock"] if row.partition >= PARTITIONS)
    old = partition_of(moved.sku.encode(), PARTITIONS)
    database.replace("holds", lambda row: row._replace(partition=old) if row.sku == moved.sku else row)
    assert REPLAY in await breaches_of(world, database)


async def test_a_generation_that_began_before_the_one_before_was_decided_is_found() -> None:
    world = grown(MORE)
    database = world.stop()
    claim = database.claims["inventory", 0]
    start = database.generations["inventory.commands"][-1].starts[0]
    database.claims["inventory", 0] = claim._replace(next_offset=start - 1)
    assert TWICE in await breaches_of(world, database)


async def test_an_owner_that_decides_for_a_sku_that_has_moved_is_found() -> None:
    """Without its state it is a second writer; with the records of the right one beside it, both are seen."""
    world = World()
    for sku in SKUS:
        world.receive(sku, 14)
    sale(world)
    world.repartition(MORE, distribute_states=False)
    sale(world)
    assert REPLAY in await breaches_of(world)


@pytest.mark.parametrize("change", [{"value": b"x"}, {"key": b"MUG"}, {"headers": (("ce_id", b"y"),)}])
async def test_a_record_that_was_not_sent_on_as_it_was_is_found(change: dict[str, object]) -> None:
    def tamper(record: Outgoing) -> list[Outgoing]:
        return [record if record.headers is None else msgspec.structs.replace(record, **change)]

    world = World(tamper)
    sku = next(candidate for candidate in SKUS if partition_of(candidate.encode(), MORE) >= PARTITIONS)
    world.receive(sku, 5)
    world.run()
    world.repartition(MORE)
    late(world, sku)
    world.run()
    assert {REPLAY} <= await breaches_of(world) <= {REPLAY, ONCE}


async def test_a_record_that_was_sent_on_by_nobody_is_found() -> None:
    world = grown(MORE)
    record = outgoing(m.ReceiveStock("forged", SKUS[0], 1))
    world.publish(msgspec.structs.replace(record, event_id=b"inventory.commands/0/1/forward", headers=()))
    world.run()
    assert REPLAY in await breaches_of(world)


async def test_a_replay_of_one_sku_goes_through_its_partitions() -> None:
    world = grown(MORE)
    sku = next(
        candidate
        for candidate in SKUS
        if partition_of(candidate.encode(), MORE) != partition_of(candidate.encode(), PARTITIONS)
    )
    late(world, sku)
    world.run()
    inputs = AuditInputs(world.stop(), world.log)
    await inputs.gather()
    steps = [step async for step in audited_decisions(inputs, DecisionFilter(room="inventory", sku=sku))]
    old, new = (partition_of(sku.encode(), count) for count in (PARTITIONS, MORE))
    assert [int(step.position.split("/")[1]) for step in steps if step.input == "ReceiveStock"] == [old, new]
    assert all(step.difference is None for step in steps)
    befores = [step.before[sku] for step in steps if sku in step.before]
    afters = [step.after[sku] for step in steps if sku in step.after]
    assert befores[1:] == afters[:-1], "one story, without a break where the SKU moved"
