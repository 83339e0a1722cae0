"""What was decided before rules had versions is held against facts and sums; what came after, against the rules."""

from __future__ import annotations

import msgspec
import pytest

from infra.ops.audit.report import Report
from producers.publisher import Outgoing
from schemas import messages as m
from schemas.codec.wire import encode
from tests.harness.stricter import OLD, stricter_rooms
from tests.unit.audit.scenes import BOUNDS, LEDGER, OVERSOLD, REPLAY, shipping_world
from tests.unit.audit.world import World, message_of
from topology.rules import NEWEST, UNVERSIONED

GONE = f"{OLD}1"


async def audit(world: World) -> Report:
    return await world.audit(world.stop(), deciders=stricter_rooms())


def with_old_skus(world: World) -> World:
    """Bring in and sell what the stricter rules would refuse, beside what they would not."""
    world.receive(GONE, 7)
    world.receive("WS", 10)
    world.place((GONE, 2), ("WS", 1))
    world.place((GONE, 1))
    world.place((GONE, 99))
    world.run()
    return world


async def test_what_version_0_decided_otherwise_is_named_and_followed_by_facts() -> None:
    world = with_old_skus(World(rules_version=UNVERSIONED))
    report = await audit(world)
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    finding = report.finding(REPLAY)
    assert finding.figure["decided_by_version_0"] == finding.figure["decisions"]
    assert finding.figure["checked_by_facts"] == 4, "a receipt and three lines; what follows from these is as now"
    assert any("Version 0 of the rules decided inventory.commands/" in example for example in finding.examples)


async def test_such_stock_is_adjusted_away_and_retired_under_the_newest_version() -> None:
    world = with_old_skus(World(rules_version=UNVERSIONED))
    world.adopt(NEWEST)
    world.run()
    world.say(m.AdjustStock("count", GONE, -4, "found under WS"), m.ReceiveStock("late", "WS", 4))
    world.run()
    report = await audit(world)
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert report.finding(OVERSOLD).figure["units_received"] == 17


async def test_what_the_newest_version_decided_is_held_against_it() -> None:
    assert REPLAY in (await audit(with_old_skus(World(rules_version=NEWEST)))).breaches
    world = World(rules_version=UNVERSIONED)
    world.receive("WS", 10)
    world.run()
    world.adopt(NEWEST)
    world.run()
    assert REPLAY in (await audit(with_old_skus(world))).breaches, "only what is below the adoption are facts"


@pytest.mark.parametrize("version", [UNVERSIONED, NEWEST])
async def test_facts_that_do_not_add_up_are_breaches_under_every_version(version: int) -> None:
    world = World(lambda output: [more_of(output)], rules_version=version)
    world.receive("MUG", 5)
    world.place(("MUG", 2))
    world.run()
    assert BOUNDS in (await audit(world)).breaches


async def test_a_log_without_a_version_replays_where_nothing_has_changed() -> None:
    world = shipping_world(World(rules_version=UNVERSIONED))
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert report.finding(REPLAY).figure["checked_by_facts"] == 0
    assert report.finding(LEDGER).figure["books_compared"] > 0


def more_of(record: Outgoing) -> Outgoing:
    """Reserve ten times as much as was decided."""
    message = message_of(record)
    if not isinstance(message, m.LineReserved):
        return record
    many = msgspec.structs.replace(message, quantity=message.quantity * 10)
    return msgspec.structs.replace(record, value=encode(many))
