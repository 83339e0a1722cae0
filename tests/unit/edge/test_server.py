"""The bounds of the HTTP server on what comes with a request, seen by a client that sends bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from infra.edge.server import MAX_HEAD_BYTES, HttpServer

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    """Serve an application that answers with the names of its request's headers and the length of its body."""

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            length, more = length + len(message["body"]), message["more_body"]
        body = b" ".join(name for name, _ in scope["headers"]) + b" %d" % length
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    server = HttpServer(echo, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.run())
    await server.listening.wait()
    yield int(server.address.rpartition(":")[2])
    server.stop()
    await running


async def answer(port: int, *parts: bytes) -> bytes:
    """Send bytes, each part on its own, and return what comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("apart", [False, True])
async def test_what_follows_a_body_is_no_header(port: int, apart: bool) -> None:
    parts = (HEAD, b"2\r\nab\r\n", b"0\r\nauthorization: x\r\nx-forwarded-for: 192.0.2.1\r\n\r\n")
    answered = await answer(port, *(parts if apart else (b"".join(parts),)))
    assert answered.endswith(b"\r\n\r\nhost connection transfer-encoding 2")


@pytest.mark.parametrize("endless", [b"0\r\nx: %b", b"2;%b", b"0\r\n%b"])
async def test_endless_frames_of_chunks_are_cut_off(port: int, endless: bytes) -> None:
    filler = b"x: y\r\n" if endless.endswith(b"\n%b") else b"x"
    sent = endless % (filler * (4 * MAX_HEAD_BYTES))
    assert (await answer(port, HEAD, sent, b"x" * MAX_HEAD_BYTES))[:12] in (b"HTTP/1.1 431", b"")


async def test_a_body_in_the_smallest_chunks_is_read(port: int) -> None:
    chunks = b"1\r\nx\r\n" * (2 * MAX_HEAD_BYTES)
    assert (await answer(port, HEAD, chunks, b"0\r\n\r\n")).endswith(b" %d" % (2 * MAX_HEAD_BYTES))
