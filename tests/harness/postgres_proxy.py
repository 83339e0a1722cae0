"""A network between an owner and PostgreSQL that is slow, or fails exactly at the commit statement.

It reads as much of the protocol as it takes to know that statement by its text: each message after the first is a type
byte and a length (https://www.postgresql.org/docs/current/protocol-message-formats.html).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"WITH fence AS"
_ENDS_OF_STATEMENTS = (b"S", b"Q")
"""Sync and simple query: what the server waits for before it answers."""
_HEAD_BYTES = 5
_READ_BYTES = 256 * 1024


class Fate(Enum):
    """What happens to one sending of the commit statement."""

    PASS = auto()
    LOSE_STATEMENT = auto()
    """The connection ends before the server has seen it."""
    LOSE_ANSWER = auto()
    """The server has carried it out; the connection ends before its answer."""
    LOSE_SIGHT = auto()
    """The client's connection ends at once; the server goes on with the statement for as long as it takes."""
    HOLD = auto()
    """It waits on the way until `release`."""


class PostgresProxy:
    """`fate` is asked for each commit statement, by its number from 1; `dsn` is the way through here.

    Every statement takes `delay_seconds` longer than it does without the proxy.
    """

    def __init__(self, dsn: str) -> None:
        self._server = urlsplit(dsn)
        self.dsn = ""
        self.fate: Callable[[int], Fate] = lambda _: Fate.PASS
        self.delay_seconds = 0.0
        self.commits = 0
        self.held = asyncio.Event()
        self._released = asyncio.Event()
        self._lines: set[asyncio.Task[None]] = set()

    def release(self) -> None:
        """Let what is held go on, and everything after it."""
        self.fate = lambda _: Fate.PASS
        self._released.set()

    def bring(self, fate: Fate, *, at: int) -> None:
        """Let this happen to the `at`-th commit from now, once."""
        chosen = self.commits + at
        self.fate = lambda number: fate if number == chosen else Fate.PASS

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[PostgresProxy]:
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        place = f"{self._server.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
        self.dsn = urlunsplit(self._server._replace(netloc=place, query="sslmode=disable"))
        try:
            yield self
        finally:
            listener.close()
            for line in self._lines:
                line.cancel()
            if self._lines:
                await asyncio.wait(self._lines)

    async def _accept(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._connect(client, answers))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        with contextlib.suppress(asyncio.CancelledError, OSError, EOFError):
            await asyncio.wait({line})

    async def _connect(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            server, requests = await asyncio.open_connection(self._server.hostname, self._server.port)
            line = _Line(self, client, answers, server, requests)
            try:
                await line.run()
            finally:
                answers.close()
                requests.close()


class _Line:
    """One connection through the proxy."""

    def __init__(
        self,
        proxy: PostgresProxy,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client, self._answers, self._server, self._requests = client, answers, server, requests
        self._commit_names: set[bytes] = set()
        self._swallow = False

    async def run(self) -> None:
        there, back = asyncio.create_task(self._forward()), asyncio.create_task(self._backward())
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _forward(self) -> None:
        start = await self._client.readexactly(4)
        self._requests.write(start + await self._client.readexactly(int.from_bytes(start) - 4))
        while True:
            head = await self._client.readexactly(_HEAD_BYTES)
            body = await self._client.readexactly(int.from_bytes(head[1:]) - 4)
            if head[:1] == b"P" and COMMIT in body:
                self._commit_names.add(body.partition(b"\0")[0])
            if head[:1] == b"B" and body.split(b"\0", 2)[1] in self._commit_names:
                await self._meet(await self._whole(head + body))
            else:
                if head[:1] in _ENDS_OF_STATEMENTS:
                    await asyncio.sleep(self._proxy.delay_seconds)
                self._requests.write(head + body)

    async def _whole(self, bind: bytes) -> bytes:
        """Return the bind with the execute and sync that follow it."""
        whole = bind
        while True:
            head = await self._client.readexactly(_HEAD_BYTES)
            whole += head + await self._client.readexactly(int.from_bytes(head[1:]) - 4)
            if head[:1] == b"S":
                return whole

    async def _meet(self, statement: bytes) -> None:
        self._proxy.commits += 1
        await asyncio.sleep(self._proxy.delay_seconds)
        fate = self._proxy.fate(self._proxy.commits)
        if fate is Fate.HOLD:
            self._proxy.held.set()
            await self._proxy._released.wait()
        if fate is Fate.LOSE_STATEMENT:
            raise EOFError
        self._swallow = fate is Fate.LOSE_ANSWER
        self._requests.write(statement)
        await self._requests.drain()
        if fate is Fate.LOSE_SIGHT:
            self._answers.close()
            await self._server.read(1)  # the server's own end of the line stays until it has answered

    async def _backward(self) -> None:
        while answer := await self._server.read(_READ_BYTES):
            if self._swallow:
                return
            self._answers.write(answer)
            await self._answers.drain()
