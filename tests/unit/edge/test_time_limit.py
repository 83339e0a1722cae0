"""Many blocks end by one timer, each in its own time, and a cancellation from elsewhere stays one."""

from __future__ import annotations

import asyncio

import pytest

from infra.edge.api.time_limit import TimeLimit

FOREVER = 30.0


async def test_a_block_that_takes_too_long_ends_with_a_timeout() -> None:
    limit = TimeLimit(0.02)
    with pytest.raises(TimeoutError), limit.block():
        await asyncio.sleep(FOREVER)
    with limit.block():  # the task that was cancelled goes on
        await asyncio.sleep(0)


async def test_each_block_ends_by_itself_whatever_becomes_of_those_before() -> None:
    limit = TimeLimit(0.05)
    over: list[str] = []
    first_is_over = asyncio.Event()

    async def wait(name: str, seconds: float) -> None:
        try:
            with limit.block():
                await asyncio.sleep(seconds)
        except TimeoutError:
            over.append(name)
            first_is_over.set()

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("first", FOREVER), ("done", 0.0), ("second", FOREVER)):
            tasks.create_task(wait(name, seconds))
        await first_is_over.wait()
        tasks.create_task(wait("third", FOREVER))
    assert over == ["first", "second", "third"]


async def test_what_was_cancelled_from_elsewhere_stays_cancelled() -> None:
    limit = TimeLimit(FOREVER)

    async def wait() -> None:
        with limit.block():
            await asyncio.sleep(FOREVER)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_a_block_raises_goes_on() -> None:
    with pytest.raises(ValueError, match="own"), TimeLimit(FOREVER).block():
        raise ValueError("own")
