"""Waiting in tests: for a condition with a deadline, or for one turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

PATIENCE_SECONDS = 120.0
"""Longest wait for anything. Nothing waits for so long unless it is broken; two busy cores may be slow."""

SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.001, 0.02

T = TypeVar("T")


@overload
async def until(
    condition: Callable[[], Awaitable[T | None]],
    *running: asyncio.Task[Any],
    seconds: float = ...,
    poll_seconds: float = ...,
) -> T: ...
@overload
async def until(
    condition: Callable[[], T | None], *running: asyncio.Task[Any], seconds: float = ..., poll_seconds: float = ...
) -> T: ...
async def until(
    condition: Callable[[], Any],
    *running: asyncio.Task[Any],
    seconds: float = PATIENCE_SECONDS,
    poll_seconds: float = LONGEST_POLL_SECONDS,
) -> Any:
    """Return the condition's first answer that counts as true, asked for at least every `poll_seconds`.

    Raises TimeoutError, or at once what one of the `running` tasks fails with.
    """
    pause_seconds = min(SHORTEST_POLL_SECONDS, poll_seconds)
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            for task in running:
                if task.done():
                    await task
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, poll_seconds)


async def one_turn() -> None:
    """Let every other task of the loop go on until it next waits."""
    await asyncio.sleep(0)
