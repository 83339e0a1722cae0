"""Runs inside the tree of the last commit whose rooms read order.commands themselves: `before_intake.py serve FOLDER`, `place` or `ask`.

Every module of that tree is imported by name at run time, since the present tree may lose some of them.

- `serve` creates topics and tables, runs every process and prints "up"; SIGUSR1 kills orders, SIGTERM stops all in an orderly way.
- `place` has twelve orders paid, and prints their ids.
- `ask ID...` asks of them, while orders is away, what all three rooms decide; it returns once payments and fulfilment have.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import asyncpg

SETTINGS: Final = import_module("infra.base.settings").load_settings()
MESSAGES: Final[Any] = import_module("schemas.messages")
ORDERS: Final = 12
PATIENCE_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.05


async def serve(folder: Path) -> None:
    """Run the whole system until SIGTERM."""
    await import_module("topology.admin").apply(
        SETTINGS.kafka_bootstrap,
        namespace=SETTINGS.namespace,
        partitions=SETTINGS.partitions,
        expected_cluster_id=SETTINGS.cluster_id,
    )
    await import_module("infra.base.migrate").migrate(SETTINGS.postgres_dsn)
    stopped, unwanted = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGUSR1, unwanted.set)
    async with import_module("infra.local.supervisor").Supervisor(SETTINGS, folder=folder) as running:
        for name in ("processor", "inventory", "orders", "payments", "fulfilment", "notifications"):
            await running.start(name)
        print("up", flush=True)  # noqa: T201  the caller waits for it
        await unwanted.wait()
        await running.kill("orders")
        await stopped.wait()


async def place() -> list[str]:
    """Return the ids of paid orders."""
    async with _publisher() as publisher:
        stock = import_module("producers.clients.stock")
        await stock.StockClient(publisher).receive(stock.receipts_of("delivery", {"MUG": 100}))
        ids = await _place(publisher, ORDERS)
        await _until("SELECT count(*) FROM fulfilments WHERE state = 'open'", ORDERS)
    return ids


async def ask(ids: Sequence[str]) -> list[str]:
    """Say something about each order, and place more; return the ids of these."""
    async with _publisher() as publisher:
        outgoing = import_module("consumers.runtime.deciding.decision").outgoing
        messages = [
            *(MESSAGES.CancelOrder(order_id, "customer", "changed_mind") for order_id in ids[:3]),
            *(MESSAGES.ShipOrder(order_id, "S1", (), "post", "T1") for order_id in ids[3:7]),
            *(MESSAGES.RefundOrder(order_id, "sorry", 70, "scratched") for order_id in ids[7:]),
        ]
        await publisher.publish([outgoing(message) for message in messages])
        more = await _place(publisher, 4)
        await _until("SELECT count(*) FROM payment_attempts WHERE kind = 'refund' AND result <> 'pending'", ORDERS - 7)
        await _until("SELECT count(*) FROM fulfilments WHERE state = 'shipped'", 4)
    return more


def _publisher() -> Any:
    return import_module("producers.publisher").Publisher(SETTINGS.kafka_bootstrap, namespace=SETTINGS.namespace)


async def _place(publisher: Any, count: int) -> list[str]:
    orders = import_module("producers.clients.orders")
    placed = [
        orders.OrderRequest(
            lines=(orders.OrderLine("MUG", 2, 500),), customer_id="customer-1", payment_token=orders.ACCEPTED_TOKEN
        )
        for _ in range(count)
    ]
    await orders.OrderClient(publisher).place(placed)
    return [request.order_id for request in placed]


async def _until(query: str, wanted: int) -> None:
    connection = await asyncpg.connect(SETTINGS.postgres_dsn)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if await connection.fetchval(query) == wanted:
                    return
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(Path(sys.argv[2])))
    else:
        print(json.dumps(asyncio.run(place() if sys.argv[1] == "place" else ask(sys.argv[2:]))))  # noqa: T201  the answer
