"""Forged facts of inventory and payments: no order is paid without money, none withdrawn or refunded whose goods are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from consumers.errors import NotDecidedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.orders.room import OrdersRoom
from consumers.runtime.owner import PartitionOwner
from infra.base.rooms import FOLLOWERS
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from producers.clients.orders import OrderRequest
from schemas import messages as m
from tests.harness.foreign_producers import letters
from tests.harness.forging import forge, home_of, moved
from tests.harness.shop import Shop, in_miniature, open_shop, order

DECIDED = "inventory.commands/0/0/0"
"""An id of an event about a line whose cause inventory has decided."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        await opened.receive(MUG=50, TIN=50, CUP=50)  # so that each partition of inventory has a record
        yield opened


async def unpaid(shop: Shop, *rooms: str) -> OrderRequest:
    """Return an order whose payment its customer has still to confirm."""
    request = order(("MUG", 2), token="tok_3ds")
    await shop.place(request)
    await shop.until_quiet(*rooms)
    assert (await shop.state(request), await shop.payment(request)) == (("reserved", ""), "requires_action")
    return request


async def of_payments(shop: Shop, request: OrderRequest) -> str:
    """Return an id of an event about an order's money whose cause payments has decided."""
    home = home_of(request)
    positions = await shop.value("SELECT next_offsets FROM claims WHERE room = 'payments' AND partition = $1", home)
    return f"order.events/{home}/{positions[0] - 1}/0"


async def claim_to_be_paid(shop: Shop, request: OrderRequest, *rooms: str) -> None:
    """Append, one after the other, what an order is placed and paid by, although nobody has confirmed the payment."""
    order_id = request.order_id
    authorization_id = await shop.value("SELECT authorization_id FROM payments WHERE order_id = $1", order_id)
    for event in (
        m.PaymentAuthorized(order_id, authorization_id, 1_000, "EUR"),
        m.PaymentCaptured(order_id, authorization_id, 1_000, "EUR"),
    ):
        await forge(shop, request, await of_payments(shop, request), event)
        await shop.until_quiet(*rooms)


async def refused(shop: Shop) -> set[tuple[str, str]]:
    """Return which room refused which events as decided by no room."""
    dead_letters = [letter for letter in await letters(shop) if letter.reason == NotDecidedError.REASON]
    return {(letter.room, letter.detail.split()[0]) for letter in dead_letters}


async def test_a_forged_payment_neither_places_an_order_nor_pays_it_nor_lets_goods_go(shop: Shop) -> None:
    async with shop.running():
        request = await unpaid(shop)
        await claim_to_be_paid(shop, request)
        committed = m.LineCommitted(request.order_id, 1, "MUG", 2)
        await forge(shop, request, DECIDED, committed)
        paid = m.OrderPaid(request.order_id, 1_000, "EUR", (m.OrderedLine(1, "MUG", 2, 500),))
        await forge(shop, request, f"order.events/{home_of(request)}/0/0", paid)
        await shop.until_quiet()
        assert await shop.state(request) == ("reserved", "")
        assert await shop.value("SELECT count(*) FROM fulfilments") == 0
        assert await refused(shop) >= {
            ("orders", "PaymentAuthorized"),
            ("orders", "LineCommitted"),
            ("fulfilment", "OrderPaid"),
        }
        assert await moved(shop, request) == ["authorize"]


async def test_without_the_guard_of_orders_goods_go_that_nobody_paid(shop: Shop) -> None:
    """The negative control of the test above."""
    rooms = ("inventory", "payments", "fulfilment", "orders")
    room = OrdersRoom()
    room.guards = frozenset()
    async with shop.running(*rooms[:-1]), shop.owning(PartitionOwner(room, shop.options(), shop.publisher)):
        request = await unpaid(shop, *rooms)
        await claim_to_be_paid(shop, request, *rooms)
        assert (await shop.state(request), await shop.payment(request)) == (("paid", ""), "requires_action")
        assert await shop.value("SELECT state FROM fulfilments") == "open"


def untrue(order_id: str) -> tuple[m.Message, ...]:
    """Return what would end or pay back a paid order of two mugs, all of which are in the house."""
    return (
        m.LineReturned(order_id, 1, "MUG", 2, "damaged"),
        m.LineShipped(order_id, 1, "MUG", 2),
        m.LineCommandRefused(order_id, 1, "MUG", "ShipLine", "not_committed"),
        m.PaymentCaptureFailed(order_id, "au-1", "expired"),
        m.PaymentChangedExternally(order_id, "au-1", "refunded", 1_000, "GBP", 0, 0, 1_000),
    )


async def paid(shop: Shop, *rooms: str) -> OrderRequest:
    request = order(("MUG", 2))
    await shop.place(request)
    await shop.until_quiet(*rooms, orders=1)
    assert await shop.payment(request) == "captured"
    return request


async def test_a_forged_return_of_a_line_pays_nothing_back_and_a_true_one_does(shop: Shop) -> None:
    await shop.supervisor.start(PROCESSOR)
    owner = PartitionOwner([shop.room(name) for name in FOLLOWERS], shop.options(), shop.publisher)
    async with shop.running("inventory"), shop.owning(owner):
        request = await paid(shop, *FOLLOWERS)
        for event in untrue(request.order_id):
            of_a_line = hasattr(event, "sku")
            await forge(shop, request, DECIDED if of_a_line else await of_payments(shop, request), event)
        absent = m.LineReturned(request.order_id, 1, "MUG", 2, "damaged")
        await forge(shop, request, "inventory.commands/999/0/0", absent)
        await shop.until_quiet(*FOLLOWERS)
        assert await moved(shop, request) == ["authorize", "capture"]
        assert (await shop.state(request), await shop.value("SELECT state FROM fulfilments")) == (("paid", ""), "open")
        names = {type(event).__name__ for event in untrue(request.order_id)}
        assert {name for _, name in await refused(shop)} == names
        assert any("that log ends at 0" in letter.detail for letter in await letters(shop))

        await shop.say(m.ReturnLine(request.order_id, 1, "MUG", "damaged", "quarantine"))
        await shop.until_quiet("inventory", *FOLLOWERS)
        assert await moved(shop, request) == ["authorize", "capture", "refund"]


async def test_without_the_guard_of_fulfilment_a_forged_return_pays_back(shop: Shop) -> None:
    """The negative control of the test above."""
    rooms = ("inventory", "orders", "payments", "fulfilment")
    room = FulfilmentRoom()
    room.guards = frozenset()
    async with shop.running(*rooms[:-1]), shop.owning(PartitionOwner(room, shop.options(), shop.publisher)):
        request = await paid(shop, *rooms)
        await forge(shop, request, DECIDED, untrue(request.order_id)[0])
        await shop.until_quiet(*rooms)
        assert await moved(shop, request) == ["authorize", "capture", "refund"]
