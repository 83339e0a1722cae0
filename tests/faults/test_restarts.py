"""Servers restart and processes come and go while orders flow in: the rooms go on by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeAlias

import asyncpg
import pytest

from infra.local.stack import Stack
from infra.local.stack.server import EmbeddedServer
from producers.importing.generated import Traffic
from tests.harness.race import race
from tests.harness.shop import Shop
from tests.harness.shop_evidence import logged
from tests.samples import samples

ORDERS = 12_000
"""More than there is time for."""
AT_ONCE = samples(12)
"""Each order takes the whole system some 15 ms of CPU: at every moment some are under way."""
PAUSE_SECONDS = 0.25
DECIDING = ("inventory", "orders", "payments")
Fault: TypeAlias = Callable[[], Awaitable[None]]


class Flow:
    """Places orders, a few at a time, for as long as the block lasts; `placed` counts them."""

    def __init__(self, shop: Shop, traffic: Traffic) -> None:
        self.placed = 0
        self._shop = shop
        self._orders = traffic.orders
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._place())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        if self._task is not None:
            await self._task

    async def _place(self) -> None:
        while not self._over.is_set():
            await self._shop.place(*self._orders[self.placed : self.placed + AT_ONCE])
            self.placed += AT_ONCE
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), PAUSE_SECONDS)
        assert self.placed < len(self._orders), "there was no load in the end"


def faults(stack: Stack) -> tuple[Fault, ...]:
    """Return what happens to the servers; for each change an orderly restart of the log and a crash of the database."""
    return (stack.kafka.restart, crash_of(stack.postgres))


def further_faults(stack: Stack) -> tuple[Fault, ...]:
    return (stack.postgres.restart, *faults(stack), stack.valkey.restart)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("happening", [faults, pytest.param(further_faults, marks=pytest.mark.release)])
async def test_servers_restart_under_load_and_nothing_is_lost_or_doubled(
    shop: Shop, stack: Stack, happening: Callable[[Stack], tuple[Fault, ...]]
) -> None:
    traffic = await race(shop, 1_729, orders=ORDERS)
    await shop.start_processes()
    async with Flow(shop, traffic) as flow:
        for fault in happening(stack):
            await shop.until(progress_after(shop, await shop.progress("orders")))
            await fault()
        await shop.until(progress_after(shop, await shop.progress("orders")))
    await shop.until_quiet(orders=flow.placed)
    assert shop.supervisor.failure is None
    await shop.assert_sound()


@pytest.mark.release
@pytest.mark.timeout(400)
async def test_an_older_copy_of_the_databases_files_is_put_back_under_load_and_nothing_is_lost_or_doubled(
    shop: Shop, stack: Stack, tmp_path: Path
) -> None:
    traffic = await race(shop, 1_731, orders=ORDERS)
    await shop.start_processes()
    async with Flow(shop, traffic) as flow:
        await shop.until(progress_after(shop, 0))
        files = Path(await shop.value("SHOW data_directory"))
        async with killed(stack.postgres):
            await copy_files(files, tmp_path / "backup")
        for _ in range(3):
            await shop.until(progress_after(shop, await shop.progress("orders")))
        async with killed(stack.postgres):
            await copy_files(tmp_path / "backup", files)
        await shop.until(progress_after(shop, await shop.progress("orders")))
    await shop.until_quiet(orders=flow.placed)
    went_back = {room for room in DECIDING if logged(shop.supervisor.folder, room, "database_went_back")}
    assert went_back == set(DECIDING)
    assert shop.supervisor.failure is None
    await shop.assert_sound()


@pytest.mark.release
@pytest.mark.timeout(400)
async def test_processes_join_and_leave_under_load_and_nothing_is_lost_or_doubled(shop: Shop) -> None:
    traffic = await race(shop, 1_730, orders=ORDERS)
    await shop.start_processes()
    async with Flow(shop, traffic) as flow:
        await shop.until(progress_after(shop, 0))
        for room in DECIDING:
            await shop.supervisor.start(f"{room}-2")
        for room in DECIDING:
            await shop.until(has_claimed(shop, f"{room}-2", 1))
        already = {room: len(claims(shop, f"{room}-2")) for room in DECIDING}
        for room in DECIDING:
            await shop.supervisor.stop(room)
            await shop.until(has_claimed(shop, f"{room}-2", 3))
        await shop.until(progress_after(shop, await shop.progress("orders")))
    await shop.until_quiet(orders=flow.placed)
    for room in DECIDING:
        own, inherited = claims(shop, f"{room}-2")[: already[room]], claims(shop, f"{room}-2")[already[room] :]
        assert sorted(claim["partition"] for claim in [*own, *inherited]) == [0, 1, 2], "what it had it kept"
        assert {claim["republished"] for claim in inherited} == {0}, f"{room} left without saying what it had to say"
    await shop.assert_sound()


def crash_of(part: EmbeddedServer) -> Fault:
    async def crash() -> None:
        await part.kill()
        await part.start()

    return crash


@contextlib.asynccontextmanager
async def killed(part: EmbeddedServer) -> AsyncIterator[None]:
    """Have a server dead during the block."""
    await part.kill()
    yield
    await part.start()


async def copy_files(source: Path, target: Path) -> None:
    """Put a copy of a folder in the place of another, with the owners that PostgreSQL insists on."""
    await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    copying = await asyncio.create_subprocess_exec("cp", "-a", source, target)
    assert await copying.wait() == 0


def progress_after(shop: Shop, before: int) -> Callable[[], Awaitable[bool]]:
    """Return the question whether the saga has clearly advanced since."""

    async def has_progress() -> bool:
        try:
            return await shop.progress("orders") > before + 20
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False  # the database is being restarted

    return has_progress


def claims(shop: Shop, process: str) -> list[dict[str, Any]]:
    """Return what a process has logged about its claims."""
    return logged(shop.supervisor.folder, process, "claimed")


def has_claimed(shop: Shop, process: str, times: int) -> Callable[[], bool]:
    return lambda: len(claims(shop, process)) >= times
