"""What the audit's tests share: the findings' names, a world where much happens, and one that says things changed."""

from __future__ import annotations

import msgspec

from producers.publisher import Outgoing
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.unit.audit.memory import MemorySnapshot
from tests.unit.audit.world import World, message_of

REPLAY = "replay_gives_the_same_decisions"
ONCE = "each_command_took_effect_once"
TWICE = "no_position_decided_twice"
BOUNDS = "stock_within_bounds"
SUMS = "on_hand_is_the_sum_of_movements"
OVERSOLD = "nothing_oversold"
REFUSALS = "every_refusal_was_justified"
PROGRESS = "every_order_is_final_or_waits"
MONEY = "money_matches_goods"
LEDGER = "money_ledger_balances"
GOODS = "goods_are_where_they_should_be"
LETTERS = "dead_letters"
NOTICES = "notifications_are_on_their_way"
DECIDED = "every_record_was_decided"


def busy_world(world: World) -> World:
    """Let every branch of the saga happen at least once."""
    world.receive("MUG", 5)
    world.receive("HAT", 3)
    world.receive("BAG", 10)
    world.place(("MUG", 2), ("HAT", 1))
    world.place(("HAT", 1), ("MUG", 1), ("MUG", 1))
    world.place(("BAG", 4), token="tok_declined")
    world.place(("BAG", 4), token="tok_capture_fails")
    world.place(("MUG", 9))
    world.place(("BAG", 1), ("MUG", 9))
    world.run()
    world.place(("MUG", 1))
    world.place(("MUG", 1))
    world.run()
    return world


def shipping_world(world: World) -> World:
    """Let goods go out and come back in every way, under both terms of capture."""
    world.receive("MUG", 20)
    world.receive("HAT", 20)
    at_placing = [world.place(("MUG", 1), ("HAT", 2)) for _ in range(6)]
    at_shipping = [world.place(("MUG", 1), ("HAT", 2), terms=CAPTURE_AT_SHIPPING) for _ in range(3)]
    world.place(("MUG", 1))
    world.run()
    delivered, returned, lost, in_part, kept, cancelled = at_placing
    for order_id in (delivered, returned, lost, kept, at_shipping[0]):
        world.say(m.ShipOrder(order_id, "S1", (), "post", "T1"))
    for order_id in (in_part, at_shipping[1]):
        world.say(m.ShipOrder(order_id, "S1", (1,), "post", "T1"))
    world.say(m.CancelOrder(cancelled, "customer", "changed my mind"))
    world.run()
    world.say(*(m.ConfirmDelivery(order_id, "S1") for order_id in (delivered, returned, kept, in_part, at_shipping[0])))
    world.say(m.ReportLostParcel(lost, "S1", "lost"), m.RefundOrder(kept, "sorry", 70, "scratched"))
    world.run()
    world.say(m.RequestReturn(returned, "R1", (1,), "too small"), m.ApproveReturn(returned, "R1"))
    world.run()
    world.say(m.ReceiveReturn(returned, "R1", (), "quarantine"))
    world.run()
    return world


async def breaches_of(world: World, database: MemorySnapshot | None = None) -> set[str]:
    return (await world.audit(database or world.stop())).breaches


def changing(kind: type[m.Message], **fields: object) -> World:
    """Return a world in which each fact of this kind reaches its topic with these fields; without fields, not at all."""

    def tamper(record: Outgoing) -> list[Outgoing]:
        message = message_of(record)
        if not isinstance(message, kind):
            return [record]
        if not fields:
            return []
        return [msgspec.structs.replace(record, value=encode(msgspec.structs.replace(message, **fields)))]

    return World(tamper)
