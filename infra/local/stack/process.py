"""One child process: started, watched, paused and ended by us, and never outliving us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import structlog

log = structlog.get_logger(__name__)

_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_KEPT_BYTES = 16 * 1024 * 1024


class ChildProcess:
    """A running command in a session of its own, so that a terminal's Ctrl-C reaches us first.

    On Linux it gets `death_signal` when we die, even by kill -9. Linux sends that when the *thread* that started
    the child ends, so spawn from a thread that lives as long as the child should: the main thread.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path | None) -> None:
        self.name = name
        self.log_path = log_path
        self._process = process

    @classmethod
    async def spawn(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        unprivileged: bool = False,
    ) -> ChildProcess:
        """Start `command`; its output is appended to `log_path`, or goes to ours when that is None.

        `env` replaces the whole environment. `unprivileged` gives up root first, when we are root.
        """
        launch: list[str | Path] = [sys.executable, "-I", "-S", _LAUNCHER, "--parent", str(os.getpid())]
        launch += ["--death-signal", str(int(death_signal)), *(["--unprivileged"] if unprivileged else []), "--"]
        output = _open_log(log_path) if log_path else None
        try:
            process = await asyncio.create_subprocess_exec(
                *launch,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        finally:
            if output is not None:
                os.close(output)
        log.debug("child started", child=name, pid=process.pid)
        return cls(name, process, log_path)

    @property
    def pid(self) -> int:
        """The command's process id (the launcher becomes the command, so it never changes)."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return await self._process.wait()

    async def terminate(self, stop_signal: signal.Signals = signal.SIGTERM, timeout_seconds: float = 15.0) -> int:
        """Ask it to end; after `timeout_seconds`, or when we are cancelled meanwhile, kill it. Returns the exit code."""
        if self.running:
            self.resume()
            self._send(stop_signal)
        try:
            return await asyncio.wait_for(self.wait(), timeout_seconds)
        except TimeoutError:
            log.warning("child did not end in time and is killed", child=self.name, seconds=timeout_seconds)
            return await self.kill()
        except asyncio.CancelledError:
            self._kill_tree()
            raise

    async def kill(self) -> int:
        """End it and its children at once (SIGKILL), as a crash would. Returns the exit code."""
        self._kill_tree()
        return await self.wait()

    def pause(self) -> None:
        """Freeze it and its children (SIGSTOP), as a long garbage collection or a starved host would."""
        for process in self._tree():
            _signalled(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause` (SIGCONT); harmless otherwise."""
        for process in self._tree():
            _signalled(process, signal.SIGCONT)

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of its log, or an empty string."""
        return "" if self.log_path is None else tail(self.log_path, lines)

    def _send(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def _kill_tree(self) -> None:
        for process in self._tree():
            _signalled(process, signal.SIGKILL)

    def _tree(self) -> list[psutil.Process]:
        """Return it and its descendants; psutil compares start times, so a reused pid is never signalled."""
        if not self.running:
            return []
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def tail(path: Path, lines: int) -> str:
    """Return the last `lines` lines of a text file, or an empty string when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _signalled(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _open_log(path: Path) -> int:
    """Open a log for appending; one that has grown large is set aside first, replacing the one before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_KEPT_BYTES:
        path.replace(path.with_suffix(path.suffix + ".old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
