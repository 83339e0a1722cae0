"""An audit names each event that no room decided, decides again as those who refused it, and finds a refusal that was wrong."""

from __future__ import annotations

import pytest

from producers.publisher import BY_KEY, Outgoing
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.unit.audit.memory import Kept
from tests.unit.audit.scenes import MONEY, REPLAY, breaches_of
from tests.unit.audit.world import World
from topology.topics import ORDER_EVENTS


def paying_world() -> tuple[World, str]:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 2))
    world.run()
    return world, order_id


def forge(world: World, order_id: str, *, under: str = "") -> Kept:
    """Publish a cancellation under the id of a cause that orders has decided, or under a given one."""
    [placed] = [event for event in world.events() if isinstance(decode(event.value), m.OrderPlaced)]
    event_id = under or f"{ORDER_EVENTS.name}/{placed.partition}/{placed.offset}/0"
    cancelled = m.OrderCancelled(order_id, "changed_mind", "customer")
    return world.publish(Outgoing(ORDER_EVENTS.name, BY_KEY, order_id.encode(), encode(cancelled), event_id.encode()))


@pytest.mark.parametrize("under", ["", "order.commands/9/1/0", "order.events/0/999999/0", "nonsense"])
async def test_a_forged_event_that_was_refused_is_named_and_breaks_nothing_else(under: str) -> None:
    world, order_id = paying_world()
    forged = forge(world, order_id, under=under)
    world.forged.add((forged.partition, forged.offset))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == {REPLAY}
    [named] = report.finding(REPLAY).examples
    where = f"order.events/{forged.partition}/{forged.offset}"
    assert named == f"{where} was published by no room, and fulfilment and payments refused it: no such decision"
    assert report.finding(REPLAY).figure["not_decided_by_their_room"] == 1


async def test_one_that_nobody_refused_moves_money_and_is_found_by_the_money_too() -> None:
    """The negative control: rooms without a guard."""
    world, order_id = paying_world()
    forge(world, order_id)
    world.run()
    assert await breaches_of(world) >= {REPLAY, MONEY}


async def test_a_true_event_that_was_refused_is_a_breach_of_its_own() -> None:
    world, order_id = paying_world()
    world.say(m.CancelOrder(order_id, requested_by="customer", reason="changed_mind"))
    world.run("orders", "fulfilment")
    [true] = [event for event in world.events() if isinstance(decode(event.value), m.OrderCancelled)]
    world.forged.add((true.partition, true.offset))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == {REPLAY, MONEY}
    event_id = dict(true.headers)["ce_id"].decode()
    wrong = f"{event_id} was decided by its room, and was refused as if it were not"
    assert wrong in report.finding(REPLAY).examples
