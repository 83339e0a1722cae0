"""What somebody can write to order.events who has access to it and is no room."""

from __future__ import annotations

from producers.clients.orders import OrderRequest
from schemas import messages as m
from schemas.codec.wire import encode
from tests.harness.foreign_producers import append
from tests.harness.shop import PARTITIONS, Shop
from topology.partitioner import partition_of
from topology.topics import ORDER_EVENTS


def home_of(request: OrderRequest) -> int:
    return partition_of(request.order_id.encode(), PARTITIONS)


async def forge(shop: Shop, request: OrderRequest, event_id: str | None, event: m.Message | None = None) -> None:
    """Append an event of an order under an id, as somebody may who has access to the topic."""
    event = event or m.OrderCancelled(request.order_id, "changed_mind", "customer")
    headers = [] if event_id is None else [(b"ce_id", event_id.encode())]
    await append(shop, [(request.order_id.encode(), encode(event), headers)], ORDER_EVENTS, home_of(request))


async def moved(shop: Shop, request: OrderRequest) -> list[str]:
    """Return the kinds of all that was ever asked of the processor for an order."""
    rows = await shop.database.fetch("SELECT kind FROM payment_attempts WHERE order_id = $1", request.order_id)
    return sorted(row["kind"] for row in rows)
