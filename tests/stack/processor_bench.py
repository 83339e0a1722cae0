"""The simulated processor as a process of its own, and operations to ask of it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import msgspec

from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, OperationKind
from infra.local.sandbox_processor.address import Address

ROOT = Path(__file__).parents[2]
PRICE_MINOR = 1999


class Line(msgspec.Struct):
    authorization_id: str
    order_id: str
    authorized_minor: int
    captured_minor: int
    voided_minor: int
    refunded_minor: int
    state: str
    expires_at_ms: int


class BooksView(msgspec.Struct):
    operations: int
    totals: dict[str, dict[str, int]]
    lines: list[Line]


class StartError(Exception):
    """The process ended before it listened; the message is what it said."""


class Server:
    """The processor's process; `start` again after `kill` and it stands at the same address."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.data_dir = data_dir
        self.url = ""
        self._flags = flags
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> Server:
        port = self.url.rpartition(":")[2] or "0"
        arguments = [
            "-m",
            "infra.local.sandbox_processor",
            "--data-dir",
            str(self.data_dir),
            "--port",
            port,
            *self._flags,
        ]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        if not line:
            _, complaints = await self.stop()
            raise StartError(complaints)
        self.url = msgspec.json.decode(line, type=Address).url
        return self

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Return its exit code and what it complained about."""
        assert self._process is not None
        process, self._process = self._process, None
        if process.returncode is None:
            process.send_signal(how)
        _, complaints = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode or 0, complaints.decode()

    async def kill(self) -> None:
        await self.stop(signal.SIGKILL)

    @property
    def running(self) -> bool:
        return self._process is not None

    async def books(self) -> BooksView:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/books") as answer:
            return msgspec.json.decode(await answer.read(), type=BooksView)


class Bench:
    """Starts servers and adapters, and ends them all."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._servers: list[Server] = []
        self._adapters: list[HttpProcessor] = []

    async def server(self, *flags: str, name: str = "books") -> Server:
        server = Server(self._data_dir / name, *flags)
        self._servers.append(server)
        return await server.start()

    def adapter(self, server: Server, timeout_seconds: float = 30.0) -> HttpProcessor:
        adapter = HttpProcessor(server.url, connect_timeout_seconds=10.0, total_timeout_seconds=timeout_seconds)
        self._adapters.append(adapter)
        return adapter

    async def end(self) -> None:
        for adapter in self._adapters:
            await adapter.close()
        for server in self._servers:
            if server.running:
                assert await server.stop() == (0, "")


def authorize(key: str, card: str = "tok_visa", amount_minor: int = PRICE_MINOR) -> Operation:
    return Operation(
        f"{key}-authorize", f"order-{key}", OperationKind.AUTHORIZE, amount_minor, "EUR", card, "customer-1", ""
    )


def capture(
    key: str, authorization_id: str, amount_minor: int = PRICE_MINOR, *, is_last: bool = True, name: str = "capture"
) -> Operation:
    return Operation(
        f"{key}-{name}",
        f"order-{key}",
        OperationKind.CAPTURE,
        amount_minor,
        "EUR",
        "",
        "",
        authorization_id,
        is_last=is_last,
    )


def refund(key: str, authorization_id: str, amount_minor: int, name: str = "refund") -> Operation:
    return Operation(
        f"{key}-{name}", f"order-{key}", OperationKind.REFUND, amount_minor, "EUR", "", "", authorization_id
    )


def void(key: str, authorization_id: str) -> Operation:
    return Operation(f"{key}-void", f"order-{key}", OperationKind.VOID, PRICE_MINOR, "EUR", "", "", authorization_id)
