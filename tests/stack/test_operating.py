"""What an operator sees and does: the status of a shop, and its dead letters sent on their way again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from consumers.runtime.deciding.decision import outgoing
from infra.base.settings import Settings
from infra.ops.business.measure import business_lag, demand
from infra.ops.letters.reading import Letter, LetterState, read_letters
from infra.ops.letters.redriving import acknowledge, plan, redrive
from infra.ops.status import read_status
from producers.publisher import FORWARDED
from schemas.messages import ReceiveStock
from tests.harness.cli import lastunit
from tests.harness.shop import PARTITIONS, Level, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def letters_of(shop: Shop) -> list[Letter]:
    async with shop.log() as log:
        return await read_letters(log)


def astray(message: ReceiveStock) -> object:
    """The record of a message that was forwarded once and stands in a partition where it does not belong."""
    wrong = (partition_of(message.sku.encode(), PARTITIONS) + 1) % PARTITIONS
    return msgspec.structs.replace(outgoing(message), partition=wrong, headers=((FORWARDED, b"once already"),))


async def test_a_dead_letter_is_shown_edited_and_sent_again_and_takes_effect_once(shop: Shop) -> None:
    environment = {**os.environ, **shop.settings.environment()}
    records = [astray(ReceiveStock("r1", "MUG", 2)), astray(ReceiveStock("r2", "TIN", 7))]
    await shop.publisher.publish(records)  # type: ignore[arg-type]
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        first = {str(letter.message.command_id): letter for letter in await letters_of(shop)}  # type: ignore[union-attr]
        dry = await lastunit(environment, "letters", "redrive", "--key", "MUG", "--why", "test", "--dry-run", "--json")
        assert [step["id"] for step in dry.json["letters"]] == [first["r1"].id]
        assert all(letter.state is LetterState.OPEN for letter in await letters_of(shop))

        await redrive(shop.publisher, plan([first["r1"]]), by="ann", why="the producer was mended")
        await redrive(shop.publisher, plan([first["r2"]], {"quantity": 5}), by="ann", why="it was five")
        await shop.until_quiet("inventory")
        assert await shop.levels() == {"MUG": Level(2, 0, 0), "TIN": Level(5, 0, 0)}
        await redrive(shop.publisher, plan([first["r1"]]), by="bob", why="once more")
        await shop.until_quiet("inventory")
        assert (await shop.levels())["MUG"] == Level(2, 0, 0)
    shown = await lastunit(environment, "letters", "show", first["r1"].id)
    assert "ReceiveStock on inventory.commands" in shown.output
    assert re.search(r"put by .*(which may be chance|round robin)", shown.output), shown.output
    assert (await lastunit(environment, "letters", "show", "9/9")).errors.startswith("There is no dead letter 9/9")
    assert "redrive  by bob" in shown.output
    assert [letter.state for letter in await letters_of(shop)] == [LetterState.REDRIVEN] * 2
    await shop.assert_sound()


async def test_status_names_what_waits_and_why(shop: Shop) -> None:
    await shop.receive(MUG=1)
    await shop.publisher.publish([astray(ReceiveStock("r1", "TIN", 2))])  # type: ignore[list-item]
    async with shop.running("inventory", "orders"):
        await shop.place(order(("MUG", 1)), order(("MUG", 1)), order(("MUG", 1)))
        await shop.until_quiet("inventory", "orders")
        async with shop.log() as log:
            [hot] = await demand(log)
    assert (hot.sku, hot.lines, hot.units, hot.sold_out) == ("MUG", 3, 1, 2)
    async with shop.database.acquire() as connection:
        business = await business_lag(connection)
    assert [(wait.axis, wait.state, wait.count) for wait in business.waiting] == [("order", "reserved", 1)]
    assert (business.holds_expired, business.past_deadline, business.unconfirmed) == (0, [], [])
    status = await read_status(shop.settings)
    assert status.open_letters == {"wrong_partition": 1}
    assert "1 dead letters are open" in [problem.what for problem in status.problems]
    [letter] = await letters_of(shop)
    environment = {**os.environ, **shop.settings.environment()}
    expire = ("letters", "expire", "--why", "too old", "--json", "--older-than")
    assert (await lastunit(environment, *expire, "1")).json["letters"] == []
    assert (await lastunit(environment, *expire, "0")).json["letters"] == [letter.id]
    printed = await lastunit(environment, "status", "--json")
    assert printed.json["open_letters"] == {}
    await acknowledge(shop.publisher, [letter], by="ann", why="known")
    assert [each.state for each in await letters_of(shop)] == [LetterState.ACKNOWLEDGED]
    assert {group["group"].rpartition(".")[2] for group in printed.json["groups"]} >= {
        "inventory",
        "orders",
        "payments",
    }


async def test_top_looks_again_and_again_and_through_an_outage(shop: Shop) -> None:
    async def looks(environment: Mapping[str, str]) -> list[Any]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from infra.cli import main; main()", "top", "--every", "0.1", "--json"),
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            return [json.loads(await asyncio.wait_for(process.stdout.readline(), 60)) for _ in range(2)]
        finally:
            process.kill()
            await process.wait()

    environment = shop.settings.environment()
    first, second = await looks(environment)
    assert first["at_ms"] < second["at_ms"]
    away = await looks({**environment, "LASTUNIT_POSTGRES_DSN": "postgresql://nobody@127.0.0.1:1/none"})
    assert ["127.0.0.1:1" in document["error"] for document in away] == [True, True]
