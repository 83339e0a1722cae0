"""What `verify` must find of positions, outboxes and topics."""

from __future__ import annotations

from infra.ops.audit.rows import OutboxRow
from schemas import messages as m
from tests.unit.audit.memory import PARTITIONS
from tests.unit.audit.scenes import (
    DECIDED,
    REPLAY,
    TWICE,
    breaches_of,
    busy_world,
    changing,
)
from tests.unit.audit.world import World
from topology.partitioner import partition_of


async def test_a_batch_in_the_outbox_that_was_never_decided() -> None:
    world = busy_world(World())
    database = world.stop()
    database.waiting = [OutboxRow("orders", 0, 99, [])]
    assert await breaches_of(world, database) == {TWICE}


async def test_a_position_beyond_the_log() -> None:
    world = busy_world(World())
    database = world.stop()
    claim = database.claims["orders", 0]
    database.claims["orders", 0] = claim._replace(next_offset=claim.next_offset + 1)
    assert await breaches_of(world, database) == {TWICE}


async def test_a_topic_that_got_more_partitions_by_hand_is_named_and_breaks_nothing() -> None:
    world = busy_world(World())
    world.log.topics["order.events"].append([])
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(TWICE).examples == [
        "order.events has 4 partitions, of which 3 are in use: `lastunit topology check`"
    ]


async def test_records_that_were_moved_past_are_named_before_all_other_breaches() -> None:
    world = World()
    world.receive("MUG", 5)
    home = partition_of(b"MUG", PARTITIONS)
    for _ in range(4):
        world.place(("MUG", 1))
    world.receive("MUG", 9, "receipt-2")
    world.skipped = {("inventory.commands", home, offset) for offset in (3, 4, 6)}
    world.run()
    report = await world.audit(world.stop())
    assert {DECIDED, REPLAY} <= report.breaches
    assert report.findings[0].examples == [
        f"inventory never decided 2 records of inventory.commands/{home} from offset 3 on",
        f"inventory never decided 1 records of inventory.commands/{home} from offset 6 on",
    ]


async def test_an_event_that_was_lost_is_no_record_without_a_decision() -> None:
    assert DECIDED not in await breaches_of(busy_world(changing(m.OrderPaid)))
