"""What a person sees while the stack comes up: a bar on a terminal, plain lines elsewhere.

Everything goes to standard error, so that standard output stays free for results.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichBar

Advance = Callable[[], None]


class Progress(Protocol):
    """Says what is being done; `advance` of a counted piece of work may be called from any thread."""

    def say(self, line: str) -> None:
        """Report one fact, such as a part that is ready."""

    def counted(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """Show a piece of work of `total` equal steps; call the function it yields after each."""


class SilentProgress:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Drop the line."""

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002  the protocol's signature
        """Count nothing."""
        yield lambda: None


class LineProgress:
    """Plain lines, at most one every few seconds for a counted piece of work."""

    def __init__(self, stream: TextIO | None = None, every_seconds: float = 3.0) -> None:
        self._stream = stream or sys.stderr
        self._every_seconds = every_seconds

    def say(self, line: str) -> None:
        """Print the line, if anyone still listens."""
        with contextlib.suppress(OSError):
            self._stream.write(line + "\n")  # one write: several parts report at the same time
            self._stream.flush()

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Advance]:
        """Print the title, then a count now and then, then the end."""
        self.say(f"{title} ({total})")
        done = 0
        last = time.monotonic()

        def advance() -> None:
            nonlocal done, last
            done += 1
            if time.monotonic() - last >= self._every_seconds:
                last = time.monotonic()
                self.say(f"{title}: {done} of {total}")

        yield advance
        self.say(f"{title}: done")


class TerminalProgress:
    """A rich progress bar for counted work, one line for each fact."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)

    def say(self, line: str) -> None:
        """Print the line, above a bar if there is one, if anyone still listens."""
        with contextlib.suppress(OSError):
            self._console.print(line, markup=False)

    @contextlib.contextmanager
    def counted(self, title: str, total: int) -> Iterator[Advance]:
        """Show a bar that stays when it is full."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with RichBar(*columns, console=self._console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)


def progress_for(stream: TextIO | None = None) -> Progress:
    """Return a bar when `stream` (default: standard error) is a terminal, else plain lines."""
    stream = stream or sys.stderr
    if stream.isatty():
        return TerminalProgress(Console(file=stream, highlight=False))
    return LineProgress(stream)
