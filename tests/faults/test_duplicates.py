"""Everything is sent again: during the race, after it, in any order. Each command takes effect once."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from typing_extensions import override

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.room import Room
from infra.ops.audit.checks.processor_books import read_books
from producers.clients.orders import place_order_lines
from producers.clients.stock import receipts_of, receive_stock
from producers.publisher import Outgoing
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.messages import Message
from tests.harness.race import race
from tests.harness.shop import Shop, order
from tests.samples import samples
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

ORDERS = samples(150)
SEED = 8_128


@pytest.mark.timeout(400)
async def test_a_race_ends_soundly_when_every_line_is_sent_twice_in_any_order(shop: Shop) -> None:
    draw = random.Random(SEED)
    traffic = await race(shop, SEED, orders=ORDERS)
    lines = [line for each in traffic.orders for line in place_order_lines(each)] * 2
    receipts = [receive_stock(each) for each in receipts_of("delivery", traffic.stock)]
    messages: list[Message] = [*lines, *receipts]
    draw.shuffle(messages)
    async with shop.running():
        for start in range(0, len(messages), 50):
            await shop.say(*messages[start : start + 50])
            await shop.until(lambda start=start: shop.has_decided("inventory", start))  # type: ignore[misc]
        await shop.until_quiet(orders=ORDERS)
    await shop.assert_sound()
    assert await shop.value("SELECT sum(on_hand) FROM stock") == sum(traffic.stock.values())


@pytest.mark.release
@pytest.mark.timeout(400)
async def test_a_log_that_is_published_again_whole_and_shuffled_changes_nothing(shop: Shop) -> None:
    traffic = await race(shop, SEED, orders=ORDERS)
    async with shop.running():
        await shop.place(*traffic.orders)
        await shop.until_quiet(orders=ORDERS)
        ended = await how_it_ended(shop)
        for topics in ((INVENTORY_COMMANDS, ORDER_COMMANDS), (ORDER_EVENTS,)):
            for topic in topics:
                again = [
                    Outgoing(topic.name, record.partition, record.key, record.value or b"", event_id(record))
                    for record in await shop.records(topic)
                ]
                random.Random(SEED).shuffle(again)
                await shop.publisher.publish(again)
            await shop.until_quiet(orders=ORDERS)
            assert await how_it_ended(shop) == ended
    await shop.assert_sound()
    # An OrderPlaced that comes again after its payment was voided is put before a person's eyes; nothing else is.
    letters = [decode(record.value) for record in await shop.records(DEAD_LETTERS)]
    assert {(letter.room, letter.reason) for letter in letters} <= {("payments", "unexpected")}  # type: ignore[attr-defined]


def event_id(record: Any) -> bytes:
    return bytes(dict(record.headers).get("ce_id", b""))


async def how_it_ended(shop: Shop) -> dict[str, Any]:
    """Return all that customers, the warehouse and the bank care about."""
    orders = await shop.database.fetch("SELECT order_id::text, state, reason, amount_minor FROM orders ORDER BY 1")
    payments = await shop.database.fetch("SELECT order_id::text, state, authorization_id FROM payments ORDER BY 1")
    sold = await shop.database.fetch(
        "SELECT order_id::text, line, sku, quantity FROM holds WHERE state = 1 ORDER BY 1, 2, 3"
    )
    return {
        "orders": [tuple(row) for row in orders],
        "payments": [tuple(row) for row in payments],
        "sold": [tuple(row) for row in sold],
        "levels": await shop.levels(),
        "bank": await read_books(shop.supervisor.processor_url),
    }


# --- the negative control -----------------------------------------------------------------------------------------------


class RoomWithoutCache(InventoryRoom):
    """An inventory that does not remember which lines it holds, nor has its table a key by which to find them."""

    save = InventoryRoom.save.replace("ON CONFLICT (order_id, line, sku) DO UPDATE SET state = excluded.state", "")

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        if isinstance(message, m.PlaceOrderLine):
            state.holds.pop((message.order_id, message.line, message.sku), None)
        return super().decide(state, message, at_ms)


@pytest.mark.release
@pytest.mark.parametrize("room", [InventoryRoom(), RoomWithoutCache()])
async def test_the_holds_are_what_makes_a_duplicate_harmless(shop: Shop, room: Room[Any]) -> None:
    twice = order(("MUG", 2))
    if isinstance(room, RoomWithoutCache):
        await shop.database.execute("ALTER TABLE holds DROP CONSTRAINT holds_pkey")
    await shop.receive(MUG=10)
    async with shop.owning(PartitionOwner(room, shop.options(), shop.publisher)):
        for _ in range(2):
            await shop.place(twice)
            await shop.until_quiet("inventory")
    if isinstance(room, RoomWithoutCache):  # orders would stop at once: two holds confirm one event
        assert (await shop.levels())["MUG"].reserved == 4
        report = await shop.audit()
        assert {"each_command_took_effect_once", "replay_gives_the_same_decisions"} <= report.breaches
    else:
        async with shop.running("orders"):
            await shop.until_quiet("orders")
        assert (await shop.levels())["MUG"].reserved == 2
        await shop.assert_sound()
