"""A record may say any offset of itself: it costs its own record, and every other stands where the broker put it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.errors import LogGapError
from consumers.runtime import log_reader
from consumers.runtime.deciding.record import MALFORMED_OFFSET
from consumers.runtime.kafka.fetch_buffer import READ_AHEAD_RECORDS
from consumers.runtime.kafka.reading import read_records as reading
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from tests.harness.foreign_producers import append, letters, receipt
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from topology.topics import ORDER_COMMANDS

BATCHES = [[0], [0, 7, 2], [0, 1], [0, 0, 0], [-4], [2, 1, 0], [2**31 - 1], [0, 1, 2, 3]]
"""What the records of each batch say. In the log their offsets are 1, 2, 3 and so on, after the rules' version."""
WRONG = [2, 7, 8, 9, 10, 12, 13]


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def append_all(shop: Shop) -> int:
    """Append the batches; return how many of their records are right."""
    appended = 0
    for deltas in BATCHES:
        await append(shop, [receipt(appended + place) for place in range(len(deltas))], deltas=deltas)
        appended += len(deltas)
    return appended - len(WRONG)


@pytest.mark.parametrize("at_once", [1, 4, READ_AHEAD_RECORDS])
async def test_it_ends_whole_in_dead_letters_and_all_around_it_is_decided_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """However many are read at once, and whether they are decided by one owner or by two, one after the other."""
    monkeypatch.setattr(log_reader, "READ_AHEAD_RECORDS", at_once)
    right = await append_all(shop)
    await shop.receive(TEE=3, CAP=2, POT=1)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await append(shop, [receipt(100), receipt(101)], deltas=[0, 9])
    async with shop.running("inventory"):
        await append(shop, [receipt(102)])
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet("inventory")
    dead_letters = await letters(shop)
    offset_of_the_last = sum(map(len, BATCHES)) + 1
    assert [(letter.offset - 1, letter.reason) for letter in dead_letters] == [
        (offset, MALFORMED_OFFSET) for offset in (*WRONG, offset_of_the_last)
    ]
    assert [(letter.key, letter.value) for letter in dead_letters] == [receipt(number)[:2] for number in (*WRONG, 101)]
    assert "its offset is 9, the broker gave it 3" in dead_letters[0].detail
    levels = await shop.levels()
    assert levels["MUG"] == Level(right + 2, 1, 0)
    assert [levels[sku].on_hand for sku in ("TEE", "CAP", "POT")] == [3, 2, 1]
    report = await shop.audit()
    assert report.breaches <= {"every_order_is_final_or_waits"}


async def test_intake_passes_it_and_what_it_accepts_is_decided(shop: Shop) -> None:
    await append(shop, [receipt(1), receipt(2)], ORDER_COMMANDS, deltas=[1, 0])
    await shop.receive(MUG=2)
    async with shop.running():
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet(orders=1)
        await append(shop, [receipt(3)], ORDER_COMMANDS, deltas=[5])
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet(orders=2)
        await shop.assert_sound()
    assert [(letter.room, letter.reason) for letter in await letters(shop)] == 3 * [("intake", MALFORMED_OFFSET)]


@pytest.mark.release
async def test_the_audit_catches_an_owner_that_believes_what_records_say(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_all(shop)
    with monkeypatch.context() as careless:
        careless.setattr(reading, "install_offset_check", lambda _: None)
        async with shop.running("inventory"):
            await shop.until(lambda: shop.has_decided("inventory", sum(map(len, BATCHES))))
    assert "replay_gives_the_same_decisions" in (await shop.audit()).breaches


async def test_one_that_believes_them_may_stand_beyond_the_end_of_the_log(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "READ_AHEAD_RECORDS", 1)
    monkeypatch.setattr(reading, "install_offset_check", lambda _: None)
    await append(shop, [receipt(1), receipt(2)], deltas=[0, 50])
    async with shop.running("inventory"):
        await shop.until(lambda: shop.has_decided("inventory", 51))
    with pytest.raises(LogGapError):
        await PartitionOwner(shop.room("inventory"), shop.options(), shop.publisher).run()
