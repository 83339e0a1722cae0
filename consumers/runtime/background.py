"""The tasks that a process runs beside its main work, supervised in one place: none ends unseen.

An asyncio task that nobody awaits keeps its exception to itself until it is collected, which for a task that is kept in a
list is never. So everything that works in the background starts here; what ends with an exception is logged and ends the
process, which is then started afresh. Work that can be repeated catches its own errors and waits (producers/outage.py).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = structlog.get_logger()
T = TypeVar("T")


class BackgroundTasks:
    """Starts tasks; `on_failure` gets the exception of each that ends with one, as soon as it ends."""

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` as a task of this name until it ends or is cancelled."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251  the one place
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def cancel(self) -> None:
        """End every task that still runs, and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("background_task_failed", task=task.get_name(), exc_info=error)
        self._on_failure(error if isinstance(error, Exception) else RuntimeError(repr(error)))
