"""Another system that is told of orders: a real HTTP server that checks every signature, and answers as a test wants."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_bm9ib2R5IGtub3dzIHRoaXMgc2VjcmV0"


class Subscriber:
    """`taken` counts what was answered with 200, by notification id; `asked` every request."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.bodies: list[Any] = []
        self.under_way = 0
        self.most_under_way = 0
        self.answer: Callable[[str], Awaitable[int]] = _well

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one notification."""
        body = await request.read()
        self.bodies.append(Webhook(SECRET).verify(body, dict(request.headers)))
        name = request.headers["webhook-id"]
        self.asked[name] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            status = await self.answer(name)
        finally:
            self.under_way -= 1
        self.taken[name] += status == 200
        return web.Response(status=status)


async def _well(_: str) -> int:
    return 200


async def never(_: str) -> int:
    """Answer nothing until the asker gives up."""
    await asyncio.Event().wait()
    return 200


@asynccontextmanager
async def listening() -> AsyncIterator[Subscriber]:
    """Serve a subscriber on a free port of the loopback interface."""
    subscriber = Subscriber()
    runner = web.ServerRunner(
        web.Server(subscriber.handle, access_log=None), shutdown_timeout=0.1, handler_cancellation=True
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        subscriber.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
        yield subscriber
    finally:
        await runner.cleanup()
