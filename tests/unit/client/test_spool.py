"""The spool keeps what it took, in order, whatever was cut off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from lastunit_client.errors import SpoolDamagedError, SpoolError, SpoolFullError, SpoolInUseError
from lastunit_client.spool import Spool
from producers.publisher import BY_KEY, Outgoing

Opened: TypeAlias = Callable[..., Spool]


def records(*names: str) -> list[Outgoing]:
    return [Outgoing("inventory.commands", BY_KEY, name.encode(), b"\0" + name.encode()) for name in names]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open the folder's spool; each is closed in the end."""
    spools = []

    def open_spool(max_bytes: int = 1_000_000) -> Spool:
        spools.append(Spool(tmp_path, max_bytes))
        return spools[-1]

    yield open_spool
    for spool in spools:
        spool.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


async def all_of(spool: Spool) -> list[str]:
    keys = []
    while not spool.is_empty:
        file, entries = await spool.oldest()
        keys += [(record.key or b"").decode() for entry in entries for record in entry]
        await spool.remove(file)
    return keys


async def test_what_was_spooled_comes_back_in_order_after_opening_anew(opened: Opened, tmp_path: Path) -> None:
    spool = opened()
    await spool.append(records("a", "b"))
    await spool.append(records("c"))
    spool.close()

    again = opened()
    await again.append(records("d"))

    assert await all_of(again) == ["a", "b", "c", "d"]
    assert (again.is_empty, again.bytes, files(tmp_path)) == (True, 0, [])


async def test_who_spools_at_once_is_written_at_once_and_kept_in_order(opened: Opened, tmp_path: Path) -> None:
    spool = opened()
    names = [f"{number:04d}" for number in range(500)]
    await asyncio.gather(*(spool.append(records(name)) for name in names))
    assert await all_of(spool) == names


async def test_what_comes_while_a_file_is_drained_stands_behind_it(opened: Opened, tmp_path: Path) -> None:
    spool = opened()
    await spool.append(records("a"))
    file, _ = await spool.oldest()
    await spool.append(records("b"))
    await spool.remove(file)
    assert await all_of(spool) == ["b"]


async def test_a_half_written_end_is_cut_off_and_nothing_else(opened: Opened, tmp_path: Path) -> None:
    spool = opened()
    await spool.append(records("a"))
    await spool.append(records("b"))
    spool.close()
    [file] = files(tmp_path)
    whole = file.read_bytes()
    for kept in range(len(whole)):
        file.write_bytes(whole[:kept])
        again = opened()
        keys = [(record.key or b"").decode() for entry in (await again.oldest())[1] for record in entry]
        again.close()
        assert keys == (["a"] if kept >= len(whole) // 2 else [])


async def test_a_damaged_file_before_the_newest_is_named(opened: Opened, tmp_path: Path) -> None:
    for name in ("a", "b"):
        spool = opened()
        await spool.append(records(name))
        spool.close()
    first, _ = files(tmp_path)
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    with pytest.raises(SpoolDamagedError, match="from byte 0 on"):
        opened()


async def test_a_full_spool_takes_no_more_and_loses_nothing(opened: Opened, tmp_path: Path) -> None:
    spool = opened(100)
    await spool.append(records("a"))
    with pytest.raises(SpoolFullError):
        await spool.append(records("b" * 100))
    assert await all_of(spool) == ["a"]


async def test_two_clients_do_not_share_a_folder(opened: Opened, tmp_path: Path) -> None:
    spool = opened()
    with pytest.raises(SpoolInUseError):
        opened()
    spool.close()
    opened().close()


async def test_a_disk_that_fails_is_reported_and_leaves_no_half_entry(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened()
    await spool.append(records("a"))
    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", _full)
        with pytest.raises(SpoolError, match="No space left"):
            await spool.append(records("b"))
    await spool.append(records("c"))
    assert await all_of(spool) == ["a", "c"]


async def test_who_is_cancelled_while_it_is_written_leaves_what_is_drained_all_the_same(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, begun, is_over = opened(), threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        begun.set()
        is_over.wait()

    with monkeypatch.context() as slowed:
        slowed.setattr("os.fsync", slow)
        writing = asyncio.create_task(spool.append(records("a")))
        await asyncio.to_thread(begun.wait)
        writing.cancel()
        await asyncio.sleep(0)
        is_over.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
    async with asyncio.timeout(10):
        await spool.oldest()
    assert await all_of(spool) == ["a"]


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")
