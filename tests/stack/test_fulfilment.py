"""Goods on their way out and back: real broker, real database, simulated processor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio

from consumers.fulfilment.room import FulfilmentRoom
from consumers.runtime.deciding.now import Deadlines
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from producers.clients.orders import OrderRequest
from schemas import messages as m
from tests.harness.cloud_events import cloud_events
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from topology.topics import TOPICS

STATE = "SELECT state FROM fulfilments WHERE order_id = $1"
REFUNDED = "SELECT refunded_minor FROM payments WHERE order_id = $1"
QUARANTINED = "SELECT quarantined FROM stock WHERE sku = $1"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def paid(shop: Shop, request: OrderRequest, **stock: int) -> None:
    await shop.receive(**stock)
    await shop.place(request)
    await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("paid", "")


async def send_commands(shop: Shop, *commands: m.Message) -> None:
    """Say these one after the other, each once all that follows from those before it is done."""
    for command in commands:
        await shop.say(command)
        await shop.until_quiet()


class RoomWithoutCache(FulfilmentRoom):
    """Loads again whatever it needs."""

    cache_limit = 0


@asynccontextmanager
async def running_with(shop: Shop, room: FulfilmentRoom) -> AsyncIterator[None]:
    """Run every room, this one for fulfilment."""
    owner = PartitionOwner(room, shop.options(), shop.publisher)
    async with shop.running("inventory", "orders", "payments"), shop.owning(owner):
        yield


async def test_two_parcels_go_out_and_two_lines_come_back_one_of_them_broken(shop: Shop) -> None:
    request = order(("MUG", 2), ("TIN", 1), ("JAR", 3))
    order_id = request.order_id
    async with running_with(shop, RoomWithoutCache()):
        await paid(shop, request, MUG=5, TIN=4, JAR=9)
        first = m.ShipOrder(order_id, "S1", (1, 2), "post", "T1")
        await send_commands(shop, first, first)
        assert await shop.value(STATE, order_id) == "partly_shipped"
        assert await shop.levels() == {"MUG": Level(3, 0, 0), "TIN": Level(3, 0, 0), "JAR": Level(9, 0, 3)}
        await send_commands(shop, m.ShipOrder(order_id, "S2", (), "van", "T2"), m.ConfirmDelivery(order_id, "S1"))
        assert await shop.state(request) == ("shipped", "")
        await send_commands(shop, m.ConfirmDelivery(order_id, "S2"))
        assert await shop.state(request) == ("delivered", "")
        await send_commands(
            shop,
            m.RequestReturn(order_id, "R1", (1, 2), "too many"),
            m.ApproveReturn(order_id, "R1"),
            m.ReceiveReturn(order_id, "R1", (1,)),
            m.ReceiveReturn(order_id, "R1", (2,), "quarantine"),
        )
        assert await shop.value(REFUNDED, order_id) == 3 * 500
    assert await shop.state(request) == ("delivered", "")
    assert await shop.payment(request) == "partially_refunded"
    assert await shop.levels() == {"MUG": Level(5, 0, 0), "TIN": Level(4, 0, 0), "JAR": Level(6, 0, 0)}
    assert await shop.value(QUARANTINED, "TIN") == 1
    timeline = await shop.timeline(request)
    assert timeline.count("ShipmentShipped") == 2
    assert timeline.count("RefundRequested") == timeline.count("PaymentRefunded") == 2
    assert timeline.count("OrderShipped") == timeline.count("OrderDelivered") == 1
    events = [event for topic in TOPICS for event in cloud_events(topic, await shop.records(topic))]
    assert {"lastunit.ReceiveReturn", "lastunit.StockLevel", "lastunit.OrderPaid"} <= {
        event.get_type() for event in events
    }
    await shop.assert_sound()


async def test_goods_that_left_cannot_be_cancelled_and_what_did_not_leave_can(shop: Shop) -> None:
    sent, kept = order(("MUG", 1)), order(("MUG", 1))
    async with shop.running():
        await shop.receive(MUG=2)
        await shop.place(sent, kept)
        await shop.until_quiet(orders=2)
        await send_commands(
            shop,
            m.ShipOrder(sent.order_id, "S1", (), "post", "T1"),
            m.CancelOrder(sent.order_id, "customer", "too late"),
            m.CancelOrder(kept.order_id, "customer", "in time"),
            m.ShipOrder(kept.order_id, "S1", (), "post", "T1"),
        )
    assert await shop.state(sent) == ("shipped", "")
    assert await shop.state(kept) == ("cancelled", "in time")
    assert await shop.payment(kept) == "refunded"
    assert await shop.levels() == {"MUG": Level(1, 0, 0)}
    assert (await shop.timeline(sent))[-1] == (await shop.timeline(kept))[-1] == "OrderCommandRefused"
    await shop.assert_sound()


async def test_time_ends_what_nobody_ships_and_what_nobody_confirms_by_commands_on_the_log(shop: Shop) -> None:
    forgotten, sent = order(("MUG", 1)), order(("TIN", 1))
    soon = Deadlines(ship_within_ms=4_000, delivery_presumed_ms=500)
    async with running_with(shop, RoomWithoutCache(deadlines=soon)):
        await shop.receive(MUG=1, TIN=1)
        await shop.place(forgotten, sent)
        await shop.until(lambda: shop.value(STATE, sent.order_id))
        await shop.say(m.ShipOrder(sent.order_id, "S1", (), "post", "T1"))
        await shop.until(lambda: has_come_to(shop, sent, "delivered"))
        await shop.until(lambda: has_come_to(shop, forgotten, "cancelled"))
        await shop.until_quiet()
    assert (await shop.state(forgotten))[1] == "not_shipped_in_time"
    assert await shop.payment(forgotten) == "refunded"
    assert await shop.levels() == {"MUG": Level(1, 0, 0), "TIN": Level(0, 0, 0)}


async def has_come_to(shop: Shop, request: OrderRequest, state: str) -> bool:
    return (await shop.state(request))[0] == state


async def test_a_duplicate_of_a_payment_whose_row_was_forgotten_is_found_by_its_key(shop: Shop) -> None:
    request = order(("MUG", 1))
    async with shop.running():
        await paid(shop, request, MUG=1)
    async with shop.running():
        await shop.say(m.OrderPaid(request.order_id, 500, "EUR", (m.OrderedLine(1, "MUG", 1, 500),)))
        await shop.until_quiet()
    assert await shop.value("SELECT count(*) FROM fulfilments") == 1
