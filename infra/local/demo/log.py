"""What the log shows of a demo: how long each order took, and how the race for the flash sale's SKU went."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from infra.base.connections import address_of
from infra.ops.log import Log
from schemas import messages as m
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from schemas.ids import parse_event_id
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from infra.base.settings import Settings
    from topology.topics import Topic

_FINAL_EVENTS: Final[frozenset[type[m.Message]]] = frozenset({m.OrderPaid, m.OrderRejected, m.OrderCancelled})
_ANSWERS: Final[frozenset[type[m.Message]]] = frozenset({m.LineReserved, m.LineRejected})


class Claim(msgspec.Struct, frozen=True):
    """One line for the flash sale's SKU, as inventory answered it: `place` is its command's offset in the SKU's partition.

    `available` is what was there when it was refused, None where it was reserved.
    """

    place: int
    order_id: str
    quantity: int
    available: int | None


class LogFigures(msgspec.Struct):
    """`times` are each finished order's (first, final) append times in ms; `claims` are in the order of their decision."""

    times: dict[str, tuple[int, int]]
    claims: list[Claim]


async def read_log(settings: Settings, flash_sku: str | None) -> LogFigures:
    """Read what happened to every order that is finished."""
    placed: dict[str, int] = {}
    ended: dict[str, int] = {}
    claims: list[Claim] = []
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        async for message, record in _messages(log, INVENTORY_COMMANDS, {m.PlaceOrderLine}):
            placed[message.order_id] = min(record.timestamp, placed.get(message.order_id, record.timestamp))
        async for message, record in _messages(log, ORDER_EVENTS, _FINAL_EVENTS | _ANSWERS):
            if type(message) in _FINAL_EVENTS:
                ended.setdefault(message.order_id, record.timestamp)
            elif message.sku == flash_sku:
                claims.append(_claim(message, record))
    times = {order_id: (at_ms, ended[order_id]) for order_id, at_ms in placed.items() if order_id in ended}
    return LogFigures(times, sorted(claims, key=lambda claim: claim.place))


def _claim(answer: Any, record: Any) -> Claim:
    cause = next(value for name, value in record.headers if name == "ce_id")
    available = answer.available if isinstance(answer, m.LineRejected) else None
    return Claim(parse_event_id(cause.decode()).offset, answer.order_id, answer.quantity, available)


async def _messages(log: Log, topic: Topic, types: Collection[type[m.Message]]) -> AsyncIterator[tuple[Any, Any]]:
    """Yield every message of these types that the topic has now, with its record."""
    for partition, end in enumerate(await log.ends(topic)):
        async for records in log.read(topic, partition, end):
            for record in records:
                with contextlib.suppress(DecodeError):  # a foreign record, which became a dead letter
                    if (message := decode_if(record.value, types)) is not None:
                        yield message, record
