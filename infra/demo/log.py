"""What the log says about time: when each order's first line was appended, and when its final event was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer

from schemas import messages as m
from schemas.wire import decode, message_type
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.settings import Settings

_FINAL_EVENTS: Final = frozenset({m.OrderPaid, m.OrderRejected, m.OrderCancelled})


async def order_times(settings: Settings) -> dict[str, tuple[int, int]]:
    """Return for each finished order the append times of its first PlaceOrderLine and of its final event, in ms."""
    placed: dict[str, int] = {}
    ended: dict[str, int] = {}

    def note_placed(record: Any) -> None:
        if message_type(record.value) is m.PlaceOrderLine:
            order_id = decode(record.value).order_id  # type: ignore[attr-defined]  # a PlaceOrderLine has one
            placed[order_id] = min(record.timestamp, placed.get(order_id, record.timestamp))

    def note_ended(record: Any) -> None:
        if message_type(record.value) in _FINAL_EVENTS:
            ended.setdefault(record.key.decode(), record.timestamp)

    await _read(settings, INVENTORY_COMMANDS, note_placed)
    await _read(settings, ORDER_EVENTS, note_ended)
    return {order_id: (at, ended[order_id]) for order_id, at in placed.items() if order_id in ended}


async def _read(settings: Settings, topic: Topic, note: Callable[[Any], None]) -> None:
    """Show every record that the topic has now to `note`."""
    consumer = AIOKafkaConsumer(
        topic.in_namespace(settings.namespace),
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,  # all partitions, and no trace in the cluster
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        unread = {tp for tp, end in ends.items() if await consumer.position(tp) < end}
        while unread:
            for tp, records in (await consumer.getmany(*unread, timeout_ms=1000)).items():
                for record in records:
                    note(record)
                if records[-1].offset + 1 >= ends[tp]:
                    unread.remove(tp)
    finally:
        await consumer.stop()
