"""A SKU is parked behind a poisoned record, on real servers: what comes waits, and goes through in its order."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from consumers.inventory.parking import Parking, read_stored
from infra.base.connections import database
from infra.base.rooms import BOOKKEEPERS
from infra.base.settings import Settings
from infra.ops.letters import redriving, unparking
from schemas import messages as m
from schemas.codec.wire import decode
from tests.harness import cli
from tests.harness.foreign_producers import append, letters
from tests.harness.shop import PARTITIONS, Level, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of
from topology.topics import ORDER_EVENTS

MUG = partition_of(b"MUG", PARTITIONS)


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        for name, value in opened.settings.environment().items():
            monkeypatch.setenv(name, value)
        yield opened


async def lastunit(*arguments: str, status: int = 0) -> Any:
    printed = await cli.lastunit(os.environ, *arguments, "--json")
    assert printed.status == status, printed
    return printed.json


async def parking(shop: Shop) -> Parking | None:
    return read_stored(await shop.value("SELECT parking FROM stock WHERE sku = 'MUG'"))


async def reserved(shop: Shop) -> list[str]:
    """Return the orders whose lines were reserved, in the order of inventory's decisions."""
    facts = [(record, decode(record.value)) for record in await shop.records(ORDER_EVENTS)]
    lines = {
        int(dict(record.headers)["ce_id"].split(b"/")[2]): fact.order_id
        for record, fact in facts
        if isinstance(fact, m.LineReserved)
    }
    return [lines[offset] for offset in sorted(lines)]


async def is_counted(shop: Shop, records: int) -> bool:
    parked = await parking(shop)
    return parked is not None and parked.counted == records


async def unpark(shop: Shop) -> int:
    async with shop.log() as log, database(shop.settings) as connection:
        tool = unparking.Unparking(log, shop.publisher, connection, "MUG", 30.0)
        return await tool.run((), unparking.Actor("ops", "the producer is mended"))


class CrashedError(Exception):
    """The tool ended between what it let through and the note of it."""


async def crash(*_: object, **__: object) -> None:
    raise CrashedError


async def test_what_comes_behind_a_poisoned_record_waits_and_goes_through_in_order(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, *behind = [order(("MUG", 1)) for _ in range(9)]
    late = order(("MUG", 1))
    await shop.receive(MUG=50)
    async with shop.running(*(name for name in BOOKKEEPERS if name != "inventory")):
        await shop.supervisor.start("inventory")
        await shop.place(before)
        await lastunit("stock", "park", "MUG", "--reason", "poisoned deliveries", "--on-dead-letter")
        await append(shop, [(b"MUG", b"\x01 no message", [])], home=MUG)
        await shop.place(*behind[:4])
        await shop.say(m.ReceiveStock("more", "MUG", 7))
        await shop.until(lambda: is_counted(shop, 5))
        await shop.supervisor.kill("inventory")
        await shop.place(*behind[4:])
        await shop.supervisor.start("inventory")
        await shop.until(lambda: is_counted(shop, 9))
        await shop.until_quiet(*BOOKKEEPERS, orders=1)
        await shop.assert_sound()
        reasons = {letter.offset: letter.reason for letter in await letters(shop)}  # a crash may publish one twice
        assert list(reasons.values()) == ["not_wire_format"] + ["parked"] * 9
        assert await reserved(shop) == [before.order_id]
        assert (await shop.levels())["MUG"] == Level(50, 0, 1), "the order that was decided before went on"
        [shown] = await lastunit("stock", "show", "MUG")
        assert (shown["parking"]["counted"], shown["parking"]["is_armed"]) == (9, False)

        with monkeypatch.context() as patched:
            patched.setattr(unparking, "BATCH_BYTES", 1_500)
            patched.setattr(redriving, "note", crash)
            with pytest.raises(CrashedError):
                await unpark(shop)
        first = await parking(shop)
        assert first is not None
        assert 0 < first.released < 9, "a round was let through, the rest still waits"
        await shop.supervisor.kill("inventory")
        await shop.place(late)
        await shop.supervisor.start("inventory")
        await shop.until(lambda: is_counted(shop, 10))
        freed = await lastunit("stock", "unpark", "MUG", "--why", "the producer is mended")
        assert freed == {"sku": "MUG", "released": 10 - first.released}
        assert await parking(shop) is None
        await shop.until_quiet(*BOOKKEEPERS, orders=10)
        assert await reserved(shop) == [each.order_id for each in (before, *behind, late)]
        listed = await lastunit("letters", "list", "--all")
        assert {each["source"]["reason"]: each["state"] for each in listed} == {
            "not_wire_format": "open",
            "parked": "redriven",
        }
        await shop.assert_sound()
