"""The same steps as a Restate service, with stock as the state of a virtual object keyed by SKU.

The service journals each call and each answer of the processor, and undoes in the order opposite to that in which it did.
An order's id is its idempotency key. This process serves both, reads Kafka and publishes each outcome when Restate has
answered; what the state and the processor say in the end is left in books.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import restate

from consumers.payments.processor import OperationKind
from producers.publisher import Publisher
from tests.benchmarks.baselines.relay import outgoing
from tests.benchmarks.baselines.restate_object import (
    BOOKS_NAME,
    NPM_VARIABLE,
    NodeServices,
    Opening,
    PythonServices,
    Server,
)
from tests.benchmarks.baselines.sagas.order import Order, Placed, order_of
from tests.benchmarks.baselines.sagas.processor import ask as ask_processor
from tests.benchmarks.baselines.source import OrderSource
from tests.benchmarks.baselines.task import Task, run_until_stopped
from topology.topics import ORDER_COMMANDS


class Money:
    """What the processor moved, in minor units, by operation: asked twice under one id it counts once."""

    def __init__(self, processor_ms: float) -> None:
        self._processor_ms = processor_ms
        self._moved: dict[OperationKind, dict[str, int]] = {kind: {} for kind in OperationKind}

    async def ask(self, placed: Placed, kind: OperationKind) -> str:
        """Return why not, empty where it was done."""
        operation = placed.operation(kind)
        reply = await ask_processor(operation, self._processor_ms)
        if reply.result == "succeeded":
            self._moved[kind][operation.operation_id] = operation.amount_minor
        return reply.reason

    def moved(self) -> dict[str, int]:
        return {str(kind): sum(amounts.values()) for kind, amounts in self._moved.items()}


stock = restate.VirtualObject("Stock", enable_lazy_state=True)


@stock.handler()  # type: ignore[untyped-decorator]
async def reserve(context: restate.ObjectContext, wanted: dict[str, Any]) -> bool:
    """Hold units for an order, if they are there; a SKU opens when it is first asked for."""
    stored = await context.get("available")
    available = wanted["opening"] if stored is None else stored
    if available < wanted["quantity"]:
        return False
    context.set("available", available - wanted["quantity"])
    context.set(f"hold/{wanted['order_id']}", [wanted["quantity"], wanted["expires_at_ms"], "reserved"])
    return True


@stock.handler()  # type: ignore[untyped-decorator]
async def commit(context: restate.ObjectContext, order_id: str) -> bool:
    """Turn an order's hold into an allocation."""
    hold = await context.get(f"hold/{order_id}")
    if hold is None:
        return False
    context.set(f"hold/{order_id}", [*hold[:2], "allocated"])
    return True


@stock.handler()  # type: ignore[untyped-decorator]
async def give_back(context: restate.ObjectContext, order_id: str) -> None:
    """Undo both."""
    hold = await context.get(f"hold/{order_id}")
    if hold is not None:
        context.set("available", await context.get("available") + hold[0])
        context.clear(f"hold/{order_id}")


async def all_of(calls: list[Any]) -> list[Any]:
    """Wait for calls that are under way already."""
    return [await call for call in calls]


def checkout_of(opening: Opening, money: Money) -> restate.Service:
    """Return the service that brings an order to its end."""
    checkout = restate.Service("Checkout")

    @checkout.handler()  # type: ignore[untyped-decorator]
    async def place(context: restate.Context, known: dict[str, Any]) -> str:
        """Return the ending, as in `Placed.outcome`."""
        placed = msgspec.convert(known["placed"], Placed)
        skus = [line.sku for line in placed.lines]

        async def ask(kind: OperationKind) -> str:
            reason: str = await context.run_typed(str(kind), money.ask, restate.RunOptions(), placed, kind)
            return reason

        async def release(held: list[str]) -> None:
            await all_of([context.object_call(give_back, sku, placed.order_id) for sku in held])

        wanted = {"order_id": placed.order_id, "expires_at_ms": known["expires_at_ms"]}
        got = await all_of(
            [
                context.object_call(
                    reserve, line.sku, {**wanted, "opening": opening.of(line.sku), "quantity": line.quantity}
                )
                for line in placed.lines
            ]
        )
        if not all(got):
            await release([sku for sku, is_held in zip(skus, got, strict=True) if is_held])
            return "rejected:insufficient_stock"
        if reason := await ask(OperationKind.AUTHORIZE):
            await release(skus)
            return f"rejected:{reason}"
        committed = await all_of([context.object_call(commit, sku, placed.order_id) for sku in skus])
        reason = await ask(OperationKind.CAPTURE) if all(committed) else "hold_expired"
        if reason:
            await ask(OperationKind.VOID)
            await release(skus)
            return f"cancelled:{reason}"
        return "paid"

    return checkout


def books_of(state: list[dict[str, str]], opening: Opening, moved: dict[str, int]) -> dict[str, int]:
    """Return units taken off the SKUs that were asked for, what their holds say, and the money that moved."""
    left = {row["service_key"]: int(row["value_utf8"]) for row in state if row["key"] == "available"}
    holds = [json.loads(row["value_utf8"]) for row in state if row["key"] != "available"]
    on_hand = sum(map(opening.of, left))
    return {
        "on_hand": on_hand,
        "taken": on_hand - sum(left.values()),
        "reserved": sum(quantity for quantity, _, stage in holds if stage == "reserved"),
        "allocated": sum(quantity for quantity, _, stage in holds if stage == "allocated"),
        **moved,
    }


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop; then finish what was taken."""
    opening, money = msgspec.json.decode(task.variant, type=Opening), Money(task.processor_ms)
    folder = Path(task.state_dir)
    node = NodeServices(folder, opening, task.processor_ms) if os.environ[NPM_VARIABLE] else None
    async with AsyncExitStack() as resources:
        server = Server(folder, node or PythonServices([stock, checkout_of(opening, money)]))
        await server.start(resources)
        # Restate's SDK takes SIGTERM for itself when it begins to serve.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        session = await resources.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        publisher = await resources.enter_async_context(Publisher(task.kafka_bootstrap, namespace=task.namespace))
        source = await resources.enter_async_context(OrderSource(task, order_of, ORDER_COMMANDS))
        slots = asyncio.Semaphore(task.connections)

        async def sell(order: Order) -> None:
            try:
                ending = await call(session, server.ingress, order)
            finally:
                slots.release()
            await publisher.publish([outgoing(order.placed.order_id.encode(), order.placed.outcome(ending))])
            source.done([order])

        async with asyncio.TaskGroup() as sellers:
            while not stopping.is_set():
                for order in await source.take():
                    await slots.acquire()
                    sellers.create_task(sell(order))
        state = await server.stock(session)
        books = books_of(state, opening, money.moved() if node is None else await node.moved())
        (folder / BOOKS_NAME).write_text(json.dumps(books))


async def call(session: aiohttp.ClientSession, ingress: str, order: Order) -> str:
    """Ask the service through the ingress; the answer is durable when it comes."""
    body = {"placed": msgspec.to_builtins(order.placed), "expires_at_ms": order.expires_at_ms}
    headers = {"idempotency-key": order.placed.order_id}
    async with session.post(f"{ingress}/Checkout/place", json=body, headers=headers) as response:
        response.raise_for_status()
        return str(await response.json())


if __name__ == "__main__":
    run_until_stopped(work)
