"""Publish order, stock and catalogue commands to Lastunit from another system, and learn how orders come out.

    async with Client("localhost:9092") as client:
        await client.place(order)
        print((await client.outcome(order.order_id)).state)

Guide: docs/guides/python-client.md.
"""

from lastunit_client.blocking import BlockingClient
from lastunit_client.client import Client, Command, Delivery
from lastunit_client.errors import (
    ClientError,
    OrderPendingError,
    SpoolDamagedError,
    SpoolError,
    SpoolFullError,
    SpoolInUseError,
    UnknownOutcomeError,
)
from producers.clients.catalogue import ProductDraft
from producers.clients.orders import OrderLine, OrderRequest
from producers.errors import InvalidRequestError

__all__ = [
    "BlockingClient",
    "Client",
    "ClientError",
    "Command",
    "Delivery",
    "InvalidRequestError",
    "OrderLine",
    "OrderPendingError",
    "OrderRequest",
    "ProductDraft",
    "SpoolDamagedError",
    "SpoolError",
    "SpoolFullError",
    "SpoolInUseError",
    "UnknownOutcomeError",
]
