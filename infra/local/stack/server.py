"""A server of the stack: ours, which can be restarted, killed and paused, or somebody else's, which can only be asked."""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from infra.base.errors import NotOursError, ProcessFailedError, ServerUnreachableError, StackError
from infra.base.settings import redacted
from infra.local.stack.process import ChildProcess, tail

log = structlog.get_logger(__name__)

_PROBE_PAUSE_SECONDS = 0.05
_PROBE_LIMIT_SECONDS = 5.0


class EmbeddedServer(ABC):
    """One of Kafka, PostgreSQL and Valkey."""

    name: str
    address: str

    @abstractmethod
    async def start(self) -> None:
        """Bring it up and return when it answers. Raises StackError."""

    @abstractmethod
    async def stop(self) -> None:
        """End it in an orderly way; harmless when it does not run."""

    @abstractmethod
    async def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL); `start` brings it back on the same port."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on after `pause`."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Process id while it runs here, else None."""

    async def restart(self) -> None:
        """Stop it and start it again: same port, same data."""
        await self.stop()
        await self.start()


class ServerPart(EmbeddedServer):
    """A server that runs as our child, with its data in `folder` and its log beside it."""

    stop_signal = signal.SIGTERM
    death_signal = signal.SIGKILL
    unprivileged = False
    stop_seconds = 20.0

    def __init__(
        self, folder: Path, start_timeout_seconds: float, on_death: Callable[[ProcessFailedError], None]
    ) -> None:
        self.folder = folder
        self.log_path = folder.parent / "logs" / f"{folder.name}.log"
        self._start_timeout_seconds = start_timeout_seconds
        self._on_death = on_death
        self._process: ChildProcess | None = None
        self._watch: asyncio.Task[None] | None = None

    @abstractmethod
    async def prepare(self) -> None:
        """Make folders, data and configuration that are not there yet."""

    @abstractmethod
    def command(self) -> list[str | Path]:
        """Return the program, to run in the foreground, and its arguments."""

    @abstractmethod
    async def probe(self) -> None:
        """Ask for something that only a working server can answer. Raises anything when it is not ready."""

    @property
    def pid(self) -> int | None:
        """See EmbeddedServer."""
        return self._process.pid if self._process and self._process.running else None

    async def start(self) -> None:
        """See EmbeddedServer."""
        if self.pid is not None:
            return
        await self.prepare()
        self._process = await ChildProcess.spawn(
            self.name,
            self.command(),
            log_path=self.log_path,
            death_signal=self.death_signal,
            unprivileged=self.unprivileged,
        )
        await self._until_ready(self._process)
        self._watch = asyncio.create_task(self._report_death(self._process), name=f"watch {self.name}")

    async def stop(self) -> None:
        """See EmbeddedServer."""
        await self._end_watch()
        if self._process is not None:
            await self._process.terminate(self.stop_signal, self.stop_seconds)

    async def kill(self) -> None:
        """See EmbeddedServer."""
        await self._end_watch()
        if self._process is not None:
            await self._process.kill()

    def pause(self) -> None:
        """See EmbeddedServer."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        """See EmbeddedServer."""
        if self._process is not None:
            self._process.resume()

    async def run_tool(self, title: str, command: list[str | Path]) -> None:
        """Run a tool of this server to its end, its output in the log. Raises ProcessFailedError when it fails."""
        tool = await ChildProcess.spawn(title, command, log_path=self.log_path, unprivileged=self.unprivileged)
        try:
            code = await tool.wait()
        except asyncio.CancelledError:
            await tool.kill()
            raise
        if code != 0:
            raise self._failure(f"{title} failed with exit code {code}")

    async def _until_ready(self, process: ChildProcess) -> None:
        """Probe until it answers, it ends, or the time is up."""
        try:
            await answering(self.probe, self._start_timeout_seconds, give_up=lambda: not process.running)
        except TimeoutError as error:
            if not process.running:
                raise self._failure(f"{self.name} ended while starting, exit code {process.exit_code}") from error
            raise self._failure(
                f"{self.name} was not ready after {self._start_timeout_seconds:g} s (last answer: {error});"
                " a slow machine may need a larger LASTUNIT_START_TIMEOUT_SECONDS"
            ) from error

    async def _report_death(self, process: ChildProcess) -> None:
        code = await process.wait()
        log.error("part died", part=self.name, pid=process.pid, exit_code=code)
        self._on_death(self._failure(f"{self.name} (process {process.pid}) died unexpectedly, exit code {code}"))

    async def _end_watch(self) -> None:
        """Stop watching: what ends from now on ends because we want it to."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None

    def _failure(self, what: str) -> ProcessFailedError:
        return ProcessFailedError(f"{what}. The end of {self.log_path}:\n{tail(self.log_path, 15) or '(empty)'}")


class ExternalServer(EmbeddedServer):
    """An existing server that the settings name: probed, never touched."""

    def __init__(self, name: str, address: str, variable: str, probe: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self.address = address
        self._variable = variable
        self._probe = probe

    @property
    def pid(self) -> int | None:
        """None: it is not our process."""
        return None

    async def start(self) -> None:
        """Ask once. Raises ServerUnreachableError."""
        try:
            async with asyncio.timeout(_PROBE_LIMIT_SECONDS):
                await self._probe()
        except StackError:
            raise
        except Exception as error:
            reason = redacted(str(error)) or type(error).__name__
            raise ServerUnreachableError(
                f"{self.name} at {redacted(self.address)} does not answer: {reason}."
                f" Check {self._variable}, or unset it to use the embedded {self.name}."
            ) from error

    async def stop(self) -> None:
        """Leave it as it is."""

    async def kill(self) -> None:
        """See EmbeddedServer. Raises NotOursError."""
        raise self._not_ours()

    async def restart(self) -> None:
        """See EmbeddedServer. Raises NotOursError."""
        raise self._not_ours()

    def pause(self) -> None:
        """See EmbeddedServer. Raises NotOursError."""
        raise self._not_ours()

    def resume(self) -> None:
        """See EmbeddedServer. Raises NotOursError."""
        raise self._not_ours()

    def _not_ours(self) -> NotOursError:
        return NotOursError(f"{self.name} at {redacted(self.address)} was not started here; manage it where it runs")


async def answering(
    probe: Callable[[], Awaitable[None]], within_seconds: float, give_up: Callable[[], bool] = lambda: False
) -> None:
    """Repeat `probe` until it raises nothing. Raises TimeoutError with the last reason, earlier when `give_up()`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while True:
        try:
            async with asyncio.timeout(min(_PROBE_LIMIT_SECONDS, max(0.1, deadline - loop.time()))):
                await probe()
        except Exception as error:
            if give_up() or loop.time() >= deadline:
                raise TimeoutError(redacted(str(error)) or type(error).__name__) from error
            await asyncio.sleep(_PROBE_PAUSE_SECONDS)
        else:
            return
