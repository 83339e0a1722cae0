"""`python -m tests.benchmarks.publishing.bare PORT`: a handler of the API's framework that publishes the bytes it gets."""

from __future__ import annotations

import os
import sys
from typing import Any

from litestar import Litestar, Request, Response, post

from infra.edge.server import HttpServer
from producers.publisher import BY_KEY, Outgoing, Publisher
from topology.topics import INVENTORY_COMMANDS


async def serve(port: int) -> None:
    """Serve until killed. The key is the value's first bytes, which costs the same as any."""
    async with Publisher(
        os.environ["LASTUNIT_KAFKA_BOOTSTRAP"], namespace=os.environ["LASTUNIT_NAMESPACE"]
    ) as publisher:

        @post("/v1/orders")
        async def publish(request: Request[Any, Any, Any]) -> Response[bytes]:
            value = await request.body()
            await publisher.publish([Outgoing(INVENTORY_COMMANDS.name, BY_KEY, value[:9], value)])
            return Response(b"{}", status_code=202, media_type="application/json")

        app = Litestar([publish], openapi_config=None, logging_config=None)
        await HttpServer(app, host="127.0.0.1", port=port).run()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
