"""What time ends of an order whose lines are not all answered: real broker, real database."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import pytest
import pytest_asyncio
from typing_extensions import override

from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.runtime.deciding.now import Deadlines
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.owner import PartitionOwner
from infra.base.connections import database
from infra.base.rooms import replayed_rooms
from infra.base.settings import Settings
from infra.ops.overdue.orders import waiting_orders
from producers.clients.orders import OrderRequest, place_order_lines
from schemas.messages import Message
from schemas.terms import SHIP_AVAILABLE
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order

DEADLINES = Deadlines(gather_ms=1_000)
DECIDERS: Final = tuple(
    OrdersRoom(deadlines=DEADLINES) if isinstance(room, OrdersRoom) else room for room in replayed_rooms()
)
"""Who replays what rooms have decided that wait for so short a time."""
OVERDUE = "SELECT deadline_ms + 1000 < extract(epoch FROM clock_timestamp()) * 1000 FROM orders WHERE order_id = $1"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


class RoomWithoutCache(OrdersRoom):
    """Loads again whatever it needs."""

    cache_limit = 0


class NeverReminded(OrdersRoom):
    """Asks for no end of any wait."""

    @override
    def reminder(self, state: OrderKeyedState[Order], now_ms: int) -> Message | None:
        return None


@asynccontextmanager
async def running_with(shop: Shop, room: OrdersRoom) -> AsyncIterator[None]:
    """Run every room, this one for orders."""
    owner = PartitionOwner(room, shop.options(), shop.publisher)
    async with shop.running("inventory", "payments", "fulfilment"), shop.owning(owner):
        yield


def incomplete() -> tuple[OrderRequest, Message, Message]:
    """Return an order that goes on with what is there, its line that is not to be had, and the one that comes late."""
    request = msgspec.structs.replace(order(("MUG", 1), ("TIN", 1)), terms=SHIP_AVAILABLE)
    first, late = place_order_lines(request)
    return request, first, late


async def test_an_order_whose_line_never_comes_is_given_up_and_a_line_that_comes_later_goes_back(shop: Shop) -> None:
    request, first, late = incomplete()
    async with running_with(shop, RoomWithoutCache(deadlines=DEADLINES)):
        await shop.receive(TIN=1)
        await shop.say(first)
        await shop.until_quiet(orders=1)
        assert await shop.state(request) == ("rejected", "not_complete_in_time")
        await shop.say(late)
        await shop.until_quiet()
    assert await shop.timeline(request) == ["LineRejected", "OrderRejected", "LineReserved", "LineReleased"]
    assert await shop.levels() == {"TIN": Level(1, 0, 0)}
    await shop.assert_sound(DECIDERS)


@pytest.mark.release
async def test_without_a_reminder_it_waits_for_ever_until_an_owner_takes_over_that_reminds(shop: Shop) -> None:
    request, first, _ = incomplete()
    async with running_with(shop, NeverReminded(deadlines=DEADLINES)):
        await shop.say(first)
        await shop.until(lambda: shop.value(OVERDUE, request.order_id))
        await shop.until_quiet()
        assert await shop.state(request) == ("pending", "")
        async with database(shop.settings) as connection:
            [waits] = await waiting_orders(connection, before_ms=time.time_ns() // 1_000_000)
        assert (waits.order_id, waits.waits_for) == (request.order_id, "lines: 1 of 2 answered")
        assert waits.deadline_ms == waits.since_ms + DEADLINES.gather_ms
    async with running_with(shop, OrdersRoom(deadlines=DEADLINES)):
        await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("rejected", "not_complete_in_time")
