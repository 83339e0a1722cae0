"""Whoever can write to order.events moves no money by it: an event that its room did not decide is a dead letter, and named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.errors import NotDecidedError
from consumers.payments.room import PaymentsRoom
from consumers.runtime.owner import PartitionOwner
from infra.base.rooms import FOLLOWERS
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from producers.clients.orders import OrderRequest
from schemas import messages as m
from tests.harness.foreign_producers import letters
from tests.harness.forging import forge, home_of, moved
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

REPLAY = "replay_gives_the_same_decisions"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        await opened.receive(MUG=50)
        yield opened


async def believable_ids(shop: Shop, request: OrderRequest) -> list[str | None]:
    """Return ids of causes that orders has decided, has not, cannot have read, and what is none."""
    home = home_of(request)
    async with shop.log() as log:
        ends = {topic.name: (await log.ends(topic))[home] for topic in (ORDER_COMMANDS, ORDER_EVENTS)}
    within = [f"{name}/{home}/{end - 1}/0" for name, end in ends.items()]
    beyond = [f"{name}/{home}/{end + 1_000}/0" for name, end in ends.items()]
    elsewhere = [f"order.commands/{(home + 1) % PARTITIONS}/0/0", f"inventory.commands/{home}/0/0"]
    return [*within, *beyond, *elsewhere, f"order.commands/{home}/0", None]


async def paid(shop: Shop, *rooms: str) -> OrderRequest:
    request = order(("MUG", 2))
    await shop.place(request)
    await shop.until_quiet(*rooms, orders=1)
    assert await shop.payment(request) == "captured"
    return request


async def test_a_forged_cancellation_moves_no_money_and_is_named_and_a_true_one_refunds(shop: Shop) -> None:
    async with shop.running():
        request = await paid(shop)
        forged = await believable_ids(shop, request)
        for event_id in forged:
            await forge(shop, request, event_id)
        await shop.until_quiet()
        assert await moved(shop, request) == ["authorize", "capture"]
        dead_letters = await letters(shop)
        assert {letter.reason for letter in dead_letters} == {NotDecidedError.REASON}
        assert [letter.room for letter in dead_letters] == ["fulfilment"] * len(forged) + ["payments"] * len(forged)
        for why in ("that order is paid in orders", "orders decides nothing there any more"):
            assert any(
                f"OrderCancelled of {request.order_id}: " in letter.detail and why in letter.detail
                for letter in dead_letters
            )

        report = await shop.audit()
        assert report.breaches == {REPLAY}
        finding = report.finding(REPLAY)
        assert finding.figure["not_decided_by_their_room"] == len(forged)
        where = f"{ORDER_EVENTS.name}/{home_of(request)}/{dead_letters[0].offset}"
        assert finding.examples[0].startswith(
            f"{where} was published by no room, and fulfilment and payments refused it"
        )

        await shop.say(m.CancelOrder(request.order_id, requested_by="customer", reason="changed_mind"))
        await shop.until_quiet()
        assert await shop.state(request) == ("cancelled", "changed_mind")
        assert await moved(shop, request) == ["authorize", "capture", "refund"]
        assert len(await letters(shop)) == len(dead_letters)


@pytest.mark.release
async def test_without_the_guard_money_moves(shop: Shop) -> None:
    """The negative control of the test above."""
    await shop.supervisor.start(PROCESSOR)
    room = PaymentsRoom(shop.processor, shop.publisher)
    room.guards = frozenset()
    async with shop.running("inventory", "orders"), shop.owning(PartitionOwner(room, shop.options(), shop.publisher)):
        request = await paid(shop, "inventory", "orders", "payments")
        await forge(shop, request, (await believable_ids(shop, request))[0])
        await shop.until_quiet("inventory", "orders", "payments")
        assert await moved(shop, request) == ["authorize", "capture", "refund"]


async def test_no_forged_event_moves_money_behind_a_shared_reader_either(shop: Shop) -> None:
    """Neither before an order is placed nor after; that nothing is shipped of it orders does not believe anybody either."""
    await shop.supervisor.start(PROCESSOR)
    owner = PartitionOwner([shop.room(name) for name in FOLLOWERS], shop.options(), shop.publisher)
    async with shop.running("inventory"), shop.owning(owner):
        request = await paid(shop, *FOLLOWERS)
        order_id, home = request.order_id, home_of(request)
        for event in (
            m.OrderRejected(order_id, "insufficient_stock"),
            m.RefundRequested(order_id, "line:1", 500, "returned"),
            m.FulfilmentCancelled(order_id, "nothing_left_to_ship"),
            m.OrderPlaced(order_id, 100_000, "EUR"),  # from which nothing follows any more
        ):
            await forge(shop, request, f"order.commands/{home}/1/0", event)
        never = order(("MUG", 1))
        reserved = m.OrderReserved(never.order_id, 1, 100_000, "GBP", "customer-1", never.payment_token)
        await forge(shop, never, f"order.events/{home_of(never)}/0/0", reserved)
        await shop.until_quiet(*FOLLOWERS)
        assert await moved(shop, request) == ["authorize", "capture"]
        assert await moved(shop, never) == []
        assert await shop.state(request) == ("paid", "")
        dead_letters = await letters(shop)
        refused = sorted((letter.room, letter.detail.split()[0]) for letter in dead_letters)
        # Nothing follows from the placing, so it is refused only where a commit beside it was, and all was looked at.
        assert [each for each in refused if each[1] != "OrderPlaced"] == [
            ("orders", "FulfilmentCancelled"),
            ("payments", "OrderRejected"),
            ("payments", "OrderReserved"),
            ("payments", "RefundRequested"),
        ]
        assert {letter.reason for letter in dead_letters} == {NotDecidedError.REASON}
        assert sum("orders keeps nothing of that order" in letter.detail for letter in dead_letters) == 1


async def test_a_true_event_waits_for_a_room_whose_database_went_back_and_is_decided_then(shop: Shop) -> None:
    request = order(("MUG", 1))
    async with shop.running("inventory", "orders"):
        await shop.place(request)
        await shop.until_quiet("inventory", "orders")
    assert (await shop.state(request))[0] == "reserved"
    for statement in (
        "UPDATE claims SET next_offsets = '{0}', at_ms = 0, batch = 0, last_records = NULL WHERE room = 'orders'",
        "DELETE FROM orders",
    ):
        await shop.database.execute(statement)
    await shop.supervisor.start(PROCESSOR)
    owner = PartitionOwner(shop.room("payments"), shop.options(), shop.publisher, shop.readiness)

    async def waits() -> bool:
        return any("until orders has decided" in why for why in shop.readiness.obstacles.values())

    async with shop.owning(owner):
        await shop.until(waits)
        assert await shop.payment(request) is None
        async with shop.running("inventory", "orders", "fulfilment"):
            await shop.until_quiet(orders=1)
    assert await shop.payment(request) == "captured"
    assert await letters(shop) == []
    assert not any("until orders has decided" in why for why in shop.readiness.obstacles.values())
    await shop.assert_sound()
