"""A slow stream of commands is decided in batches, not one by one: each batch has its price, whatever is in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.runtime.kafka import fetch_pacing
from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from tests.harness.shop import Shop, in_miniature, open_shop, order

COMMANDS = 200
WAIT_SECONDS = 0.4
SECONDS = 3.0
"""How long the stream of commands takes at least."""
SOME_BATCHES = 3
"""One under way at either end of the stream, and one that two answers of the broker share."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=1), tmp_path) as opened:
        yield opened


async def batches_and_the_most_expected(shop: Shop) -> tuple[int, float]:
    """Say one command after the other; return the batches that they were decided in, and the most that waiting allows."""
    await shop.receive(MUG=COMMANDS)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        before = await shop.value("SELECT batch FROM claims WHERE room = 'inventory'")
        began = time.monotonic()
        for number in range(COMMANDS):
            await asyncio.sleep(began + number * SECONDS / COMMANDS - time.monotonic())
            await shop.say(*place_order_lines(order(("MUG", 1))))
        await shop.until_quiet("inventory")
        seconds = time.monotonic() - began
        after = await shop.value("SELECT batch FROM claims WHERE room = 'inventory'")
    return after - before, seconds / WAIT_SECONDS + SOME_BATCHES


@pytest.fixture(autouse=True)
def always_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_pacing, "IDLE_SHARE", 1e-9)
    wait(monkeypatch, WAIT_SECONDS)


def wait(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for bound in ("USUAL_SECONDS", "MOST_SECONDS"):
        monkeypatch.setattr(fetch_pacing, bound, seconds)


async def test_commands_that_trickle_in_are_gathered_while_the_process_is_busy(shop: Shop) -> None:
    batches, most = await batches_and_the_most_expected(shop)
    assert batches <= most


async def test_without_much_to_do_each_is_a_batch_of_its_own(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_pacing, "IDLE_SHARE", 1e9)
    batches, most = await batches_and_the_most_expected(shop)
    assert batches > 2 * most


async def test_a_full_load_waits_for_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    wait(monkeypatch, 20.0)
    await shop.receive(MUG=COMMANDS)
    await shop.say(*(line for _ in range(2 * COMMANDS) for line in place_order_lines(order(("MUG", 1)))))
    began = time.monotonic()
    async with shop.running("inventory"):
        await shop.until(lambda: shop.has_decided("inventory", 2 * COMMANDS + 1))
        assert time.monotonic() - began < 15
