"""PostgreSQL restored to an older state than the log: orders, their money and their events come out as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from infra.base.settings import Settings
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness.restoring import restored
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.shop_evidence import copies
from topology.topics import DEAD_LETTERS, ORDER_EVENTS

REFUND = 130
ANSWERS_TO_A_REPEAT = {"OrderCommandRefused", "LineCommandRefused", "LineCommitFailed"}
"""What answers a command that is on the log a second time, since who published it has decided again; nothing follows from it."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        await opened.receive(MUG=100)
        yield opened


async def events(shop: Shop) -> dict[bytes, str]:
    """Return the name of each event by its id. Each was published with one content only, however often."""
    published = copies(await shop.records(ORDER_EVENTS))
    assert all(len(contents) == 1 for contents in published.values())
    names = {event_id: type(decode(next(iter(contents)))) for event_id, contents in published.items()}
    return {event_id: kind.__name__ for event_id, kind in names.items() if kind in ORDER_EVENTS.carries}


async def books(shop: Shop) -> list[tuple[object, ...]]:
    """Return where each order and its money stand, by order."""
    rows = await shop.database.fetch(
        "SELECT o.order_id, o.state, p.state, captured_minor, voided_minor, refunded_minor, f.state "
        "FROM orders o JOIN payments p USING (order_id) LEFT JOIN fulfilments f USING (order_id) ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def test_an_older_database_heals_to_the_same_events_and_the_same_money(shop: Shop) -> None:
    early, late = ([order(("MUG", 2)) for _ in range(6)] for _ in range(2))
    async with shop.running():
        await shop.place(*early)
        await shop.until_quiet(orders=6)
    async with restored(shop):
        async with shop.running():
            await shop.place(*late)
            for request in early[:3]:
                await shop.say(m.CancelOrder(request.order_id, "customer", "changed_mind"))
            await shop.say(*(m.RefundOrder(request.order_id, "sorry", REFUND, "scratched") for request in early[3:5]))
            await shop.until_quiet(orders=12)
            await shop.say(*(m.CancelOrder(request.order_id, "customer", "changed_mind") for request in late[:3]))
            await shop.say(*(m.ShipOrder(request.order_id, "S1", (), "post", "T1") for request in late[3:]))
            await shop.until_quiet(orders=12)
        expected, published = await books(shop), await events(shop)
        await shop.assert_sound()
    assert len(await books(shop)) == 6

    async with shop.running():
        await shop.until_quiet(orders=12)
    assert await books(shop) == expected
    again = await events(shop)
    assert again.items() >= published.items()
    assert {again[event_id] for event_id in again.keys() - published.keys()} <= ANSWERS_TO_A_REPEAT
    assert await shop.records(DEAD_LETTERS) == []
    await shop.assert_sound()
