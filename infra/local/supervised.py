"""One process that is kept up: started again with growing pauses whenever it ends by itself, for as long as that takes.

Only a process that needs a person (exit status 78: unusable settings, another cluster, a log that is not the one decided)
is given up. Everything else may heal while the process is down: a server that is away, a disk that is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil
import structlog

from infra.base.errors import ProcessFailedError
from infra.base.exits import NEEDS_A_PERSON
from infra.local.stack.process import ChildProcess, tail

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 30.0
"""A process that ran for so long was well: the next restart begins with the shortest pause again."""

_STOP_SECONDS: Final = 25.0  # a room's own deadline is 20 s


class SupervisedProcess:
    """A command through all its lives. `on_failure` gets the error when a person is needed before another one."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log_path: Path,
        *,
        report: Callable[[str], None],
        on_failure: Callable[[ProcessFailedError], None],
    ) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._log_path = log_path
        self._report = report
        self._on_failure = on_failure
        self._process: ChildProcess | None = None
        self._began = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._unwanted = asyncio.Event()
        self._earlier_runs_seconds = 0.0
        self._this_run_seconds = 0.0

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process is not None and self._process.running else None

    async def start(self) -> None:
        """Begin a life and keep it up; harmless while it is kept up."""
        if self._watch is not None and not self._watch.done():
            return
        self._unwanted.clear()
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_up(), name=f"keep up {self.name}")

    async def stop(self) -> None:
        """End it in an orderly way; harmless when it does not run."""
        await self._end(lambda process: process.terminate(timeout_seconds=_STOP_SECONDS))

    async def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL); it stays down until `start`."""
        await self._end(lambda process: process.kill())

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            self._process.resume()

    def cpu_seconds(self) -> float:
        """Return user and system time of all lives so far. What a life used since the last call before its end is lost."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                self._this_run_seconds = times.user + times.system
        return self._earlier_runs_seconds + self._this_run_seconds

    def failure(self, what: str) -> ProcessFailedError:
        """Return an error that ends with the tail of the log."""
        return ProcessFailedError(
            f"{self.name} {what}. The end of {self._log_path}:\n{tail(self._log_path, 15) or '(empty)'}"
        )

    async def _spawn(self) -> None:
        self._began = time.monotonic()
        self._process = await ChildProcess.spawn(
            self.name, self._command, log_path=self._log_path, env=self._environment
        )

    async def _end(self, how: Callable[[ChildProcess], Awaitable[int]]) -> None:
        self._unwanted.set()
        self.cpu_seconds()
        if self._process is not None:
            await how(self._process)
        if self._watch is not None:
            await asyncio.wait({self._watch})

    async def _keep_up(self) -> None:
        failures = 0
        while self._process is not None:
            code = await self._process.wait()
            self._earlier_runs_seconds += self._this_run_seconds
            self._this_run_seconds = 0.0
            if self._unwanted.is_set():
                return
            lived_seconds = time.monotonic() - self._began
            failures = 1 if lived_seconds >= STEADY_SECONDS else failures + 1
            log.info("process_ended", process=self.name, exit_code=code, lived_seconds=round(lived_seconds, 1))
            if code == NEEDS_A_PERSON:
                self._on_failure(self.failure(f"ended with {_described(code)}: it needs a person"))
                return
            if not await self._started_again(pause_seconds(failures), code):
                return

    async def _started_again(self, after_seconds: float, code: int) -> bool:
        """Begin the next life after the pause, unless it is unwanted by then."""
        self._report(f"{self.name} ended with {_described(code)}; starting it again in {after_seconds:.1f} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._unwanted.wait(), after_seconds)
            return False
        await self._spawn()
        self.restarts += 1
        if self._unwanted.is_set() and self._process is not None:  # stopped while it was being started
            await self._process.kill()
        return True


def pause_seconds(failures: int) -> float:
    """Return how long to wait after so many unexpected ends in a row, the first being 1."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS)


def _described(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
