"""The previous release as it was committed, run beside the present one: its own code, the present packages."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from infra.base.settings import Settings

PREVIOUS: Final = "b5eefe3"
"""The last commit of the previous release: its logs, tables and records must go on working."""
BEFORE_INTAKE: Final = "e272561"
"""The last commit whose rooms read order.commands themselves."""
ROOT: Final = Path(__file__).parents[2]
DRIVERS: Final = {PREVIOUS: "previous_release.py", BEFORE_INTAKE: "before_intake.py"}
START_SECONDS: Final = 60.0


def previous_tree(folder: Path, commit: str = PREVIOUS) -> Path:
    """Unpack the tree of a commit into `folder`; skip the test where the history is not at hand."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit],  # noqa: S607  whichever git is there
        capture_output=True,
        check=False,
    )
    if archive.returncode != 0:
        pytest.skip(f"commit {commit} is not in this checkout's history")
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)  # noqa: S607  same
    return folder


class PreviousRelease:
    """That release on the servers that `settings` name; `folder` holds its logs and the payment sandbox's books."""

    def __init__(self, tree: Path, settings: Settings, folder: Path, driver: Path) -> None:
        self.folder = folder
        self._driver = driver
        self._tree = tree
        self._environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(tree)}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Create topics and tables if need be, and start every process."""
        self._process = await self._spawn("serve", str(self.folder))
        assert self._process.stdout is not None
        printed = b""
        async with asyncio.timeout(START_SECONDS):
            while not printed.endswith(b"up\n"):
                line = await self._process.stdout.readline()
                assert line, printed.decode()
                printed += line

    async def fill(self) -> dict[str, str]:
        """Bring orders into every state; return their ids by name."""
        ids: dict[str, str] = await self.run("fill")
        return ids

    async def run(self, *arguments: str) -> Any:
        """Run the driver with these arguments; return what it prints."""
        process = await self._spawn(*arguments)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return msgspec.json.decode(output.splitlines()[-1])

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to what serves."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End every process: in an orderly way, or with SIGKILL as a power cut would."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await asyncio.wait_for(self._process.communicate(), START_SECONDS)

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(self._driver), *arguments,
            env=self._environment, cwd=self._tree, stdout=PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip


@asynccontextmanager
async def previous_release(settings: Settings, folder: Path, commit: str = PREVIOUS) -> AsyncIterator[PreviousRelease]:
    """Run the previous release (or another commit) for the length of the block, unless it is stopped before."""
    driver = Path(__file__).with_name(DRIVERS[commit])
    release = PreviousRelease(previous_tree(folder / "previous", commit), settings, folder, driver)
    await release.start()
    try:
        yield release
    finally:
        await release.stop(signal.SIGKILL)
