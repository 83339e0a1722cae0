"""A sound system passes, at rest, in motion, and with records sent twice."""

from __future__ import annotations

from consumers.runtime.deciding.decision import outgoing
from infra.ops.audit.report import NAMES
from infra.ops.audit.rows import OutboxRow
from producers.publisher import Outgoing
from schemas import messages as m
from schemas.limits import GATHER_MS
from schemas.terms import SHIP_AVAILABLE
from tests.unit.audit.scenes import (
    GOODS,
    LEDGER,
    OVERSOLD,
    PROGRESS,
    REFUSALS,
    REPLAY,
    breaches_of,
    busy_world,
    shipping_world,
)
from tests.unit.audit.world import World, message_of


async def test_a_sound_system_passes_with_its_figures() -> None:
    world = busy_world(World())
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert tuple(report.invariants) == NAMES
    figures = report.finding(OVERSOLD).figure
    assert figures["units_received"] == 18
    assert figures["units_sold"] + figures["units_held"] + figures["units_available"] == 18
    assert figures["oversold_units"] == 0
    assert report.finding(REFUSALS).figure["for_lack_of_stock"] == 3
    assert report.finding(PROGRESS).figure["final"] == 5
    assert report.finding(PROGRESS).figure["waiting_for_shipment"] == 3
    assert report.finding(LEDGER).figure["books_compared"] == 8
    assert report.finding(GOODS).figure["fulfilments"] == 3
    assert report.finding(REPLAY).figure["events"] > 40


async def test_a_system_that_ships_and_takes_back_passes_with_its_figures() -> None:
    world = shipping_world(World())
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    goods, progress = (report.finding(name).figure for name in (GOODS, PROGRESS))
    ledger = report.finding(LEDGER).money["GBP"]
    assert (goods["fulfilments"], goods["parcels"], goods["returns"]) == (10, 7, 1)
    assert ledger["refunded_minor"] == 1_500 + 500 + 1_500 + 70  # lost, one line returned, cancelled, a kindness
    assert ledger["books_refunded_minor"] == ledger["refunded_minor"]
    assert ledger["books_held_minor"] == 1_000 + 1_500  # of one order a line was shipped, of one nothing
    assert (progress["final"], progress["waiting_for_shipment"], progress["waiting_for_delivery"]) == (6, 3, 1)


async def test_an_idle_system_passes() -> None:
    assert await breaches_of(World()) == set()


async def test_a_system_in_motion_passes_and_reports_what_it_waits_for() -> None:
    world = World()
    world.receive("MUG", 5)
    world.place(("MUG", 1))
    world.place(("MUG", 1), ("HAT", 1), keep=1)
    world.run("inventory")
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure["undecided_records"] > 0


async def test_what_waits_in_the_outbox_is_not_lost() -> None:
    kept: list[Outgoing] = []

    def hold_back(record: Outgoing) -> list[Outgoing]:
        if isinstance(message_of(record), m.OrderPaid):
            kept.append(record)
            return []
        return [record]

    world = busy_world(World(hold_back))
    database = world.stop()
    database.waiting = [OutboxRow("orders", 0, 1, kept)]
    assert kept
    report = await world.audit(database)
    assert report.breaches == set()
    assert report.finding(REPLAY).figure["waiting_in_outbox"] == len(kept)


async def test_an_order_whose_last_line_never_came_waits_for_its_holds_to_end() -> None:
    world = World()
    world.receive("MUG", 5)
    world.place(("MUG", 1), ("MUG", 1), keep=1)
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure["waiting_for_missing_lines_or_expiry"] == 1


async def test_an_order_of_which_nothing_could_be_had_yet_waits_for_its_other_lines() -> None:
    world = World()
    world.place(("MUG", 1), ("HAT", 1), keep=1, terms=SHIP_AVAILABLE)
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure["waiting_for_missing_lines"] == 1


async def test_lines_that_nobody_stops_to_wait_for_leave_their_order_in_limbo() -> None:
    world = World()
    world.place(("MUG", 1), ("HAT", 1), keep=1, terms=SHIP_AVAILABLE)
    world.run()
    database = world.stop()
    database.now_ms += GATHER_MS + 50_000
    assert await breaches_of(world, database) == set()
    database.now_ms += 60_000
    assert await breaches_of(world, database) == {PROGRESS}


async def test_an_order_that_was_given_up_is_over() -> None:
    world = World()
    world.place(("MUG", 1), ("HAT", 1), keep=1, terms=SHIP_AVAILABLE)
    world.run()
    world.now_ms += GATHER_MS
    for partition in range(3):
        world.publish(outgoing(m.EndWaits("orders", world.now_ms, 100), partition=partition))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure["final"] == 1


async def test_a_hold_that_nobody_ends_leaves_its_order_in_limbo() -> None:
    world = World()
    world.receive("MUG", 5)
    world.place(("MUG", 1), ("MUG", 1), keep=1)
    world.run()
    database = world.stop()
    database.now_ms += 3_600_000
    assert await breaches_of(world, database) == {PROGRESS}


async def test_an_expired_order_is_over() -> None:
    world = World()
    world.receive("MUG", 5)
    world.place(("MUG", 1), ("MUG", 1), keep=1)
    world.run()
    world.now_ms += 3_600_000
    for partition in range(3):
        world.publish(outgoing(m.ExpireHolds(world.now_ms, 100), partition=partition))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure["final"] == 1


async def test_dead_letters_are_counted_by_reason_and_break_nothing() -> None:
    world = busy_world(World())
    world.publish(Outgoing("inventory.commands", 0, b"MUG", b"garbage"))
    world.publish(Outgoing("order.events", 1, b"MUG", b"\x00garbage", b"inventory.commands/0/0/99"))
    world.run()
    report = await world.audit(world.stop())
    letters = report.finding("dead_letters")
    assert letters.holds
    assert letters.figure["dead_letters"] == 5  # each of four rooms refuses what is on order.events
    assert report.breaches == {REPLAY}  # nobody who decides wrote that event
