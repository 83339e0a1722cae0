"""Whether what waits to be delivered by webhook is what was published, and is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.notifications.store import body_of
from schemas.codec.wire import decode
from schemas.errors import DecodeError
from schemas.messages import OrderNotification
from topology.topics import ORDER_NOTIFICATIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from infra.ops.audit.inputs import AuditInputs
    from infra.ops.audit.report import Tally
    from infra.ops.audit.rows import DeliveryRow

OVERDUE_MS: Final = 10 * 60 * 1000
"""A delivery that has been due for so long is not on its way: nobody runs who delivers it."""


async def check_deliveries(rows: Iterable[DeliveryRow], inputs: AuditInputs, now_ms: int, tally: Tally) -> None:
    """Check each waiting delivery against order.notifications. `now_ms` is the database's clock."""
    waiting: dict[str, list[DeliveryRow]] = {}
    for row in rows:
        waiting.setdefault(row.notification_id, []).append(row)
        tally.count(deliveries=1, deliveries_parked=row.is_parked)
        if not row.is_parked and row.next_attempt_at_ms + OVERDUE_MS < now_ms:
            minutes = (now_ms - row.next_attempt_at_ms) // 60_000
            tally.breach(f"{row.notification_id} for {row.subscription_id} has been due for {minutes} minutes")
    if not waiting:
        return
    async for notification in _notifications(inputs):
        for row in waiting.pop(notification.event_id, ()):
            if row.body != body_of(notification):
                tally.breach(f"{row.notification_id} for {row.subscription_id} has another body than was published")
    for notification_id, lost in waiting.items():
        tally.breach(f"{notification_id} is to be delivered to {len(lost)} subscribers, but was never published")


async def _notifications(inputs: AuditInputs) -> AsyncIterator[OrderNotification]:
    """Yield what was published, and what stands in the outbox."""
    for row in inputs.outbox:
        for output in row.records:
            if output.topic == ORDER_NOTIFICATIONS.name and (notification := _read(output.value)) is not None:
                yield notification
    for partition, end in enumerate(inputs.ends[ORDER_NOTIFICATIONS.name]):
        async for records in inputs.log.read(ORDER_NOTIFICATIONS, partition, end):
            for record in records:
                if (notification := _read(record.value)) is not None:
                    yield notification


def _read(value: bytes | None) -> OrderNotification | None:
    try:
        message: Any = decode(value)
    except DecodeError:
        return None
    return message if isinstance(message, OrderNotification) else None
