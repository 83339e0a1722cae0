"""Every stock command on the real broker and database: what it leaves behind, and that an audit agrees."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import asyncpg
import fastavro
import msgspec
import pytest
import pytest_asyncio

from consumers.runtime.owner import PartitionOwner
from infra.base.migrate import MIGRATIONS, migrate
from infra.base.settings import Settings
from producers.clients.orders import OrderRequest, place_order_lines
from producers.publisher import BY_KEY, Outgoing
from schemas import messages as m
from schemas.codec.lock import read_history, read_lock
from schemas.codec.wire import decode
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.stock_seen import counts, events_of, latest_levels, level, movements
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


def of(customer: str, request: OrderRequest, cart: str = "") -> OrderRequest:
    return msgspec.structs.replace(request, customer_id=customer, cart_id=cart)


# --- shipping, returns, quarantine --------------------------------------------------------------------------------------


async def test_units_go_out_come_back_and_are_sold_again_or_written_off(shop: Shop) -> None:
    first, second = order(("MUG", 2)), order(("MUG", 1))
    await shop.receive(MUG=5)
    async with shop.running():
        await shop.place(first, second)
        await shop.until_quiet(orders=2)
        await shop.say(*(m.ShipLine(request.order_id, 1, "MUG") for request in (first, second, first)))
        await shop.until_quiet()
        assert await level(shop) == (2, 0, 0, 0)
        await shop.assert_sound()
        await shop.say(*[m.ReturnLine(first.order_id, 1, "MUG", "chipped", "quarantine")] * 2)
        await shop.until_quiet()
        assert await level(shop) == (4, 0, 0, 2)
        await shop.say(
            m.ClearQuarantine("keep", "MUG", 1, "available"),
            m.ClearQuarantine("bin", "MUG", 1, "scrap"),
            m.ClearQuarantine("none left", "MUG", 1, "scrap"),
        )
        await shop.until_quiet()
    assert await level(shop) == (3, 0, 0, 0)
    kinds = [kind for kind, *_ in await movements(shop)]
    assert sorted(kinds) == sorted(["receipt", "shipment", "shipment", "return", "restock", "scrap", "refusal"])
    published = (await latest_levels(shop))[b"MUG"]
    assert published is not None
    assert (published.on_hand, published.available, published.quarantined) == (3, 3, 0)
    moved = [event for event in await events_of(shop, first) if isinstance(event, m.LineShipped | m.LineReturned)]
    assert [type(event) for event in moved] == [m.LineShipped, m.LineReturned]
    await shop.assert_sound()


# --- adjustments --------------------------------------------------------------------------------------------------------


async def test_what_was_refused_stays_refused_across_restarts_and_though_it_could_be_done_later(shop: Shop) -> None:
    too_much = m.AdjustStock("count-1", "MUG", -3, "fewer on the shelf")
    await shop.receive(MUG=4)
    async with shop.running("inventory"):
        await shop.place(order(("MUG", 2)))
        await shop.say(too_much)
        await shop.until_quiet("inventory")
    refused = "AdjustStock: on_hand 4 -3 would be less than reserved 2 + allocated 0 + quarantined 0"
    assert (await movements(shop))[1:] == [("refusal", 0, 0, refused)]
    await shop.say(m.ReceiveStock("more", "MUG", 50))
    async with shop.running():
        await shop.say(too_much)
        await shop.say(m.AdjustStock("count-2", "MUG", -3, "fewer on the shelf"))
        await shop.until_quiet(orders=1)
    assert await level(shop) == (51, 0, 2, 0)
    letters = [cast("m.DeadLetter", decode(record.value)) for record in await shop.records(DEAD_LETTERS)]
    assert [(letter.reason, letter.detail) for letter in letters] == [
        ("AdjustStock_refused", refused.removeprefix("AdjustStock: ")),
        ("AdjustStock_refused", f"count-1 stays refused: {refused}"),
    ]
    assert {decode(letter.value) for letter in letters} == {too_much}
    await shop.assert_sound()


async def test_no_command_id_takes_the_place_of_a_lines_movement(shop: Shop) -> None:
    request = order(("MUG", 1))
    await shop.receive(MUG=1)
    async with shop.running():
        await shop.place(request)
        await shop.say(m.AdjustStock(f"{request.order_id}/1/shipment", "MUG", 1, "sly"))
        await shop.until_quiet(orders=1)
        await shop.say(m.ShipLine(request.order_id, 1, "MUG"))
        await shop.until_quiet()
    assert await level(shop) == (0, 0, 0, 0)
    await shop.assert_sound()


# --- limits -------------------------------------------------------------------------------------------------------------


async def test_a_customer_gets_no_more_than_the_limit_whatever_is_sent_twice_and_restarted(shop: Shop) -> None:
    requests = [of("ann", order(("MUG", 1))) for _ in range(12)] + [of("bea", order(("MUG", 1))) for _ in range(2)]
    lines = [line for each in requests for line in place_order_lines(each)]
    await shop.receive(MUG=50)
    await shop.say(m.SetPurchaseLimit("limit", "MUG", 3))
    for part in (lines[:4], lines[:8], lines, lines):
        async with shop.running("inventory"):
            await shop.say(*part)
            await shop.until_quiet("inventory")
    assert await level(shop) == (50, 5, 0, 0)
    assert await counts(shop) == {"ann": 3, "bea": 2}
    async with shop.running():
        await shop.until_quiet(orders=14)
        await shop.assert_sound()
        paid = [each for each in requests if (await shop.state(each))[0] == "paid" and each.customer_id == "ann"]
        assert len(paid) == 3
        await shop.say(m.ReturnLine(paid[0].order_id, 1, "MUG", "does not fit"))
        again = of("ann", order(("MUG", 1)))
        await shop.until_quiet()
        await shop.place(again)
        await shop.until_quiet(orders=15)
        assert (await shop.state(again))[0] == "paid"
    assert await counts(shop) == {"ann": 3, "bea": 2}
    await shop.assert_sound()


async def more_expired(shop: Shop, before: int) -> int:
    """Return how many holds have expired, or 0 while they are no more than before."""
    now = int(await shop.value("SELECT count(*) FROM holds WHERE state = 3"))
    return now if now > before else 0


@pytest.mark.release
async def test_a_limit_counts_right_while_memory_is_emptied_all_the_time(shop: Shop) -> None:
    await shop.receive(MUG=500)
    await shop.say(m.SetPurchaseLimit("limit", "MUG", 2))
    requests = [of(f"c{n % 5}", order(("MUG", 1), hold_seconds=1)) for n in range(60)]
    room = shop.room("inventory")
    room.cache_limit = 3
    expired = 0
    async with shop.owning(PartitionOwner(room, shop.options(batch_records=5), shop.publisher)):
        for first in range(0, 60, 10):
            part = [line for each in requests[first : first + 10] for line in place_order_lines(each)]
            releases = [
                m.ReleaseLine(each.order_id, 1, "MUG", "changed my mind") for each in requests[first : first + 3]
            ]
            await shop.say(*part, *releases, *part)
            # The next ones come when more holds have ended: it is expiry and the limit that meet here.
            expired = await shop.until(lambda before=expired: more_expired(shop, before))  # type: ignore[misc]
        await shop.until_quiet("inventory")
        await shop.until(lambda: shop.value("SELECT count(*) = 0 FROM holds WHERE state = 0"), 30)
        await shop.until_quiet("inventory")
    assert await shop.value("SELECT coalesce(sum(units), 0)::int FROM purchases") == 0
    async with shop.running("orders"):
        await shop.until_quiet("orders")
    report = await shop.audit()
    assert report.breaches <= {"every_order_is_final_or_waits"}, report.breaches


# --- carts --------------------------------------------------------------------------------------------------------------


async def test_a_second_checkout_takes_over_the_last_unit_and_ends_the_first(shop: Shop) -> None:
    old = of("ann", order(("MUG", 1), ("TIN", 1)), "cart")
    new = of("ann", order(("MUG", 1)), "cart")
    await shop.receive(MUG=1, TIN=1)
    async with shop.running("inventory", "orders"):
        await shop.place(old)
        await shop.until_quiet("inventory", "orders")
        await shop.place(new)
        await shop.place(old)
        await shop.until_quiet("inventory", "orders")
        assert await level(shop) == (1, 1, 0, 0)
    async with shop.running():
        await shop.until_quiet(orders=2)
    assert (await shop.state(old))[0] == "rejected"
    assert (await shop.state(new))[0] == "paid"
    assert await level(shop, "TIN") == (1, 0, 0, 0)
    [replaced] = [
        event for event in await events_of(shop, old) if isinstance(event, m.LineReleased) and event.sku == "MUG"
    ]
    assert replaced.reason == "replaced"
    await shop.assert_sound()


# --- rules about a sale -------------------------------------------------------------------------------------------------


@pytest.mark.release
async def test_a_retired_sku_leaves_a_tombstone_and_comes_back_with_its_units(shop: Shop) -> None:
    await shop.receive(MUG=1)
    async with shop.running():
        request = order(("MUG", 1))
        await shop.place(request)
        await shop.until_quiet(orders=1)
        await shop.say(
            m.RetireSku("too early", "MUG"), m.ShipLine(request.order_id, 1, "MUG"), m.RetireSku("now", "MUG")
        )
        await shop.until_quiet()
        assert (await latest_levels(shop))[b"MUG"] is None
        late = order(("MUG", 1))
        await shop.place(late)
        await shop.until_quiet(orders=2)
        assert await shop.state(late) == ("rejected", "sku_retired")
        await shop.say(m.ReceiveStock("again", "MUG", 2))
        await shop.until_quiet()
    published = (await latest_levels(shop))[b"MUG"]
    assert published is not None
    assert published.available == 2
    await shop.assert_sound()


@pytest.mark.release
async def test_a_suspended_sku_is_not_sold_until_it_is_resumed(shop: Shop) -> None:
    await shop.receive(MUG=5)
    held = order(("MUG", 1))
    async with shop.running("inventory"):
        await shop.place(held)
        await shop.until_quiet("inventory")
    async with shop.running():
        await shop.say(m.SuspendSale("stop", "MUG", "recall"))
        refused, sold = order(("MUG", 1)), order(("MUG", 1))
        await shop.place(refused)
        await shop.until_quiet(orders=2)
        await shop.say(m.ResumeSale("go", "MUG"))
        await shop.place(sold)
        await shop.until_quiet(orders=3)
        states = [(await shop.state(each))[0] for each in (held, refused, sold)]
    assert states == ["paid", "rejected", "paid"]
    await shop.assert_sound()


# --- what was there before ----------------------------------------------------------------------------------------------


async def test_the_migration_takes_a_shop_that_has_traded_as_it_is(settings: Settings, tmp_path: Path) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    for path in sorted(MIGRATIONS.glob("*.sql"))[:2]:
        (before / path.name).write_bytes(path.read_bytes())
    dsn = settings.postgres_dsn or ""
    await migrate(dsn, before)
    connection = await asyncpg.connect(dsn)
    request = order(("MUG", 2))
    await connection.execute("INSERT INTO stock VALUES ('MUG', 1, 5, 2, 0)")
    await connection.execute("INSERT INTO holds VALUES ($1, 1, 'MUG', 1, 2, 0, 9)", request.order_id)
    await connection.execute("INSERT INTO movements VALUES ('delivery', 'MUG', 1, 'receipt', 5, 7)")
    applied = await migrate(dsn)
    assert applied[0] == "0003_stock_commands"
    stock = dict(await connection.fetchrow("SELECT * FROM stock") or {})
    assert (stock["on_hand"], stock["quarantined"], stock["purchase_limit"]) == (5, 0, 0)
    hold = dict(await connection.fetchrow("SELECT * FROM holds") or {})
    assert (hold["buyer"], hold["cart"]) == (None, None)
    await connection.close()


@pytest.mark.release
async def test_lines_that_were_published_before_there_were_carts_are_decided(shop: Shop) -> None:
    first, *_ = (entry for entry in read_lock() if entry.name == "lastunit.PlaceOrderLine")
    request = order(("MUG", 1))
    [line] = place_order_lines(request)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, read_history(first), msgspec.structs.asdict(line))
    old = b"\0" + first.id.to_bytes(4, "big") + body.getvalue()
    await shop.receive(MUG=1)
    await shop.publisher.publish([Outgoing(INVENTORY_COMMANDS.name, BY_KEY, b"MUG", old)])
    async with shop.running():
        await shop.until_quiet(orders=1)
    assert (await shop.state(request))[0] == "paid"
    await shop.assert_sound()
