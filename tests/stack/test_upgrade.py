"""A live system of the previous release, taken over: no order lost or doubled, and the books hold."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from infra.base.rooms import BOOKKEEPERS
from infra.base.settings import Settings
from infra.ops.rules import adopt_everywhere, in_force
from schemas.messages import AdjustStock, ReceiveStock, RetireSku, ShipOrder
from tests.harness.releases import BEFORE_INTAKE, previous_release
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.stricter import stricter_rooms
from topology.rules import NEWEST
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("end", [pytest.param(signal.SIGTERM, marks=pytest.mark.release), signal.SIGKILL])
async def test_a_system_of_the_previous_release_is_taken_over(
    settings: Settings, tmp_path: Path, end: signal.Signals
) -> None:
    small = in_miniature(settings)
    async with previous_release(small, tmp_path) as previous:
        ids = await previous.fill()
        lost = ids.pop("misrouted")
        await previous.stop(end)
    async with open_shop(small, tmp_path, migrated=False) as shop:
        await shop.start_processes()
        await shop.until_quiet()
        rows = await shop.database.fetch("SELECT order_id::text, state FROM orders")
        states = {row["order_id"]: row["state"] for row in rows}
        assert {name: states[order_id] for name, order_id in ids.items()} == {
            "paid": "paid",
            "shipped": "shipped",
            "delivered": "delivered",
            "returned": "delivered",
            "refunded": "paid",
            "cancelled": "cancelled",
            "at_shipping": "placed",
            "declined": "rejected",
            "capture_failed": "cancelled",
            "requires_action": "reserved",
            "sold_out": "rejected",
            "blank": "paid",
            "foreign": "paid",
        }
        report = await shop.audit()
        assert report.breaches == {"dead_letters"}, "an order that was misrouted then was lost"
        assert lost in report.finding("dead_letters").examples[0]
        await shop.place(msgspec.structs.replace(order(("MUG", 1)), order_id=lost))
        await shop.until_quiet()
        assert await shop.value("SELECT state FROM orders WHERE order_id = $1", lost) == "paid"
        await shop.assert_sound()
        await retire_what_is_no_longer_lawful(shop)


@pytest.mark.release
async def test_rooms_that_read_order_commands_themselves_are_taken_over_wherever_each_stood(
    settings: Settings, tmp_path: Path
) -> None:
    """Orders is behind the others, so these get commands a second time that they have decided; nothing is lost or doubled."""
    small = in_miniature(settings)
    async with previous_release(small, tmp_path, BEFORE_INTAKE) as previous:
        ids = await previous.run("place")
        previous.interrupt(signal.SIGUSR1)
        more = await previous.run("ask", *ids)
        await previous.stop(signal.SIGKILL)
    async with open_shop(small, tmp_path, migrated=False) as shop:
        stood = "SELECT room, sum(next_offset)::int AS next FROM order_commands_decided GROUP BY room"
        reached = {row["room"]: row["next"] for row in await shop.database.fetch(stood)}
        assert reached["orders"] < min(reached["payments"], reached["fulfilment"])
        await shop.start_processes()
        await shop.until_quiet()
        rows = await shop.database.fetch("SELECT order_id::text, state FROM orders")
        states = {row["order_id"]: row["state"] for row in rows}
        expected = ["cancelled"] * 3 + ["shipped"] * 4 + ["paid"] * 5 + ["paid"] * 4
        assert [states[order_id] for order_id in (*ids, *more)] == expected
        assert await shop.records(DEAD_LETTERS) == []
        attempts = "SELECT count(*) FROM payment_attempts WHERE kind = 'refund'"
        assert await shop.value(attempts) == 3 + 5, "each is given back once"
        await shop.assert_sound()
        replay = (await shop.audit()).finding("replay_gives_the_same_decisions").figure
        assert replay["decisions"] > 0 == replay["checked_by_facts"]


async def retire_what_is_no_longer_lawful(shop: Shop) -> None:
    """Adopt the rules of this release, then empty and retire the SKU that differs from another by a blank."""
    topics = (INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS)
    await adopt_everywhere(shop.settings, topics=topics, timeout_seconds=0)
    await shop.until_quiet()
    in_use = await in_force(shop.settings, topics)
    assert {version for each in in_use for room, version in each.versions.items() if room in BOOKKEEPERS} == {NEWEST}
    left = (await shop.levels())["WS "]
    assert left.on_hand == left.allocated + 5, "seven came in, two are sold and not shipped yet"
    await shop.say(AdjustStock("upgrade-1", "WS ", -5, "counted as WS"), ReceiveStock("upgrade-2", "WS", 5))
    sold = await shop.value("SELECT order_id::text FROM holds WHERE sku = 'WS '")
    await shop.say(ShipOrder(sold, "S1", (), "post", "T1"))
    await shop.until(lambda: shop.value("SELECT on_hand = 0 FROM stock WHERE sku = 'WS '"))
    await shop.say(RetireSku("upgrade-3", "WS "))
    await shop.until(lambda: shop.value("SELECT is_retired FROM stock WHERE sku = 'WS '"))
    await shop.until_quiet()
    for rooms in (None, stricter_rooms()):
        report = await shop.audit(rooms)
        assert report.holds, [finding for finding in report.findings if not finding.holds]
    figures = report.finding("replay_gives_the_same_decisions").figure
    assert 0 < figures["checked_by_facts"] < figures["decided_by_version_0"] < figures["decisions"]
