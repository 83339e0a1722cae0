"""The HTTP server of the applications here: uvicorn, with the bounds on slow and large requests that it lacks.

uvicorn limits how long an idle connection is kept, but neither how long a request may take to arrive nor how large its head
may be, so a client that sends a byte now and then holds a connection for ever (slow loris). It takes what follows a chunked
body for headers of the request that is being served; a proxy that strips headers may let it through (RFC 9110, 6.5.1).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infra.edge.certificates import CertificateFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = structlog.get_logger()

REQUEST_SECONDS: Final = 15.0
"""From the first byte of a request (of a connection, for its first one) until its last."""
MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together; what is around the chunks of a body, beside a few bytes for each of the body's."""
_FRAME_OF_A_BYTE: Final = 8
"""Bytes that may be around one of the body: a chunk of one byte has five."""
KEEP_ALIVE_SECONDS: Final = 30
BACKLOG: Final = 1024
FINISH_SECONDS: Final = 10
"""How long answers under way may take once the server is to stop."""
_REFUSAL: Final = b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn has it; a request that is too slow is answered with 408, one with a large head with 431."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._frame_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin with a connection: its first request is due."""
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was expected."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is too large by now."""
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._frame_bytes += len(data)
        super().data_received(data)
        if (self._head_bytes if self._in_head else self._frame_bytes) > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._expect_request()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless it comes after the body."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Note that the head is whole."""
        self._in_head, self._frame_bytes = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._frame_bytes -= len(body) * _FRAME_OF_A_BYTE
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole; the next one begins with a head."""
        self._expect_nothing()
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _expect_request(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._refuse, b"408 Request Timeout")

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._expect_nothing()
        if self.transport.is_closing():
            return
        # Between the bytes of an answer that is under way there is no room for another one.
        cycle: Any = self.cycle  # None before the first request, whatever its annotation is
        is_free = cycle is None or (cycle.response_complete if self._in_head else not cycle.response_started)
        if is_free:
            self.transport.write(_REFUSAL % status)
        self.transport.close()


class HttpServer:
    """Serves an ASGI application. With port 0 any free one is taken; `address` is where it listens once `listening` is set.

    With `certificate` and `key` (PEM files) it speaks TLS only, and takes new ones while it runs. What X-Forwarded-For and -Proto say counts where it comes from
    one of `proxies` (addresses or networks); None: from this machine.
    """

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        certificate: Path | None = None,
        key: Path | None = None,
        proxies: Sequence[str] | None = None,
    ) -> None:
        self._scheme = "https" if certificate else "http"
        self._files = CertificateFiles(certificate, key) if certificate and key else None
        self._host, self._port = host, port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=proxies is None or bool(proxies),
                forwarded_allow_ips=None if proxies is None else list(proxies),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=FINISH_SECONDS,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                ssl_version=ssl.PROTOCOL_TLS_SERVER,
            )
        )
        self.listening = asyncio.Event()

    @property
    def address(self) -> str:
        """Where the server listens, once it does."""
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def stop(self) -> None:
        """Ask for a graceful end: answers under way are finished."""
        self._server.should_exit = True

    async def run(self) -> None:
        """Serve until `stop`. Raises OSError where the address is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, self._port), family=family, backlog=BACKLOG)
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup([listener])
        log.info("http_server_listens", address=self.address)
        self.listening.set()
        renewing = asyncio.create_task(self._files.keep(config.ssl)) if self._files and config.ssl else None
        await self._server.main_loop()
        await self._server.shutdown()
        if renewing is not None:
            renewing.cancel()
