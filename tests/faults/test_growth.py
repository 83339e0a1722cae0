"""Weeks are dropped while orders flow; and what a maintenance that does not look at the lag would do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from infra.base.weekly.weeks import DAY_MS, Week
from infra.ops.retention import run as maintenance
from infra.ops.retention.run import maintain
from producers.clients.orders import OrderRequest, place_order_lines
from producers.clients.stock import receipts_of, receive_stock
from schemas import messages as m
from schemas.ids import new_order_id
from schemas.limits import ORDER_ID_WINDOW_MS
from tests.harness.backdated import say_long_ago
from tests.harness.shop import Shop, order

MINUTE_MS = 60_000
SKUS = ("MUG", "TIN", "JAR")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def made_at(ms: int, *lines: tuple[str, int]) -> OrderRequest:
    return msgspec.structs.replace(order(*lines), order_id=new_order_id(ms))


def old_life(at_ms: int) -> Iterable[tuple[int, m.Message]]:
    """Yield what was said of three SKUs long ago: deliveries, an order that was shipped, one that was given back."""
    for number, sku in enumerate(SKUS):
        shipped, released = made_at(at_ms, (sku, 2)), made_at(at_ms + number, (sku, 1))
        messages: list[m.Message] = [
            m.ReceiveStock(f"receipt/{new_order_id(at_ms)}", sku, 50),
            *(receive_stock(each) for each in receipts_of(f"delivery-{sku}", {sku: 500})),
            *place_order_lines(shipped),
            *place_order_lines(released),
            m.CommitLine(shipped.order_id, 1, sku),
            m.ReleaseLine(released.order_id, 1, sku, "changed_mind"),
            m.ShipLine(shipped.order_id, 1, sku),
        ]
        yield from ((at_ms, message) for message in messages)


@pytest.mark.release
@pytest.mark.timeout(400)
async def test_a_week_is_dropped_while_orders_flow_and_the_books_stay_right(shop: Shop) -> None:
    now = now_ms()
    then = now - 145 * DAY_MS
    week = Week.of(then).name
    await say_long_ago(shop, old_life(then))
    inside = made_at(now - ORDER_ID_WINDOW_MS + 10 * MINUTE_MS, ("MUG", 1))
    outside = made_at(now - ORDER_ID_WINDOW_MS - MINUTE_MS, ("MUG", 1))
    placed = [inside]
    async with shop.running():
        await shop.until_quiet()
        assert await shop.value("SELECT count(*) FROM holds") == 2 * len(SKUS)
        await shop.place(inside, outside)
        flow = asyncio.create_task(_flow(shop, placed))
        dropped: list[str] = []
        while week not in dropped:
            # The rooms may lag for a moment: then nothing is dropped, and the next run sees to it.
            done = await maintain(shop.settings)
            assert done is not None
            dropped += done.dropped
        await flow
        await shop.until_quiet(orders=len(placed) + 1)
    assert await shop.timeline(outside) == ["LineRejected", "OrderRejected"]
    assert await shop.state(outside) == ("rejected", "order_id_outside_window")
    assert (await shop.timeline(inside))[0] == "LineReserved"
    assert await shop.value("SELECT count(*) FROM holds WHERE quantity = 2") == 0
    assert await shop.value("SELECT sum(shipped) FROM stock_balances") == 2 * len(SKUS)
    await shop.assert_sound()


async def _flow(shop: Shop, placed: list[OrderRequest]) -> None:
    for _ in range(12):
        some = [order((sku, 1)) for sku in SKUS * 3]
        placed += some
        decided = await shop.progress("inventory")
        await shop.place(*some)
        await shop.until(lambda decided=decided: shop.has_decided("inventory", decided + 1))  # type: ignore[misc]


# --- the negative control -----------------------------------------------------------------------------------------------


@pytest.mark.release
@pytest.mark.parametrize("looks_at_lag", [True, False])
async def test_the_lag_is_what_keeps_a_duplicate_from_becoming_a_second_hold(
    shop: Shop, monkeypatch: Any, looks_at_lag: bool
) -> None:
    at_the_edge = now_ms() - ORDER_ID_WINDOW_MS + 10 * MINUTE_MS
    request = msgspec.structs.replace(order(("MUG", 2), token="tok_declined"), order_id=new_order_id(at_the_edge))
    await shop.receive(MUG=10)
    async with shop.running():
        await shop.place(request)
        await shop.until_quiet(orders=1)
    await shop.place(request)  # a duplicate, appended in its window, that nobody reads for three weeks
    if not looks_at_lag:
        monkeypatch.setattr(maintenance, "floor_ms", lambda *known: known[-1])
    done = await maintain(shop.settings, now_ms=now_ms() + 21 * DAY_MS)
    assert done is not None
    assert (Week.of(at_the_edge).name in done.dropped) is not looks_at_lag
    async with shop.running():
        await shop.until_quiet(orders=1)
    held = (await shop.timeline(request)).count("LineReserved")
    if looks_at_lag:
        assert held == 1
        await shop.assert_sound()
    else:
        assert held == 2
        breaches = (await shop.audit()).breaches
        assert {"each_command_took_effect_once", "replay_gives_the_same_decisions"} <= breaches
