"""Orders on their way through inventory, orders and payments: real broker, real database, simulated processor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from schemas.messages import CancelOrder
from schemas.terms import SHIP_AVAILABLE
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def test_an_order_of_three_lines_is_reserved_authorised_committed_captured_and_paid(shop: Shop) -> None:
    request = order(("MUG", 2), ("TIN", 1), ("JAR", 3))
    await shop.receive(MUG=5, TIN=1, JAR=9)
    async with shop.running():
        await shop.place(request)
        await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("paid", "")
    assert await shop.payment(request) == "captured"
    assert await shop.levels() == {"MUG": Level(5, 0, 2), "TIN": Level(1, 0, 1), "JAR": Level(9, 0, 3)}
    timeline = await shop.timeline(request)
    assert timeline[:3] == ["LineReserved"] * 3
    assert timeline[3:5] == ["OrderReserved", "PaymentAuthorized"]
    assert timeline[5:] == ["LineCommitted"] * 3 + ["OrderPlaced", "PaymentCaptured", "OrderPaid"]
    await shop.assert_sound()


async def test_endings_without_a_sale_leave_neither_stock_nor_money_behind(shop: Shop) -> None:
    declined = order(("MUG", 2), ("TIN", 1), token="tok_declined")
    uncaptured = order(("MUG", 1), ("JAR", 1), token="tok_capture_fails")
    too_much = order(("MUG", 1), ("TIN", 5))
    await shop.receive(MUG=5, TIN=4, JAR=2)
    async with shop.running():
        await shop.place(declined, uncaptured, too_much)
        await shop.until_quiet(orders=3)
    assert await shop.state(declined) == ("rejected", "payment_declined")
    assert await shop.payment(declined) == "declined"
    assert (await shop.state(uncaptured))[0] == "cancelled"
    assert await shop.payment(uncaptured) == "voided"
    assert await shop.state(too_much) == ("rejected", "insufficient_stock")
    assert await shop.payment(too_much) is None
    assert await shop.levels() == {"MUG": Level(5, 0, 0), "TIN": Level(4, 0, 0), "JAR": Level(2, 0, 0)}
    await shop.assert_sound()


async def test_an_order_that_never_arrives_whole_expires_and_a_line_that_comes_later_is_released(shop: Shop) -> None:
    partial = order(("MUG", 2), ("TIN", 1), hold_seconds=1)
    first, late = place_order_lines(partial)
    await shop.receive(MUG=2, TIN=1)
    async with shop.running():
        await shop.say(first)
        await shop.until_quiet(orders=1)
        assert await shop.state(partial) == ("rejected", "incomplete")
        assert await shop.levels() == {"MUG": Level(2, 0, 0), "TIN": Level(1, 0, 0)}
        await shop.say(late)
        await shop.until_quiet()
    assert await shop.state(partial) == ("rejected", "incomplete")
    assert await shop.levels() == {"MUG": Level(2, 0, 0), "TIN": Level(1, 0, 0)}
    assert (await shop.timeline(partial))[-2:] == ["LineReserved", "LineReleased"]
    await shop.assert_sound()


@pytest.mark.release
async def test_a_hold_that_expires_during_a_slow_payment_takes_the_stock_again_where_it_is_there(shop: Shop) -> None:
    slow = order(("MUG", 2), hold_seconds=1)
    await shop.receive(MUG=2)
    async with shop.running("inventory", "orders"):
        await shop.place(slow)
        await shop.until(lambda: _has_expired(shop))
        await shop.until_quiet("inventory", "orders")
        assert (await shop.state(slow))[0] == "reserved", "the payment may still come"
        async with shop.running("payments", "fulfilment"):
            await shop.until_quiet(orders=1)
    assert (await shop.state(slow))[0] == "paid"
    assert await shop.levels() == {"MUG": Level(2, 0, 2)}
    await shop.assert_sound()


async def test_a_hold_that_expires_during_a_slow_payment_is_rejected_and_voided_where_the_stock_is_gone(
    shop: Shop,
) -> None:
    slow, quick = order(("MUG", 2), hold_seconds=1), order(("MUG", 1), ("TIN", 1))
    await shop.receive(MUG=2)
    async with shop.running("inventory", "orders"):
        await shop.place(slow)
        await shop.until(lambda: _has_expired(shop))
        await shop.say(place_order_lines(quick)[0])
        await shop.until_quiet("inventory", "orders")
        async with shop.running("payments", "fulfilment"):
            await shop.until_quiet(orders=1)
    assert await shop.state(slow) == ("rejected", "insufficient_stock")
    assert await shop.payment(slow) == "voided"
    assert await shop.levels() == {"MUG": Level(2, 1, 0)}, "the other order still waits for its second line"
    await shop.assert_sound()


async def _has_expired(shop: Shop) -> bool:
    return bool(await shop.value("SELECT count(*) FROM holds WHERE state = 3")) and not await shop.value(
        "SELECT count(*) FROM outbox"
    )


async def test_orders_that_are_cancelled_on_their_way_give_everything_back_once(shop: Shop) -> None:
    unheard, gathered, reserved = order(("MUG", 1)), order(("MUG", 1), ("TIN", 1)), order(("MUG", 1), ("TIN", 1))
    await shop.receive(MUG=5, TIN=5)
    async with shop.running("orders"):
        await shop.say(CancelOrder(unheard.order_id, "customer", "changed my mind"))
        await shop.until_quiet("orders", orders=1)
        async with shop.running("inventory"):
            await shop.place(unheard, reserved)
            await shop.say(place_order_lines(gathered)[0])
            await shop.until_quiet("inventory", "orders")
            assert [(await shop.state(request))[0] for request in (gathered, reserved)] == ["pending", "reserved"]
            cancellations = [CancelOrder(request.order_id, "merchant", "recalled") for request in (gathered, reserved)]
            await shop.say(*cancellations, *cancellations)
            await shop.until_quiet("inventory", "orders", orders=3)
            await shop.say(place_order_lines(gathered)[1])
            async with shop.running("payments", "fulfilment"):
                await shop.until_quiet(orders=3)
    assert await shop.state(unheard) == ("cancelled", "changed my mind")
    assert await shop.state(gathered) == await shop.state(reserved) == ("cancelled", "recalled")
    assert await shop.timeline(unheard) == ["OrderCancelled", "LineReserved", "LineReleased"]
    assert (await shop.timeline(reserved)).count("OrderCancelled") == 1
    assert await shop.levels() == {"MUG": Level(5, 0, 0), "TIN": Level(5, 0, 0)}
    assert await shop.payment(reserved) == "voided"
    await shop.assert_sound()


async def test_an_order_goes_on_with_the_lines_that_are_there_where_its_terms_say_so(shop: Shop) -> None:
    wanted = order(("MUG", 2), ("TIN", 1), ("JAR", 3))
    request = msgspec.structs.replace(wanted, terms=SHIP_AVAILABLE)
    await shop.receive(MUG=5, TIN=1, JAR=2)
    async with shop.running():
        await shop.place(request)
        await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("paid", "")
    row = await shop.database.fetchrow("SELECT line_count, amount_minor FROM orders")
    assert row is not None
    assert tuple(row) == (2, 3 * 500)
    assert await shop.levels() == {"MUG": Level(5, 0, 2), "TIN": Level(1, 0, 1), "JAR": Level(2, 0, 0)}
    await shop.assert_sound()
