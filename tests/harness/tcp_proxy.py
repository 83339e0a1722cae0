"""A network between a client and a server that swallows, cuts or refuses on demand, whatever the protocol is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_READ_BYTES = 256 * 1024


class Line:
    """One connection. While it is `frozen`, what the client sends is swallowed and the client gets no answer."""

    def __init__(self, *, frozen: bool = False) -> None:
        self.frozen = frozen
        self.ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(
        self,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        self._tasks = [
            asyncio.create_task(self._pump(client, requests)),
            asyncio.create_task(self._pump(server, answers)),
        ]
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.ended.set()

    def cut(self) -> None:
        """End the connection."""
        for task in self._tasks:
            task.cancel()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_READ_BYTES):
                if not self.frozen:
                    sink.write(data)
                    await sink.drain()


class TcpProxy:
    """Listens on a free port of the loopback interface, `port`, and connects each client to the server.

    While it `is_frozen` every new connection is frozen too.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.port = 0
        self.is_frozen = False
        self.lines: list[Line] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[TcpProxy]:
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def freeze(self) -> list[Line]:
        """Swallow what is sent on the connections that are open now, and return them; later ones work."""
        frozen = [line for line in self.lines if not line.ended.is_set()]
        for line in frozen:
            line.frozen = True
        return frozen

    async def _accept(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(client, answers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})

    async def _connect(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            server, requests = await asyncio.open_connection(*self._server)
            line = Line(frozen=self.is_frozen)
            self.lines.append(line)
            try:
                await line.run(client, answers, server, requests)
            finally:
                answers.close()
                requests.close()
