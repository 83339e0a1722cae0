"""A parked SKU in the audit: its own count of what waits, and breaches planted in it."""

from __future__ import annotations

from typing import Any

import pytest

from producers.publisher import Outgoing
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.unit.audit.scenes import BOUNDS, REFUSALS, REPLAY, breaches_of
from tests.unit.audit.world import World
from topology.partitioner import partition_of
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS

DEAD = "dead_letters"
MUG = partition_of(b"MUG", 3)


def letters(world: World) -> list[m.DeadLetter]:
    kept = [decode(record.value) for part in world.log.topics[DEAD_LETTERS.name] for record in part]
    return [letter for letter in kept if isinstance(letter, m.DeadLetter)]


def parked_world() -> World:
    """Park behind a poisoned record, and have an order, a receipt and a suspension come meanwhile."""
    world = World()
    world.receive("MUG", 5)
    decided = world.place(("MUG", 1))
    world.run("inventory")
    world.say(m.ParkSku("park", "MUG", "poisoned", 1))
    world.publish(Outgoing(INVENTORY_COMMANDS.name, MUG, b"MUG", b"poison"))
    world.place(("MUG", 2))
    world.say(m.ReceiveStock("more", "MUG", 3), m.SuspendSale("stop", "MUG", "enough came"))
    world.run()
    world.say(m.ShipLine(decided, 1, "MUG"))
    world.run()
    return world


def let_through(world: World, *, released: int = 0, end: bool = True) -> None:
    waiting = [letter for letter in letters(world) if letter.reason == "parked"][released:]
    world.say(m.ReleaseParked("go", "MUG", "park", released, len(waiting)))
    for letter in waiting:
        world.publish(Outgoing(letter.topic, MUG, letter.key, letter.value))
    if end:
        world.say(m.EndRelease("end", "MUG", "park"))
    world.run()


async def test_a_system_with_a_parked_sku_passes_while_it_is_parked_and_after() -> None:
    world = parked_world()
    assert [letter.reason for letter in letters(world)] == ["not_wire_format", "parked", "parked"]
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert report.finding(DEAD).figure["orders_parked"] == 1
    assert report.finding(REFUSALS).figure["parked"] == 2


async def test_what_waited_is_let_through_and_the_sku_is_free() -> None:
    world = parked_world()
    let_through(world)
    database = world.stop()
    assert [(row.on_hand, row.parking) for row in database.tables["stock"]] == [(7, "")]
    report = await world.audit(database)
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert "orders_parked" not in report.finding(DEAD).figure


@pytest.mark.parametrize(
    ("parking", "names"),
    [
        ("", {REFUSALS, REPLAY, DEAD}),
        ('{"by":"park","is_armed":false,"counted":1,"released":0,"is_open":false}', {REFUSALS, REPLAY}),
        ('{"by":"park","is_armed":false,"counted":2,"released":2,"is_open":false}', {REFUSALS, REPLAY, DEAD}),
    ],
)
async def test_a_count_changed_behind_the_log(parking: str, names: set[str]) -> None:
    world = parked_world()
    database = world.stop()
    database.replace("stock", lambda row: row._replace(parking=parking) if row.sku == "MUG" else row)
    assert await breaches_of(world, database) == names


async def test_an_order_that_was_counted_as_let_through_and_never_came() -> None:
    world = parked_world()
    world.say(m.ReleaseParked("go", "MUG", "park", 0, 2), m.EndRelease("end", "MUG", "park"))
    world.run()
    assert await breaches_of(world) == {DEAD}


async def test_a_line_that_was_reserved_although_its_sku_is_parked() -> None:
    world = World()
    world.receive("MUG", 5)
    world.say(m.ResumeSale("park", "MUG"))
    world.place(("MUG", 2))
    world.run("inventory")
    parked: Any = world.log.topics[INVENTORY_COMMANDS.name][MUG]
    resumed = next(record for record in parked if isinstance(decode(record.value), m.ResumeSale))
    resumed.value = encode(m.ParkSku("park", "MUG", "poisoned"))
    assert {BOUNDS, REPLAY} <= await breaches_of(world)


async def test_a_receipt_that_waits_of_a_sku_that_is_free() -> None:
    world = World()
    world.receive("MUG", 5)
    world.say(m.ParkSku("park", "MUG", "poisoned"), m.ReceiveStock("more", "MUG", 3))
    world.run()
    records: Any = world.log.topics[INVENTORY_COMMANDS.name][MUG]
    place = next(at for at, record in enumerate(records) if isinstance(decode(record.value), m.ParkSku))
    records[place].value = encode(m.ResumeSale("park", "MUG"))
    assert {REFUSALS, REPLAY} <= await breaches_of(world)
