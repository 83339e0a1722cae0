"""Ends what takes too long, by one timer for all that wait equally long: `asyncio.timeout` makes one each time, for 5 us a request."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class TimeLimit:
    """Makes blocks that end with TimeoutError after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._blocks: deque[_Block] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def block(self) -> _Block:
        """Return a block, for `with`, whose task is cancelled when its time is over. Raises TimeoutError at its end then."""
        return _Block(self)

    def begin(self, block: _Block) -> None:
        """Count a block's time from now on. They end in the order in which they began."""
        loop = asyncio.get_running_loop()
        block.due = loop.time() + self._seconds
        self._blocks.append(block)
        if self._timer is None:
            self._timer = loop.call_at(block.due, self._end)

    def forget(self) -> None:
        """Forget blocks that are left, of the oldest ones."""
        while self._blocks and self._blocks[0].is_left:
            self._blocks.popleft()

    def _end(self) -> None:
        loop = asyncio.get_running_loop()
        self.forget()
        while self._blocks and self._blocks[0].due <= loop.time():
            self._blocks.popleft().end()
            self.forget()
        self._timer = loop.call_at(self._blocks[0].due, self._end) if self._blocks else None


class _Block:
    """One block, as `asyncio.Timeout` has it: a cancellation that came from elsewhere stays one."""

    __slots__ = ("_cancelling", "_is_over", "_limit", "_task", "due", "is_left")

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self._is_over = self.is_left = False
        self.due = 0.0

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  only a task can await
        self._task, self._cancelling = task, task.cancelling()
        self._limit.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.is_left = True
        self._limit.forget()
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """Cancel the task."""
        self._is_over = True
        self._task.cancel()
