"""What a person sees meanwhile: a bar on a terminal, plain lines elsewhere, and never silence for more than five seconds.

Everything goes to standard error, so that standard output stays free for results.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichBar


class Advance(Protocol):
    """Counts steps; with 0 it only shows that the work goes on."""

    def __call__(self, steps: int = 1) -> None:
        """Count so many more."""


EVERY_SECONDS: Final = 3.0


class Progress(Protocol):
    """Reports what is being done; `advance` of a counted piece of work may be called from any thread."""

    def report(self, line: str) -> None:
        """Report one fact, such as a part that is ready."""

    def counted(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """Show a piece of work of `total` equal steps; call the function it yields after each."""


class SilentProgress:
    """Reports nothing."""

    def report(self, line: str) -> None:
        """Drop the line."""

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002  the protocol's signature
        """Count nothing."""
        yield lambda steps=1: None  # noqa: ARG005  the protocol's signature


class LineProgress:
    """Plain lines, at most one every few seconds for a counted piece of work."""

    def __init__(self, stream: TextIO | None = None, every_seconds: float = EVERY_SECONDS) -> None:
        self._stream = stream or sys.stderr
        self._every_seconds = every_seconds

    def report(self, line: str) -> None:
        """Print the line, if anyone still listens."""
        with contextlib.suppress(OSError):
            self._stream.write(line + "\n")  # one write: several parts report at the same time
            self._stream.flush()

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Advance]:
        """Print the title, then a count now and then, then the end."""
        self.report(f"{title}: 0 of {total:,}")
        done = 0
        last = time.monotonic()

        def advance(steps: int = 1) -> None:
            nonlocal done, last
            done += steps
            if time.monotonic() - last >= self._every_seconds:
                last = time.monotonic()
                self.report(f"{title}: {done:,} of {total:,}")

        yield advance
        self.report(f"{title}: {done:,} of {total:,}, done")


class TerminalProgress:
    """A rich progress bar for counted work, one line for each fact."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)

    def report(self, line: str) -> None:
        """Print the line, above a bar if there is one, if anyone still listens."""
        with contextlib.suppress(OSError):
            self._console.print(line, markup=False)

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Advance]:
        """Show a bar that stays when it is full."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with RichBar(*columns, console=self._console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda steps=1: bar.advance(task, steps)


def progress_for(stream: TextIO | None = None) -> Progress:
    """Return a bar when `stream` (default: standard error) is a terminal, else plain lines."""
    stream = stream or sys.stderr
    if stream.isatty():
        return TerminalProgress(Console(file=stream, highlight=False))
    return LineProgress(stream)


@contextlib.asynccontextmanager
async def heartbeat(progress: Progress, describe: Callable[[], str]) -> AsyncIterator[None]:
    """Report what `describe` returns every few seconds for the length of the block."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            progress.report(describe())

    task = asyncio.create_task(beat(), name="progress")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
