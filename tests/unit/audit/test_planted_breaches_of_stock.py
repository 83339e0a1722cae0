"""Breaches planted in what stock commands, shipping, returns, limits and carts leave behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.deciding.letters import dead_letter
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.unit.audit.memory import Kept
from tests.unit.audit.scenes import (
    BOUNDS,
    GOODS,
    LEDGER,
    MONEY,
    ONCE,
    OVERSOLD,
    PROGRESS,
    REFUSALS,
    REPLAY,
    SUMS,
    breaches_of,
)
from tests.unit.audit.world import World
from topology.topics import DEAD_LETTERS


def stocked_world(world: World) -> World:
    """Let every stock command happen, accepted and refused, with shipping, returns, limits and carts between."""
    world.receive("MUG", 20)
    world.say(m.SetPurchaseLimit("limit", "MUG", 5))
    shipped, returned = world.place(("MUG", 2)), world.place(("MUG", 1))
    world.place(("MUG", 9), customer="greedy")
    world.place(("MUG", 4), customer="c2", cart="cart", token="tok_slow")
    world.run()
    world.say(m.ShipLine(shipped, 1, "MUG"), m.ShipLine(returned, 1, "MUG"))
    world.say(m.ReturnLine(returned, 1, "MUG", "broken", "quarantine"))
    world.say(m.AdjustStock("found", "MUG", 2, "counted"), m.AdjustStock("lost", "MUG", -99, "counted"))
    world.say(m.ClearQuarantine("scrap", "MUG", 1, "scrap"), m.ClearQuarantine("more", "MUG", 1, "available"))
    world.say(m.SuspendSale("stop", "MUG", "recall"))
    world.run()
    world.place(("MUG", 1))
    world.say(m.ResumeSale("go", "MUG"), m.RetireSku("early", "MUG"), m.SuspendSale("next", "CAP", "on sale in May", 1))
    world.say(m.RetireSku("end", "CAP"))
    world.run()
    world.place(("CAP", 1))
    world.place(("MUG", 1), customer="c2", cart="other", keep=1)
    world.run()
    return world


async def test_a_system_with_every_stock_command_passes() -> None:
    report = await (world := stocked_world(World())).audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    figures = report.finding(OVERSOLD).figure
    assert (figures["units_received"], figures["units_quarantined"]) == (21, 0)
    assert figures["units_sold"] + figures["units_held"] + figures["units_available"] == 21
    assert report.finding(REFUSALS).figure["stock_commands_refused"] == 3
    assert report.finding(MONEY).figure["lines_back_after_shipping"] == 1
    assert report.finding(SUMS).figure["counted_by_limits"] > 0
    assert report.finding("dead_letters").figure["AdjustStock_refused"] == 1


async def test_what_was_refused_stays_refused_in_the_audit_too() -> None:
    world = stocked_world(World())
    world.receive("MUG", 200, "later")
    world.say(m.AdjustStock("lost", "MUG", -99, "counted"))
    world.run()
    assert await breaches_of(world) == set()


@pytest.mark.parametrize(
    ("table", "chosen", "changes", "names"),
    [
        ("stock", lambda row: row.sku == "MUG", {"quarantined": 1}, {SUMS, OVERSOLD, REPLAY}),
        ("stock", lambda row: row.sku == "MUG", {"quarantined": 99}, {SUMS, BOUNDS, OVERSOLD, REPLAY}),
        ("stock", lambda row: row.sku == "MUG", {"is_retired": True}, {BOUNDS, REPLAY}),
        ("stock", lambda row: row.sku == "MUG", {"is_suspended": True}, {REPLAY}),
        ("stock", lambda row: row.sku == "MUG", {"purchase_limit": 6}, {REPLAY}),
        ("movements", lambda row: row.kind == "shipment", {"quantity": 0}, {SUMS, REPLAY}),
        ("movements", lambda row: row.kind == "return", {"quarantined": 0}, {SUMS, OVERSOLD, REPLAY}),
        ("movements", lambda row: row.kind == "adjustment", {"quantity": 3}, {SUMS, OVERSOLD, REPLAY}),
        ("movements", lambda row: row.kind == "refusal", {"note": "no"}, {REPLAY}),
        ("purchases", lambda row: row.customer_id == "c1", {"units": 99}, {SUMS, REPLAY}),
        ("holds", lambda row: row.buyer == "c1" and row.state == 5, {"buyer": None}, {SUMS, REPLAY}),
        ("holds", lambda row: row.cart is not None, {"cart": "mine"}, {REPLAY}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
async def test_a_row_changed_behind_the_log(
    table: str, chosen: Callable[[Any], bool], changes: dict[str, Any], names: set[str]
) -> None:
    world = stocked_world(World())
    database = world.stop()
    assert any(map(chosen, database.tables[table]))
    database.replace(table, lambda row: row._replace(**changes) if chosen(row) else row)
    assert await breaches_of(world, database) == names


async def test_a_count_that_is_gone() -> None:
    world = stocked_world(World())
    database = world.stop()
    database.tables["purchases"].clear()
    assert await breaches_of(world, database) == {SUMS, REPLAY}


async def test_goods_that_went_out_for_an_order_without_a_sale() -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 1))
    world.run()
    world.say(m.ShipLine(order_id, 1, "MUG"))
    world.run()
    database = world.stop()
    database.replace("orders", lambda row: row._replace(state="cancelled"))
    database.replace("payments", lambda row: row._replace(state="voided"))
    report = await world.audit(database, books=False)
    assert report.breaches == {MONEY, LEDGER, GOODS, REPLAY}
    assert "went out" in report.finding(MONEY).examples[0]


# --- what was said, and should not have been ----------------------------------------------------------------------------


def replaced_answer(world: World, topic: str, of: type[m.Message]) -> Kept:
    """Return the latest record of a kind, for a test to put another in its place."""
    records: list[Kept] = [kept for part in world.log.topics[topic] for kept in part]
    return max((record for record in records if isinstance(decode(record.value), of)), key=lambda kept: kept.timestamp)


@pytest.mark.parametrize("reason", ["purchase_limit", "sale_suspended", "sku_retired", "replaced"])
async def test_a_refusal_whose_reason_was_not_there(reason: str) -> None:
    world = World()
    world.receive("MUG", 5)
    world.say(m.SetPurchaseLimit("limit", "MUG", 2))
    order_id = world.place(("MUG", 2))
    world.run("inventory")
    record = replaced_answer(world, "order.events", m.LineReserved)
    record.value = encode(m.LineRejected(order_id, 1, 1, "MUG", 2, 2, 5, "c1", reason))
    assert await breaches_of(world) == {REFUSALS, REPLAY}


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (m.SetPurchaseLimit("rule", "MUG", 1), {BOUNDS, REPLAY}),
        (m.SuspendSale("rule", "MUG", "recall"), {BOUNDS, REPLAY}),
    ],
    ids=["limit", "suspended"],
)
async def test_a_reservation_of_what_the_customer_may_not_have(rule: m.Message, names: set[str]) -> None:
    world = World()
    world.receive("MUG", 5)
    world.say(rule)
    order_id = world.place(("MUG", 2))
    world.run("inventory")
    record = replaced_answer(world, "order.events", m.LineRejected)
    record.value = encode(m.LineReserved(order_id, 1, 1, "MUG", 2, 500, "GBP", "c1", "tok_ok", world.now_ms))
    assert await breaches_of(world) == names


async def test_a_hold_given_to_another_customers_order() -> None:
    world = World()
    world.receive("MUG", 2)
    victim = world.place(("MUG", 1), ("HAT", 1), keep=1)
    world.place(("MUG", 1), ("HAT", 1), keep=1, customer="thief", cart="cart")
    world.run("inventory")
    record = replaced_answer(world, "order.events", m.LineReserved)
    record.value = encode(m.LineReleased(victim, 1, "MUG", 1, "replaced"))
    assert await breaches_of(world) == {REFUSALS, PROGRESS, REPLAY}


@pytest.mark.parametrize(
    "command",
    [
        m.AdjustStock("a", "MUG", -1, "counted"),
        m.ClearQuarantine("a", "MUG", 1, "scrap"),
        m.RetireSku("a", "CAP"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_a_stock_command_that_could_have_been_done_and_was_refused(command: m.Message) -> None:
    world = World()
    world.receive("MUG", 5)
    world.say(m.SuspendSale("next", "CAP", "on sale in May", 1))
    order_id = world.place(("MUG", 1))
    world.run()
    world.say(m.ShipLine(order_id, 1, "MUG"), m.ReturnLine(order_id, 1, "MUG", "broken", "quarantine"))
    kept = world.publish(outgoing(command))
    letter = dead_letter(
        "inventory", kept, "inventory.commands", RefusedError(f"{type(command).__name__}_refused", "no"), 0
    )
    assert letter.topic == DEAD_LETTERS.name
    world.publish(letter)
    world.run()
    assert await breaches_of(world) == {REFUSALS, REPLAY} | (
        {SUMS} if isinstance(command, m.ClearQuarantine | m.AdjustStock) else set()
    )


async def test_a_line_that_was_shipped_twice() -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 1))
    world.run()
    world.say(m.ShipLine(order_id, 1, "MUG"))
    again = world.publish(outgoing(m.ShipLine(order_id, 1, "MUG")))
    cause = f"inventory.commands/{again.partition}/{again.offset}/1"
    world.publish(outgoing(m.LineShipped(order_id, 1, "MUG", 1), cause.encode()))
    world.run()
    assert await breaches_of(world) == {ONCE, REPLAY}
