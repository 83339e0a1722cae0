"""`lastunit stock ...` on a system of its own: each command waits for its outcome, and history and reconcile tell it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from infra.base.settings import Settings
from schemas import messages as m
from tests.harness import cli
from tests.harness.cli import Answer
from tests.harness.foreign_producers import letters
from tests.harness.shop import Shop, in_miniature, open_shop, order


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        for name, value in opened.settings.environment().items():
            monkeypatch.setenv(name, value)
        yield opened


async def lastunit(*arguments: str) -> Answer:
    return await cli.lastunit(os.environ, *arguments)


async def answer(*arguments: str, status: int = 0) -> Any:
    """Return the JSON that a command printed."""
    printed = await lastunit(*arguments, "--json")
    assert printed.status == status, printed
    return printed.json


async def test_each_command_waits_for_its_outcome(shop: Shop) -> None:
    request = order(("MUG", 2))
    await shop.receive(MUG=5)
    async with shop.running():
        await shop.place(request)
        await shop.until_quiet(orders=1)

        adjusted = await answer("stock", "adjust", "MUG", "-1", "--reason", "broken in the shop")
        assert (adjusted["accepted"], adjusted["kind"], adjusted["quantity"]) == (True, "adjustment", -1)
        assert (adjusted["reason"], adjusted["level"]["available"]) == ("broken in the shop", 2)
        printed = await lastunit("stock", "adjust", "MUG", "+1", "--reason", "found it")
        assert printed.output == "MUG: adjustment +1 on hand (found it), now 5 on hand, 3 available\n"

        refused = await answer("stock", "adjust", "MUG", "-4", "--reason", "x", "--command-id", "c1", status=1)
        assert (refused["accepted"], refused["kind"]) == (False, "refusal")
        assert "on_hand 5 -4 would be less than reserved 0 + allocated 2 + quarantined 0" in refused["reason"]
        await shop.say(m.ReceiveStock("more", "MUG", 10))
        await shop.until_quiet()
        again = await lastunit("stock", "adjust", "MUG", "-4", "--reason", "x", "--command-id", "c1")
        assert (again.status, again.output) == (1, "")
        assert again.errors.startswith("Refused: MUG: AdjustStock: on_hand 5 -4")

        assert (await answer("stock", "limit", "MUG", "3"))["reason"] == "3"
        assert (await answer("stock", "suspend", "MUG", "--reason", "recall"))["kind"] == "suspension"
        [shown] = await answer("stock", "show", "MUG")
        assert (shown["purchase_limit"], shown["is_suspended"], shown["quarantined"]) == (3, True, 0)
        words = (await lastunit("stock", "show", "MUG")).output.split()
        assert words[-2:] == ["3", "suspended"]
        assert (await answer("stock", "resume", "MUG"))["kind"] == "resumption"

        assert "units are still on hand" in (await answer("stock", "retire", "MUG", status=1))["reason"]
        await shop.say(m.ShipLine(request.order_id, 1, "MUG"))
        await shop.say(m.ReturnLine(request.order_id, 1, "MUG", "chipped", "quarantine"))
        await shop.until_quiet()
        cleared = await answer("stock", "quarantine", "clear", "MUG", "1", "--to", "scrap")
        assert (cleared["quantity"], cleared["quarantined"]) == (-1, -1)
        assert (
            "2 units asked for, 1 are quarantined"
            in (await answer("stock", "quarantine", "clear", "MUG", "2", "--to", "available", status=1))["reason"]
        )
        unknown = await answer("stock", "suspend", "CAP", "--reason", "recall", status=1)
        assert unknown["reason"] == "SuspendSale: unknown_sku: no stock of it ever came in"
        ahead = await answer("stock", "suspend", "CAP", "--reason", "recall", "--even-if-unknown")
        assert ahead["kind"] == "suspension"
    await shop.assert_sound()


async def test_without_inventory_a_command_names_how_to_ask_again(shop: Shop) -> None:
    await shop.receive(MUG=1)
    asked = await lastunit("stock", "limit", "MUG", "3", "--timeout", "0.1", "--command-id", "l1")
    assert (asked.status, asked.output) == (1, "")
    assert "No outcome of l1 came within 0.1 s" in asked.errors
    async with shop.running("inventory"):
        assert (await answer("stock", "limit", "MUG", "3", "--command-id", "l1"))["accepted"] is True


async def test_a_used_command_id_with_other_content_is_refused_and_exits_1(shop: Shop) -> None:
    """Both doors printed the second figure, exited 0 and changed nothing."""
    async with shop.running("inventory"):
        for command, status in (
            (("receive", "CID", "10", "--command-id", "big"), 0),
            (("receive", "CID", "10", "--command-id", "big"), 0),
            (("receive", "CID", "25", "--command-id", "big"), 1),
            (("adjust", "CID", "-1", "--reason", "a", "--command-id", "adj"), 0),
            (("adjust", "CID", "-2", "--reason", "a", "--command-id", "adj"), 1),
            (("adjust", "CID", "-1", "--reason", "b", "--command-id", "adj"), 1),
        ):
            printed = await lastunit("stock", *command)
            assert printed.status == status, (command, printed)
        assert printed.errors.startswith("Refused: CID: adj stands for note a; sent now: note b. Choose another id")
        [level] = await answer("stock", "show", "CID")
        assert level["on_hand"] == 9
        await shop.until_quiet("inventory")
    reasons = [letter.reason for letter in await letters(shop)]
    assert reasons == ["conflicting_duplicate"] * 3


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("adjust", "MUG", "0", "--reason", "x"), 1, "AdjustStock.change is 0; send 1 to"),
        (("adjust", "MUG", "-x", "--reason", "x"), 2, "should be a valid integer"),
        (("adjust", "MUG", "1"), 2, "--reason"),
        (("limit", "MUG", "9999999"), 2, "less than or equal to 1000000"),
        (("receive", "WS ", "5"), 1, "'WS ' ends with a blank"),
        (("receive", " WS", "5"), 1, "' WS' begins with a blank"),
        (("receive", "W\u200bS", "5"), 1, "U+200B ZERO WIDTH SPACE at character 2"),
        (("quarantine", "clear", "MUG", "1", "--to", "garden"), 2, "garden"),
        (("reconcile", "--counted", "MUG"), 2, "as in MUG=12"),
    ],
)
async def test_what_cannot_be_meant_is_not_sent(arguments: tuple[str, ...], status: int, expected: str) -> None:
    result = await lastunit("stock", *arguments)
    assert result.status == status
    assert expected in result.errors


async def test_history_is_one_ledger_as_of_any_moment(shop: Shop) -> None:
    first, second = order(("MUG", 2)), order(("MUG", 1), ("NONE", 1))
    await shop.receive(MUG=5)
    async with shop.running():
        await shop.place(first, second)
        await shop.until_quiet(orders=2)
        await shop.say(m.ShipLine(first.order_id, 1, "MUG"), m.AdjustStock("a", "MUG", -9, "x"))
        await shop.until_quiet()
    entries = await answer("stock", "history", "MUG")
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "receipt"
    assert sorted(kinds[1:-2]) == ["LineCommitted", "LineReleased", "LineReserved", "LineReserved"]
    assert kinds[-2:] == ["shipment", "refusal"]
    shipped = entries[-2]
    assert shipped["cause"] == f"{first.order_id}/1/shipment"
    assert shipped["change"] == {"on_hand": -2, "reserved": 0, "allocated": -2, "quarantined": 0}
    assert shipped["level"] == {"on_hand": 3, "reserved": 0, "allocated": 0, "quarantined": 0}
    running = {"on_hand": 0, "reserved": 0, "allocated": 0, "quarantined": 0}
    for entry in entries:
        running = {name: units + entry["change"][name] for name, units in running.items()}
        assert running == entry["level"]
        assert entry["available"] == running["on_hand"] - sum(running.values()) + running["on_hand"]

    then = datetime.fromtimestamp(entries[0]["at_ms"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    before = await lastunit("stock", "history", "MUG", "--as-of", then)
    assert (before.status, before.output) == (1, ""), "whole seconds: the receipt came within this one"
    assert "Nothing ever happened to MUG by then" in before.errors
    narrow = (await cli.lastunit(os.environ, "stock", "history", "MUG", columns=80)).output
    assert f"  {first.order_id}/1/shipment" in narrow.splitlines()


async def test_reconcile_lays_the_sides_side_by_side_and_only_proposes(shop: Shop) -> None:
    await shop.receive(MUG=5, TIN=3)
    async with shop.running():
        await shop.place(order(("MUG", 2)))
        await shop.until_quiet(orders=1)
    sides = await answer("stock", "reconcile")
    assert [(side["sku"], side["agree"], side["proposal"]) for side in sides] == [
        ("MUG", True, None),
        ("TIN", True, None),
    ]
    [counted] = await answer("stock", "reconcile", "--counted", "MUG=4", status=1)
    assert counted["proposal"]["command"] == "lastunit stock adjust MUG -1 --reason 'stock reconcile'"

    await shop.value("UPDATE stock SET on_hand = on_hand + 2 WHERE sku = 'MUG'")
    [comparison] = await answer("stock", "reconcile", "MUG", status=1)
    assert (comparison["level"]["on_hand"], comparison["ledger"]["on_hand"], comparison["log"]["on_hand"]) == (7, 5, 5)
    assert (comparison["agree"], comparison["proposal"]["change"]) == (False, -2)
    printed = await lastunit("stock", "reconcile", "MUG")
    assert "differs" in printed.output
    assert "lastunit stock adjust MUG -2" in printed.output
    assert await shop.value("SELECT on_hand FROM stock WHERE sku = 'MUG'") == 7, "it changes nothing"
    async with shop.running("inventory"):
        assert (await answer("stock", "adjust", "MUG", "-2", "--reason", "stock reconcile"))["accepted"] is True
    assert await shop.value("SELECT on_hand - reserved - allocated FROM stock WHERE sku = 'MUG'") == 3
    assert not (await shop.audit()).holds, "what was done behind the log stays visible"
    missing = await lastunit("stock", "reconcile", "NOPE")
    assert (missing.status, missing.errors.split(".")[0]) == (1, "Nothing is known of NOPE")


async def test_an_order_of_a_cart_is_placed_from_the_command_line(shop: Shop) -> None:
    await shop.receive(MUG=1)
    async with shop.running("inventory", "orders"):
        for _ in range(2):
            placed = await lastunit("order", "place", "--line", "MUG=1", "--cart", "basket", "--customer", "ann")
            assert placed.status == 0, placed.output
            await shop.until_quiet("inventory", "orders")
        assert await shop.value("SELECT count(*)::int FROM holds WHERE state = 0") == 1
        assert await shop.value("SELECT count(*)::int FROM holds WHERE state = 2") == 1
    async with shop.running():
        await shop.until_quiet(orders=2)
    await shop.assert_sound()
