"""Breaches planted in money, parcels and returns: each is found under its name, and under no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas import messages as m
from tests.unit.audit.memory import MemorySnapshot
from tests.unit.audit.scenes import GOODS, LEDGER, MONEY, PROGRESS, REPLAY, breaches_of, changing, shipping_world
from tests.unit.audit.world import World

DAY_MS = 24 * 60 * 60 * 1000


def planted(table: str, change: Callable[[Any], Any]) -> tuple[World, MemorySnapshot]:
    """Return a world and its database, in which one row of a table was changed: the first one that `change` changes."""
    world = shipping_world(World())
    database = world.stop()
    rows = database.tables[table]
    place, row = next((n, after) for n, before in enumerate(rows) if (after := change(before)) != before)
    if row is None:
        del rows[place]
    else:
        rows[place] = row
    return world, database


def when(condition: Callable[[Any], bool], **columns: Any) -> Callable[[Any], Any]:
    """Return a change of the rows for which a condition holds; without columns the row is taken away."""
    return lambda row: row if not condition(row) else row._replace(**columns) if columns else None


# --- money --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["captured_minor", "voided_minor", "refunded_minor", "authorized_minor"])
async def test_a_figure_that_is_not_the_sum_of_what_was_done(column: str) -> None:
    world, database = planted("payments", lambda row: row._replace(**{column: getattr(row, column) + 1}))
    assert await breaches_of(world, database) >= {LEDGER, REPLAY}


async def test_an_attempt_that_moved_another_sum() -> None:
    world, database = planted("attempts", when(lambda row: row.kind == "authorize", amount_minor=7))
    assert await breaches_of(world, database) == {LEDGER, REPLAY}


async def test_a_refund_that_is_on_no_row() -> None:
    world, database = planted("attempts", when(lambda row: row.kind == "refund" and row.reference == "line:1"))
    assert await breaches_of(world, database) == {LEDGER, REPLAY}


async def test_more_refunded_than_was_captured() -> None:
    world, database = planted("payments", when(lambda row: row.refunded_minor, refunded_minor=9_999))
    report = await world.audit(database)
    assert report.breaches == {LEDGER, MONEY, REPLAY}
    assert any("GBP 99.99 refunded of GBP 15.00 captured" in example for example in report.finding(LEDGER).examples)


async def test_a_refund_at_the_processor_that_we_know_nothing_of() -> None:
    world = shipping_world(World())
    next(lines for lines in world.books.values() if lines[0].captured_minor)[0].refunded_minor += 1
    report = await world.audit(world.stop())
    assert report.breaches == {LEDGER}
    assert "the processor has" in report.finding(LEDGER).examples[0]


async def test_a_processor_that_moves_between_the_two_readings_of_its_books_is_not_compared() -> None:
    world = shipping_world(World())
    database = world.stop()
    report = await world.audit(database)
    order_id = next(order_id for order_id, lines in world.books.items() if lines[0].captured_minor)
    line = world.books[order_id][0]
    world.earlier = {**world.books, order_id: [msgspec.structs.replace(line, refunded_minor=line.refunded_minor + 1)]}
    again = await world.audit(database)
    assert again.breaches == set()
    compared = "books_compared"
    assert again.finding(LEDGER).figure[compared] == report.finding(LEDGER).figure[compared] - 1


async def test_goods_that_nobody_paid_for() -> None:
    """Under capture_at_shipping a parcel left, and its capture is on no row."""
    world, database = planted("attempts", when(lambda row: row.kind == "capture" and row.reference == "S1"))
    taken = {row.order_id for row in database.tables["payments"]} - {
        row.order_id for row in database.tables["attempts"] if row.kind == "capture"
    }
    database.replace("payments", lambda row: row._replace(captured_minor=0) if row.order_id in taken else row)
    assert {MONEY, REPLAY} <= await breaches_of(world, database)


async def test_a_refund_of_goods_that_never_came_back() -> None:
    world, database = planted("holds", when(lambda row: row.state == 4, state=5))
    assert {MONEY, REPLAY} <= await breaches_of(world, database)


async def test_a_refund_that_was_asked_for_and_lost() -> None:
    assert await breaches_of(shipping_world(changing(m.RefundRequested))) == {MONEY, REPLAY}


async def test_a_return_that_inventory_never_booked() -> None:
    assert await breaches_of(shipping_world(changing(m.ReturnLine))) == {MONEY, PROGRESS, REPLAY}


# --- goods --------------------------------------------------------------------------------------------------------------


def _with_line(row: Any, **fields: Any) -> Any:
    return row._replace(lines={**row.lines, "1": {**row.lines["1"], **fields}})


@pytest.mark.parametrize(
    "change",
    [
        lambda row: _with_line(row, state="open") if row.state == "delivered" else row,
        lambda row: _with_line(row, state="shipped") if row.state == "open" else row,
        lambda row: row._replace(shipments={}) if row.state == "delivered" else row,
        lambda row: row._replace(shipments={**row.shipments, "S9": row.shipments["S1"]}) if row.shipments else row,
    ],
    ids=["a line that is out is open", "a line that is here is out", "no parcel has it", "two parcels have it"],
)
async def test_a_line_that_is_elsewhere(change: Callable[[Any], Any]) -> None:
    world, database = planted("fulfilments", change)
    assert await breaches_of(world, database) == {GOODS, REPLAY}


async def test_an_order_whose_goods_are_forgotten() -> None:
    world, database = planted("fulfilments", when(lambda row: row.state == "open"))
    assert await breaches_of(world, database) == {GOODS, PROGRESS, REPLAY}


async def test_an_order_that_does_not_know_where_its_goods_are() -> None:
    world, database = planted("orders", when(lambda row: row.state == "delivered", state="shipped"))
    assert await breaches_of(world, database) == {GOODS, PROGRESS, REPLAY}


async def test_goods_of_an_order_that_nobody_knows() -> None:
    world, database = planted("fulfilments", when(lambda row: row.state == "delivered", order_id="nobody's"))
    assert await breaches_of(world, database) == {GOODS, REPLAY}


# --- waits --------------------------------------------------------------------------------------------------------------


async def test_a_wait_whose_time_is_over_leaves_its_order_in_limbo() -> None:
    world = shipping_world(World())
    database = world.stop()
    database.now_ms += 31 * DAY_MS
    report = await world.audit(database)
    assert report.breaches == {PROGRESS}
    assert any("its wait for shipment over for" in example for example in report.finding(PROGRESS).examples)


async def test_an_order_whose_fulfilment_waits_for_inventory_alone_is_in_limbo() -> None:
    world, database = planted(
        "fulfilments", when(lambda row: row.waits_for == "shipment", waits_for="inventory", deadline_ms=None)
    )
    assert await breaches_of(world, database) == {PROGRESS, REPLAY}
