"""Stock as the state of a Restate virtual object keyed by SKU, called through the ingress by many requests at once.

This one process reads Kafka and publishes each outcome when Restate has answered; the object it serves itself (Python SDK) or
lets Node serve it (JavaScript SDK, restate/services.mjs). An order's id is its idempotency key: a redelivered order gets
the recorded answer. Restate itself runs as a child, with its defaults (durable log) and lazy state, so that a call does not
carry every hold of its SKU. Each process begins with an empty Restate, where every SKU opens with the units that `variant`
says; the state in the end is left in books.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp
import hypercorn.asyncio
import msgspec
import restate
from hypercorn.config import Config

from infra.local.stack import ChildProcess
from producers.publisher import Publisher
from tests.benchmarks.baselines.relay import outgoing
from tests.benchmarks.baselines.source import Order, OrderSource, order_of
from tests.benchmarks.baselines.task import Task, run_until_stopped
from tests.harness.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER_VARIABLE: Final = "BENCH_RESTATE_SERVER"
NPM_VARIABLE: Final = "BENCH_NPM"
"""The folder with Node's packages, where the JavaScript SDK is to serve; else empty."""
NODE_SERVICES: Final = Path(__file__).parent / "restate" / "services.mjs"
START_SECONDS: Final = 60.0
BOOKS_NAME: Final = "books.json"


def shop(opening: int) -> restate.VirtualObject:
    """Return the object, every SKU of which opens with so many units."""
    stock = restate.VirtualObject("Stock", enable_lazy_state=True)

    @stock.handler()  # type: ignore[untyped-decorator]
    async def place(context: restate.ObjectContext, order: dict[str, Any]) -> bool:
        """Sell one line; return whether the units were there."""
        stored = await context.get("available")
        available = opening if stored is None else stored
        if available < order["quantity"]:
            return False
        context.set("available", available - order["quantity"])
        context.set(f"hold/{order['order_id']}", [order["quantity"], order["expires_at_ms"]])
        return True

    return stock


class Opening(msgspec.Struct, frozen=True):
    """Units with which a SKU opens when it is first asked for: `units`, or what `others` has for it."""

    units: int
    others: dict[str, int] = {}

    def of(self, sku: str) -> int:
        return self.others.get(sku, self.units)


class Services(Protocol):
    """Whatever serves Restate's services at a port for the length of a stack."""

    async def serve(self, port: int, resources: AsyncExitStack) -> None:
        """Begin to serve; it may take a while until the port answers."""


class PythonServices:
    """Services of the Python SDK, in this process."""

    def __init__(self, services: Sequence[Any]) -> None:
        self._services = services
        self._stop = asyncio.Event()

    async def serve(self, port: int, resources: AsyncExitStack) -> None:
        """Serve from this event loop."""
        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        serving = asyncio.create_task(
            hypercorn.asyncio.serve(restate.app(self._services), config, shutdown_trigger=self._stop.wait)
        )
        resources.push_async_callback(self._stop_serving, serving)

    async def _stop_serving(self, serving: asyncio.Task[None]) -> None:
        self._stop.set()
        await asyncio.wait({serving}, timeout=5)


