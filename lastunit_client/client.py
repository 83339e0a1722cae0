"""The client: places orders, sends commands, waits for outcomes."""

from __future__ import annotations

import os
from bisect import bisect_right
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from lastunit_client.errors import UnknownOutcomeError
from lastunit_client.in_flight import InFlight
from lastunit_client.outcomes import Outcomes
from lastunit_client.spool import Spool
from lastunit_client.spooling import DIRECT_SECONDS, SpooledPublisher
from producers.clients.catalogue import CatalogueCommand, check_catalogue_command
from producers.clients.order_commands import OrderCommand, check_order_command
from producers.clients.orders import OrderRequest, outgoing_orders
from producers.clients.stock import check_stock_command
from producers.errors import InvalidOrderCommandError, PublishError
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas.codec import wire
from schemas.messages import CancelOrder, ReceiveStock, SkuCommand
from topology.topics import TOPIC_NAMES, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consumers.views.timeline import OrderView

Command: TypeAlias = OrderCommand | SkuCommand | CatalogueCommand
"""Whatever lastunit_client.commands has."""

MAX_RECORDS: Final = 20_000
MAX_SPOOL_BYTES: Final = 1024**3


class Delivery(StrEnum):
    """Where a request is: on the log, acknowledged by all replicas in sync; or on disk, until Kafka is back."""

    ON_LOG = "on_log"
    SPOOLED = "spooled"


class Client:
    """Publishes to one cluster; share one among all tasks of a loop.

    `bootstrap` is host:port[,host:port], `namespace` the prefix of the system's topics; LASTUNIT_KAFKA_BOOTSTRAP and
    LASTUNIT_NAMESPACE where they are left out, else localhost:9092 and none. At most `max_records` records (an order has one for each line) wait for
    Kafka; beyond it a call waits. A record that is not acknowledged is sent again under the same ids for `give_up_seconds`. With a
    `spool` (a folder of this process alone, on POSIX) requests are kept on disk while Kafka is away, `max_spool_bytes` at most.
    `clock_margin_seconds` is by how much clocks that order ids are made by may be ahead of the broker's. `partitions_in_use`
    names the number of partitions in use of topics that have more (`lastunit topology check` names them).
    """

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        namespace: str | None = None,
        max_records: int = MAX_RECORDS,
        give_up_seconds: float = 30.0,
        spool: Path | str | None = None,
        max_spool_bytes: int = MAX_SPOOL_BYTES,
        clock_margin_seconds: float = 60.0,
        partitions_in_use: Mapping[str, int] | None = None,
    ) -> None:
        bootstrap = bootstrap or os.environ.get("LASTUNIT_KAFKA_BOOTSTRAP", "localhost:9092")
        namespace = os.environ.get("LASTUNIT_NAMESPACE", "") if namespace is None else namespace
        in_use = partitions_in_use or {}
        patience = give_up_seconds if spool is None else DIRECT_SECONDS
        self._publisher = Publisher(bootstrap, namespace=namespace, in_use=in_use, give_up_seconds=patience)
        self._outcomes = Outcomes(bootstrap, namespace, in_use, clock_margin_seconds)
        self._max_records = max_records
        self._in_flight = InFlight(max_records)
        self._spool, self._max_spool_bytes = spool, max_spool_bytes
        self._spooled: SpooledPublisher | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises KafkaError where Kafka does not answer and there is no spool; SpoolError."""
        if self._spool is None:
            await self._publisher.__aenter__()
        else:
            self._spooled = SpooledPublisher(self._publisher, Spool(Path(self._spool), self._max_spool_bytes))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect; what is spooled stays on disk for the next client of the folder."""
        if self._spooled is not None:
            await self._spooled.close()
        await self._outcomes.close()
        await self._publisher.close()

    async def place(self, order: OrderRequest) -> Delivery:
        """Place an order; placing it again changes nothing. Raises InvalidRequestError, UnknownOutcomeError, SpoolError."""
        return await self.place_all([order])

    async def place_all(self, orders: Sequence[OrderRequest]) -> Delivery:
        """Place many orders. One that is not as it must be raises InvalidRequestError before any of them is sent.

        Raises UnknownOutcomeError, SpoolError. SPOOLED where at least one is.
        """
        records = outgoing_orders(orders)
        sizes = [len(order.lines) for order in orders]
        self._outcomes.watch([order.order_id for order in orders])
        return await self._send(orders, sizes, records)

    async def cancel(self, order_id: str, *, reason: str, requested_by: str = "customer") -> Delivery:
        """Ask to end an order of which nothing was shipped; as `send`."""
        return await self.send(CancelOrder(order_id, requested_by, reason))

    async def receive_stock(self, sku: str, quantity: int, *, command_id: str) -> Delivery:
        """Add units that came in, once for each `command_id`; as `send`."""
        return await self.send(ReceiveStock(command_id, sku, quantity))

    async def send(self, command: Command) -> Delivery:
        """Send a command; sending it again changes nothing. Raises InvalidRequestError, UnknownOutcomeError, SpoolError."""
        return await self.send_all([command])

    async def send_all(self, commands: Sequence[Command]) -> Delivery:
        """Send many commands; those about one order, SKU or product are decided in this order. Raises as `place_all`."""
        for command in commands:
            _check(command)
        return await self._send(commands, [1] * len(commands), _outgoing(commands))

    async def outcome(self, order_id: str, timeout_seconds: float = 30.0) -> OrderView:
        """Return an order once it is known whether it is a sale: its state, the reason, its lines, its events.

        Raises OrderPendingError when the time is over, InvalidIdError for what is no order id.
        """
        return await self._outcomes.outcome(order_id, timeout_seconds)

    async def drained(self) -> None:
        """Return once Kafka has all that was spooled."""
        if self._spooled is not None:
            await self._spooled.drained()

    async def _send(self, requests: Sequence[Any], sizes: Sequence[int], records: Sequence[Outgoing]) -> Delivery:
        """Send the records of many requests; `sizes` says how many of them belong to each request, in order."""
        is_on_log, first = True, 0
        for begin, end, after in _parts(sizes, self._max_records):
            part = records[first:after]
            first = after
            try:
                async with self._in_flight.hold(len(part)):
                    is_on_log &= await self._publish(part)
            except PublishError as error:
                raise UnknownOutcomeError(requests[begin:end], requests[end:], error) from error
        return Delivery.ON_LOG if is_on_log else Delivery.SPOOLED

    async def _publish(self, records: Sequence[Outgoing]) -> bool:
        if self._spooled is not None:
            return await self._spooled.publish(records)
        await self._publisher.publish(records)
        return True


def _parts(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int, int]]:
    """Yield the bounds of parts whose sizes add up to `most` at most, or have one member, and the sum of sizes up to the end of each."""
    sums = list(accumulate(sizes))
    begin = before = 0
    while begin < len(sums):
        end = max(begin + 1, bisect_right(sums, before + most))
        yield begin, end, sums[end - 1]
        begin, before = end, sums[end - 1]


def _outgoing(messages: Sequence[Command]) -> list[Outgoing]:
    return [Outgoing(TOPIC_NAMES[type(message)], BY_KEY, key_of(message), wire.encode(message)) for message in messages]


def _check(command: object) -> None:
    if isinstance(command, SkuCommand):
        check_stock_command(command)
    elif isinstance(command, CatalogueCommand):
        check_catalogue_command(command)
    elif isinstance(command, OrderCommand):
        check_order_command(command)
    else:
        raise InvalidOrderCommandError(f"{type(command).__name__} is no command; lastunit_client.commands has them")
