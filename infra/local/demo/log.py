"""What the log says about time: when each order's first line was appended, and when its final event was."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from infra.base.connections import address_of
from infra.ops.log import Log
from schemas import messages as m
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS, Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from infra.base.settings import Settings

_FINAL_EVENTS: Final[frozenset[type[m.Message]]] = frozenset({m.OrderPaid, m.OrderRejected, m.OrderCancelled})


async def order_times(settings: Settings) -> dict[str, tuple[int, int]]:
    """Return for each finished order the append times of its first PlaceOrderLine and of its final event, in ms."""
    placed: dict[str, int] = {}
    ended: dict[str, int] = {}
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        async for order_id, at_ms in _orders(log, INVENTORY_COMMANDS, {m.PlaceOrderLine}):
            placed[order_id] = min(at_ms, placed.get(order_id, at_ms))
        async for order_id, at_ms in _orders(log, ORDER_EVENTS, _FINAL_EVENTS):
            ended.setdefault(order_id, at_ms)
    return {order_id: (at, ended[order_id]) for order_id, at in placed.items() if order_id in ended}


async def _orders(log: Log, topic: Topic, types: Collection[type[m.Message]]) -> AsyncIterator[tuple[str, int]]:
    """Yield (order id, append time) of every message of these types that the topic has now."""
    for partition, end in enumerate(await log.ends(topic)):
        async for records in log.read(topic, partition, end):
            for record in records:
                with contextlib.suppress(DecodeError):  # a stranger's, which became a dead letter
                    if (message := decode_if(record.value, types)) is not None:
                        yield message.order_id, record.timestamp  # type: ignore[attr-defined]  # all of these have one
