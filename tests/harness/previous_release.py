"""Runs inside the tree of the previous release: `python previous_release.py serve FOLDER` or `fill`.

Every module of that tree is imported by name at run time, since the present tree no longer has all of them.

- `serve` creates topics and tables, runs every process and prints "up"; SIGTERM stops it in an orderly way.
- `fill` publishes orders in all states with that release's own clients and prints their ids by name as JSON.
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
import msgspec

SETTINGS: Final = import_module("infra.settings").load_settings()
MESSAGES: Final[Any] = import_module("schemas.messages")
SKUS: Final = {"MUG": 200, "TIN": 60, "WS": 10, "WS ": 7}
"""What comes in. That release took SKUs that differ by a blank."""
PATIENCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05


async def serve(folder: Path) -> None:
    """Run the whole system until SIGTERM."""
    admin, supervisor = import_module("topology.admin"), import_module("infra.supervisor")
    await admin.apply(
        SETTINGS.kafka_bootstrap,
        namespace=SETTINGS.namespace,
        partitions=SETTINGS.partitions,
        expected_cluster_id=SETTINGS.cluster_id,
    )
    await import_module("infra.migrate").migrate(SETTINGS.postgres_dsn)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with supervisor.Supervisor(SETTINGS, folder=folder) as running:
        await running.start_all()
        print("up", flush=True)  # noqa: T201  the caller waits for it
        await stopped.wait()


def order(*lines: tuple[str, int], token: str = "tok_ok", terms: str = "", currency: str = "GBP") -> Any:  # noqa: S107
    """Return an order of (SKU, quantity) lines at 5.00 a unit."""
    orders = import_module("producers.orders")
    return orders.OrderRequest(
        lines=tuple(orders.OrderLine(sku, quantity, 500) for sku, quantity in lines),
        customer_id="customer-1",
        payment_token=token,
        terms=terms,
        currency=currency,
    )


async def fill() -> dict[str, str]:
    """Bring orders into every state; return their ids by name."""
    publisher_module, producers = import_module("producers.publisher"), import_module("producers.orders")
    stock = import_module("producers.stock")
    async with publisher_module.Publisher(SETTINGS.kafka_bootstrap, namespace=SETTINGS.namespace) as publisher:
        await stock.StockClient(publisher).receive(stock.receipts_of("delivery", SKUS))
        placed = {
            **{
                name: order(("MUG", 2), ("TIN", 1)) for name in ("paid", "shipped", "delivered", "returned", "refunded")
            },
            "cancelled": order(("MUG", 1)),
            "at_shipping": order(("MUG", 1), ("TIN", 1), terms="capture_at_shipping"),
            "declined": order(("MUG", 1), token="tok_declined"),
            "capture_failed": order(("MUG", 1), token="tok_capture_fails"),
            "requires_action": order(("MUG", 1), token="tok_3ds"),
            "sold_out": order(("MUG", 1), ("TIN", 900)),
            "blank": order(("WS ", 2), ("WS", 1)),
        }
        await producers.OrderClient(publisher).place(list(placed.values()))
        foreign = await place_in_a_currency_that_is_none(publisher)
        await publisher.publish(lines_of(order(("MUG", 1), ("TIN", 1)))[:1])  # the second line never comes
        misrouted = await misroute(publisher)
        ids = {name: request.order_id for name, request in placed.items()}
        await until_state(
            {ids[name]: state for name, state in EXPECTED.items()} | {foreign: "paid"},
        )
        shippable = ("shipped", "delivered", "returned", "refunded", "cancelled", "at_shipping")
        await until_state({ids[name]: "open" for name in shippable}, "fulfilments")
        await say(publisher, commands_of(ids))
        await until_state({ids["shipped"]: "shipped", ids["delivered"]: "shipped", ids["returned"]: "shipped"})
        await say(
            publisher,
            [MESSAGES.ConfirmDelivery(ids["delivered"], "S1"), MESSAGES.ConfirmDelivery(ids["returned"], "S1")],
        )
        await until_state({ids["delivered"]: "delivered", ids["returned"]: "delivered"})
        await say(
            publisher,
            [
                MESSAGES.RequestReturn(ids["returned"], "R1", (1,), "small"),
                MESSAGES.ApproveReturn(ids["returned"], "R1"),
            ],
        )
        return ids | {"foreign": foreign, "misrouted": misrouted}


EXPECTED: Final = {
    **dict.fromkeys(("paid", "shipped", "delivered", "returned", "refunded", "cancelled", "blank"), "paid"),
    "at_shipping": "placed",
    "declined": "rejected",
    "capture_failed": "cancelled",
    "sold_out": "rejected",
    "requires_action": "reserved",
}


def commands_of(ids: dict[str, str]) -> list[Any]:
    """Return what is asked of orders that are placed."""
    return [
        *(MESSAGES.ShipOrder(ids[name], "S1", (), "post", "T1") for name in ("shipped", "delivered", "returned")),
        MESSAGES.ShipOrder(ids["at_shipping"], "S1", (1,), "post", "T1"),
        MESSAGES.RefundOrder(ids["refunded"], "sorry", 70, "scratched"),
        MESSAGES.CancelOrder(ids["cancelled"], "customer", "changed my mind"),
    ]


async def say(publisher: Any, messages: Sequence[Any]) -> None:
    """Publish messages as that release keys them."""
    outgoing = import_module("consumers.runtime.decision").outgoing
    await publisher.publish([outgoing(message) for message in messages])


def lines_of(request: Any) -> list[Any]:
    """Return the records of an order's lines."""
    outgoing = import_module("consumers.runtime.decision").outgoing
    return [outgoing(line) for line in import_module("producers.orders").place_order_lines(request)]


async def place_in_a_currency_that_is_none(publisher: Any) -> str:
    """Place an order in XXX (ISO 4217: no currency), which that release took, around its client; return its id."""
    outgoing = import_module("consumers.runtime.decision").outgoing
    request = order(("TIN", 2))
    lines = import_module("producers.orders").place_order_lines(request)
    await publisher.publish([outgoing(msgspec.structs.replace(line, currency="XXX")) for line in lines])
    return str(request.order_id)


async def misroute(publisher: Any) -> str:
    """Publish an order of one line and a receipt to a partition that is not their key's; return the order's id."""
    partition_of = import_module("topology.partitioner").partition_of
    outgoing = import_module("consumers.runtime.decision").outgoing
    request = order(("MUG", 1))
    records = [*lines_of(request), outgoing(MESSAGES.ReceiveStock("misrouted", "TIN", 5))]
    for record in records:
        wrong = (partition_of(record.key, SETTINGS.partitions) + 1) % SETTINGS.partitions
        await publisher.publish([msgspec.structs.replace(record, partition=wrong)])
    return str(request.order_id)


async def until_state(wanted: dict[str, str], table: str = "orders") -> None:
    """Wait until each order is in its state there. Raises TimeoutError naming those that are not."""
    connection = await asyncpg.connect(SETTINGS.postgres_dsn)
    left: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                rows = await connection.fetch(f"SELECT order_id::text, state FROM {table}")  # noqa: S608  our own names
                states = {row["order_id"]: row["state"] for row in rows}
                left = {
                    order_id: (states.get(order_id), state)
                    for order_id, state in wanted.items()
                    if states.get(order_id) != state
                }
                if not left:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"order: (state, wanted) {left}") from None
    finally:
        await connection.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(Path(sys.argv[2])))
    else:
        print(json.dumps(asyncio.run(fill())))  # noqa: T201  the answer
