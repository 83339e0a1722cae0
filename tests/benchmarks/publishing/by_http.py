"""What the API spends on a request, beside a bare handler: each a process of its own, asked over connections that stay open."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec
import psutil

from infra.edge.access.key_rows import create_key
from infra.edge.access.scopes import SCOPES
from schemas.ids import new_order_id
from tests.benchmarks.harness.servers import environment
from tests.benchmarks.reading.asking import cpu_of
from tests.benchmarks.reading.servers import free_port
from tests.harness.api import order_body
from tests.harness.waiting import until

if TYPE_CHECKING:
    from infra.base.settings import Settings

CONNECTIONS: Final = 64
START_SECONDS: Final = 60.0
ORDERS_A_BATCH: Final = 1_000


class Posted(msgspec.Struct, frozen=True):
    """Requests a second, and a CPU second of the server; percentiles of the answers' times."""

    requests: int
    per_s: float
    per_cpu_s: float
    p50_ms: float
    p99_ms: float


class Server(msgspec.Struct, frozen=True):
    """A process that takes orders at a port; `key` is what it is shown."""

    port: int
    process: psutil.Process
    key: str = ""

    def request(self, path: str, body: bytes) -> bytes:
        """Return a request with a new Idempotency-Key."""
        shown = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{shown}"
        return f"{head}Idempotency-Key: {new_order_id()}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def _running(port: int, settings: Settings, *command: str) -> AsyncIterator[psutil.Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *command, env=environment(settings))
    try:
        await until(lambda: _listens(port), seconds=START_SECONDS)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[Server]:
    """Run the API with a key, counting requests, of which there may be any number."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        made = await create_key(connection, "benchmark", list(SCOPES), None)
    finally:
        await connection.close()
    port = free_port()
    given = {"api_port": port, "api_rate_limit": 10**9, "log_level": "warning"}
    async with _running(port, settings.model_copy(update=given), "infra.local.room_process", "api") as process:
        yield Server(port, process, made.key)


@asynccontextmanager
async def bare(settings: Settings) -> AsyncIterator[Server]:
    """Run the handler that only publishes the bytes."""
    port = free_port()
    async with _running(port, settings, "tests.benchmarks.publishing.bare", str(port)) as process:
        yield Server(port, process)


def one_order() -> bytes:
    """Return the body of an order of one line."""
    return json.dumps(order_body(("SKU-00001", 1))).encode()


def many_orders() -> bytes:
    """Return the body of a batch."""
    return json.dumps({"orders": [order_body(("SKU-00001", 1))] * ORDERS_A_BATCH}).encode()


async def post(
    server: Server, path: str, body: bytes, seconds: float, *, connections: int = CONNECTIONS, rate: float | None = None
) -> Posted:
    """Post for a while: as fast as it answers, or at a rate, where a time counts from when the request was due.

    Each connection posts once at least, however long that takes to answer.
    """
    taken_ms: list[float] = []
    turn = iter(range(10**9))
    began, before = time.perf_counter(), cpu_of([server.process])

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        due = _due(began, next(turn), rate)
        while True:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            writer.write(server.request(path, body))
            await _answer(reader)
            taken_ms.append((time.perf_counter() - due) * 1000)
            if (due := _due(began, next(turn), rate)) - began >= seconds:
                break
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    passed, spent = time.perf_counter() - began, cpu_of([server.process]) - before
    taken_ms.sort()
    number = len(taken_ms)
    middle, late = taken_ms[number // 2], taken_ms[min(number - 1, number * 99 // 100)]
    return Posted(number, number / passed, number / spent, middle, late)


def _due(began: float, number: int, rate: float | None) -> float:
    return time.perf_counter() if rate is None else began + number / rate


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 202"), head + await reader.read(2_000)
    at = head.index(b"content-length: ") + 16
    await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