class NodeServices:
    """The same services of the JavaScript SDK, as a child."""

    def __init__(self, folder: Path, opening: Opening, processor_ms: float) -> None:
        self._folder = folder
        self._arguments = [str(folder), f"{processor_ms:g}", msgspec.json.encode(opening).decode()]
        self._child: ChildProcess | None = None

    async def serve(self, port: int, resources: AsyncExitStack) -> None:
        """Start Node."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = ["node", str(NODE_SERVICES), str(port), *self._arguments]
        self._child = await ChildProcess.spawn("node", command, log_path=self._folder / "node.log", env=os.environ)
        resources.push_async_callback(self._child.terminate)

    async def moved(self) -> dict[str, int]:
        """End it; return what the processor moved, in minor units, by operation."""
        if self._child is not None:
            await self._child.terminate()
        moved_minor: dict[str, int] = json.loads((self._folder / "moved.json").read_text())
        return moved_minor


class Server:
    """restate-server as our child, and the services registered with it."""

    def __init__(self, folder: Path, services: Services) -> None:
        self._folder = folder
        self._services = services
        self.ingress = f"http://127.0.0.1:{_free_port()}"
        self._admin = f"http://127.0.0.1:{_free_port()}"
        self._services_port = _free_port()

    async def start(self, resources: AsyncExitStack) -> None:
        """Start everything for the length of the stack."""
        await self._services.serve(self._services_port, resources)
        self._folder.mkdir(parents=True, exist_ok=True)
        child = await ChildProcess.spawn(
            "restate", [os.environ[SERVER_VARIABLE]], log_path=self._folder / "restate.log", env=self._environment()
        )
        resources.push_async_callback(child.terminate)
        async with aiohttp.ClientSession() as session:
            await until(lambda: self._registered(session), seconds=START_SECONDS)

    async def stock(self, session: aiohttp.ClientSession) -> list[dict[str, str]]:
        """Return the whole state of the service Stock, with `service_key`, `key` and `value_utf8` of each entry."""
        query = {"query": "SELECT service_key, key, value_utf8 FROM state WHERE service_name = 'Stock'"}
        headers = {"accept": "application/json"}
        async with session.post(f"{self._admin}/query", json=query, headers=headers) as answer:
            answer.raise_for_status()
            rows: list[dict[str, str]] = (await answer.json())["rows"]
            return rows

    async def _registered(self, session: aiohttp.ClientSession) -> bool:
        deployment = {"uri": f"http://127.0.0.1:{self._services_port}", "force": True}
        try:
            async with session.post(f"{self._admin}/deployments", json=deployment) as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "RESTATE_BASE_DIR": str(self._folder),
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_BIND_PORT": str(_free_port()),
            "RESTATE_INGRESS__BIND_PORT": self.ingress.rpartition(":")[2],
            "RESTATE_ADMIN__BIND_PORT": self._admin.rpartition(":")[2],
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_NODE_NAME": "bench",
        }


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    async with AsyncExitStack() as resources:
        opening, folder = msgspec.json.decode(task.variant, type=Opening), Path(task.state_dir)
        is_node = bool(os.environ[NPM_VARIABLE])
        services = NodeServices(folder, opening, 0) if is_node else PythonServices([shop(opening.units)])
        server = Server(folder, services)
        await server.start(resources)
        # Restate's SDK takes SIGTERM for itself when it begins to serve.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        session = await resources.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        publisher = await resources.enter_async_context(Publisher(task.kafka_bootstrap, namespace=task.namespace))
        source = await resources.enter_async_context(OrderSource(task, order_of))
        slots = asyncio.Semaphore(task.connections)

        async def sell(order: Order) -> None:
            try:
                is_sold = await call(session, server.ingress, order)
            finally:
                slots.release()
            outcome = order.reserved() if is_sold else order.rejected()
            await publisher.publish([outgoing(order.command.order_id.encode(), outcome)])
            source.done([order])

        async with asyncio.TaskGroup() as sellers:
            while not stopping.is_set():
                for order in await source.take():
                    await slots.acquire()
                    sellers.create_task(sell(order))
        (folder / BOOKS_NAME).write_text(json.dumps(books_of(await server.stock(session), opening.units)))


def books_of(stock: list[dict[str, str]], opening: int) -> dict[str, int]:
    """Return what the state says: units taken, and holds."""
    left = [int(entry["value_utf8"]) for entry in stock if entry["key"] == "available"]
    return {"sold": opening * len(left) - sum(left), "holds": len(stock) - len(left)}


async def call(session: aiohttp.ClientSession, ingress: str, order: Order) -> bool:
    """Ask the object through the ingress; the answer is durable when it comes."""
    command = order.command
    body = {"order_id": command.order_id, "quantity": command.quantity, "expires_at_ms": order.expires_at_ms}
    headers = {"idempotency-key": command.order_id}
    async with session.post(f"{ingress}/Stock/{command.sku}/place", json=body, headers=headers) as answer:
        answer.raise_for_status()
        return bool(await answer.json())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    run_until_stopped(work)
