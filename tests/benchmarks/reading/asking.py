"""Asks a server over HTTP: as fast as it answers, or in an open loop; counts its CPU, not ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import psutil

CONNECTIONS = 8


class Asked(msgspec.Struct, frozen=True):
    """How a server answered: requests a second and a CPU second of it, and how long they took."""

    per_s: float
    per_cpu_s: float
    p50_ms: float
    p99_ms: float


class Connection:
    """One connection that is kept open."""

    def __init__(self, port: int, accept: str) -> None:
        self._port, self._accept = port, accept
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> bytes:
        """Return the body of an answer, which must be 200."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {self._accept}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lower = head.lower()
        at = lower.index(b"content-length: ") + 16
        return await self._reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))

    def close(self) -> None:
        """Close it."""
        if self._writer is not None:
            self._writer.close()


def cpu_of(processes: Sequence[psutil.Process]) -> float:
    """Return the CPU seconds of processes and of all that they started."""
    total = 0.0
    for process in processes:
        for each in (process, *process.children(recursive=True)):
            try:
                times = each.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
    return total


async def ask(
    port: int, paths: Sequence[str], cpu: Callable[[], float], *, accept: str, seconds: float, rate: float | None = None
) -> Asked:
    """Ask for paths in turn for a while: in a closed loop, or at a rate, where the time counts from when each was due."""
    connections = [Connection(port, accept) for _ in range(CONNECTIONS)]
    taken: list[float] = []
    began, before = time.perf_counter(), cpu()
    turn = iter(range(10**9))

    async def work(connection: Connection) -> None:
        while True:
            number = next(turn)
            due = time.perf_counter() if rate is None else began + number / rate
            if due - began >= seconds or time.perf_counter() - began >= seconds:
                return
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            await connection.get(paths[number % len(paths)])
            taken.append(time.perf_counter() - due)

    await asyncio.gather(*map(work, connections))
    lasted, spent = time.perf_counter() - began, cpu() - before
    for connection in connections:
        connection.close()
    p50, p99 = np.percentile(taken, (50, 99)).tolist()
    return Asked(len(taken) / lasted, len(taken) / max(spent, 0.001), p50 * 1000, p99 * 1000)
