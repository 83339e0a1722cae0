"""The client for code without an event loop: a thread runs one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from consumers.views.timeline import OrderView
    from lastunit_client.client import Client, Command, Delivery
    from producers.clients.orders import OrderRequest

T = TypeVar("T")


class BlockingClient:
    """A client's methods for any number of threads, as in `with BlockingClient(Client()) as client`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lastunit_client", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._client.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._client.close())
        finally:
            self._end()

    def place(self, order: OrderRequest) -> Delivery:
        """As Client.place."""
        return self._run(self._client.place(order))

    def place_all(self, orders: Sequence[OrderRequest]) -> Delivery:
        """As Client.place_all."""
        return self._run(self._client.place_all(orders))

    def cancel(self, order_id: str, *, reason: str, requested_by: str = "customer") -> Delivery:
        """As Client.cancel."""
        return self._run(self._client.cancel(order_id, reason=reason, requested_by=requested_by))

    def receive_stock(self, sku: str, quantity: int, *, command_id: str) -> Delivery:
        """As Client.receive_stock."""
        return self._run(self._client.receive_stock(sku, quantity, command_id=command_id))

    def send(self, command: Command) -> Delivery:
        """As Client.send."""
        return self._run(self._client.send(command))

    def send_all(self, commands: Sequence[Command]) -> Delivery:
        """As Client.send_all."""
        return self._run(self._client.send_all(commands))

    def outcome(self, order_id: str, timeout_seconds: float = 30.0) -> OrderView:
        """As Client.outcome."""
        return self._run(self._client.outcome(order_id, timeout_seconds))

    def drained(self) -> None:
        """As Client.drained."""
        self._run(self._client.drained())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
