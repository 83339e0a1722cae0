"""A log in which nothing stands where it belongs: decided once, replayed to the same bytes, under the rules that were in force."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from producers.publisher import FORWARDED, Outgoing
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.outside import asked
from tests.unit.audit.memory import PARTITIONS, Kept
from tests.unit.audit.scenes import OVERSOLD, REPLAY
from tests.unit.audit.world import Tamper, World
from topology.partitioner import partition_of
from topology.rules import FORWARDS_MISROUTED
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, ORDER_COMMANDS

BEFORE = FORWARDS_MISROUTED - 1
OUTSIDE = {INVENTORY_COMMANDS.name, ORDER_COMMANDS.name}


def unchanged(output: Outgoing) -> Sequence[Outgoing]:
    return [output]


class WorldAstray(World):
    """A producer outside puts each command one partition beside its own, and every second one without a key."""

    def __init__(self, tamper: Tamper = unchanged, *, rules_version: int = FORWARDS_MISROUTED) -> None:
        self.errs = True
        super().__init__(tamper, rules_version=rules_version)

    def publish(self, record: Outgoing) -> Kept:
        if not (self.errs and record.topic in OUTSIDE and record.key and not record.event_id):
            return super().publish(record)
        partition = (partition_of(record.key, PARTITIONS) + 1) % PARTITIONS
        key = record.key if self.now_ms % 20 else None
        return super().publish(msgspec.structs.replace(record, partition=partition, key=key))


def forwards(world: World) -> list[Kept]:
    records = (record for part in world.log.topics[INVENTORY_COMMANDS.name] for record in part)
    return [record for record in records if any(name == FORWARDED for name, _ in record.headers)]


def letters(world: World) -> list[m.Message]:
    return [decode(record.value) for part in world.log.topics[DEAD_LETTERS.name] for record in part]


def events(world: World, kind: type[m.Message]) -> list[m.Message]:
    return [event for event in map(decode, (record.value for record in world.events())) if isinstance(event, kind)]


async def test_with_every_command_misrouted_each_order_is_decided_once_and_the_log_replays() -> None:
    world = WorldAstray()
    world.receive("MUG", 3)
    world.receive("TEE", 9)
    orders = [world.place(("MUG", 1), ("TEE", 1)) for _ in range(5)]
    world.run()
    world.say(m.CancelOrder(orders[0], "customer", "late"))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert report.finding(OVERSOLD).holds
    assert len(forwards(world)) == 2 + 10
    assert letters(world) == []
    outcomes = [event.order_id for event in events(world, m.OrderPlaced) + events(world, m.OrderRejected)]  # type: ignore[attr-defined]
    assert sorted(outcomes) == sorted(orders)
    assert [event.order_id for event in events(world, m.OrderCancelled)] == orders[:1]  # type: ignore[attr-defined]


async def test_a_forwarded_record_that_comes_twice_changes_nothing() -> None:
    world = WorldAstray(lambda output: [output, output] if output.headers is not None else [output])
    world.receive("MUG", 3)
    order = world.place(("MUG", 1))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert len(forwards(world)) == 4
    assert [event.order_id for event in events(world, m.OrderPaid)] == [order]  # type: ignore[attr-defined]
    assert report.finding(OVERSOLD).figure["units_received"] == 3


async def test_an_older_log_with_misrouted_records_replays_as_it_was_decided_and_forwards_from_then_on() -> None:
    world = WorldAstray(rules_version=BEFORE)
    world.receive("MUG", 3, "first")
    world.run()
    assert [type(letter) for letter in letters(world)] == [m.DeadLetter]
    world.adopt(FORWARDS_MISROUTED)
    world.receive("MUG", 2, "second")
    order = world.place(("MUG", 1))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    assert len(letters(world)) == 1
    assert len(forwards(world)) == 2
    assert [event.order_id for event in events(world, m.OrderPaid)] == [order]  # type: ignore[attr-defined]
    assert report.finding(OVERSOLD).figure["units_received"] == 2


@pytest.mark.parametrize("loses", [True, False])
async def test_an_audit_finds_a_record_that_was_not_forwarded_or_not_as_it_was(loses: bool) -> None:
    def tamper(output: Outgoing) -> Sequence[Outgoing]:
        if output.headers is None:
            return [output]
        return [] if loses else [msgspec.structs.replace(output, headers=(("new", b"x"),))]

    world = WorldAstray(tamper)
    world.receive("MUG", 3)
    world.run()
    assert REPLAY in (await world.audit(world.stop())).breaches


async def test_a_dead_letter_is_an_event_of_its_order_and_the_audit_knows_it() -> None:
    world = WorldAstray()
    world.errs = False
    world.receive("MUG", 3)
    order = world.place(("MUG", 1))
    world.run()
    world.publish(msgspec.structs.replace(asked(m.CancelOrder(order, "customer", "late")), key=b"another"))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    [event] = events(world, m.RecordDeadLettered)
    assert (event.order_id, event.message_type, event.reason) == (order, "CancelOrder", "key_mismatch")  # type: ignore[attr-defined]
