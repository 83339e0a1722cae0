"""The lifecycle of a room's process: it works until it is asked to stop, or until something fails that only a restart mends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from consumers.errors import NeedsPersonError, OwnerStoppedError

if TYPE_CHECKING:
    from collections.abc import Coroutine


class ProcessLifecycle:
    """One process's work. `fail` may be called from any task, `stop` from a signal handler."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._failed = asyncio.Event()
        self._failure: Exception | None = None

    @property
    def running(self) -> bool:
        """Tell whether nobody has asked to stop yet."""
        return not self._stopping.is_set()

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stopping.set()

    def fail(self, error: Exception) -> None:
        """Stop the process from whatever task notices that it must stop; the first reason counts."""
        if self._failure is None:
            is_known = isinstance(error, OwnerStoppedError | NeedsPersonError)
            self._failure = error if is_known else OwnerStoppedError(repr(error))
            self._failed.set()

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end. Raises what `fail` was called with, or what `work` raises."""
        main, failed = map(asyncio.ensure_future, (work, self._failed.wait()))  # noqa: TID251  awaited below
        try:
            await asyncio.wait({main, failed}, return_when=asyncio.FIRST_COMPLETED)
            if self._failure is not None:
                raise self._failure
            await main
        finally:
            main.cancel()
            failed.cancel()
