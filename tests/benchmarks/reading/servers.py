"""The servers of the lanes, each a process of its own whose CPU counts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from infra.local.stack.valkey import Valkey
from tests.benchmarks.reading.asking import Connection, cpu_of
from tests.harness.waiting import until

PASSWORD = "of-a-benchmark"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@asynccontextmanager
async def server(lane: str, size: int, *arguments: str) -> AsyncIterator[tuple[int, psutil.Process]]:
    """Run one lane's server; yields its port and process once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.reading.serve", lane, str(size), *arguments, str(port)]
    process = await asyncio.create_subprocess_exec(*command)
    try:

        async def answers() -> bool:
            assert process.returncode is None, f"{lane} ended"
            with contextlib.suppress(OSError):
                await Connection(port, "application/json").get("/search?q=mug")
                return True
            return False

        await until(answers, seconds=300)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def valkey() -> AsyncIterator[str]:
    """Run a Valkey with data that goes away; yields its address."""
    with TemporaryDirectory() as folder:
        one = Valkey(Path(folder), free_port(), PASSWORD, 30, lambda _: None)
        await one.start()
        try:
            yield one.address
        finally:
            await one.stop()


class Lane:
    """A server that answers, and all the processes whose CPU counts for it."""

    def __init__(self, port: int, *processes: psutil.Process) -> None:
        self.port, self._processes = port, processes

    def cpu(self) -> float:
        """Return the CPU seconds of all of them."""
        return cpu_of(self._processes)
