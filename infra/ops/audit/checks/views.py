"""Whether the orders' timelines in Redis have every event up to where they were read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from consumers.views.store import TTL_SECONDS, count_events, read_positions
from schemas.codec.wire import message_type
from schemas.errors import DecodeError
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from consumers.runtime.deciding.record import Record
    from infra.ops.audit.inputs import AuditInputs
    from infra.ops.audit.report import Tally

ORDERS_AT_ONCE: Final = 1_000
MARGIN_MS: Final = 24 * 60 * 60 * 1000
"""Timelines whose time is nearly over may go while they are compared."""
_EVENTS: Final = frozenset(ORDER_EVENTS.carries)


async def check_views(redis: Redis, namespace: str, inputs: AuditInputs, now_ms: int, tally: Tally) -> None:
    """Compare each order's number of events. `now_ms` is the database's clock."""
    ends = inputs.ends[ORDER_EVENTS.name]
    tally.count(orders=0, unread_events=0)
    try:
        positions = await read_positions(redis, namespace, range(len(ends)))
        for partition, end in enumerate(ends):
            position = min(positions[partition] or 0, end)
            tally.count(unread_events=end - position)
            await _check_partition(redis, namespace, inputs, _Partition(partition, position, now_ms), tally)
    except RedisError as error:
        tally.example(f"The timelines could not be compared: {error}")


class _Partition:
    """One partition's events up to where the views have read it."""

    def __init__(self, number: int, position: int, now_ms: int) -> None:
        self.number = number
        self.position = position
        self.events: Counter[str] = Counter()
        self._kept_from_ms = now_ms - TTL_SECONDS * 1000 + MARGIN_MS
        self._last_ms: dict[str, int] = {}

    def take(self, record: Record) -> None:
        """Count an event that its timeline must have."""
        try:
            is_event = message_type(record.value) in _EVENTS
        except DecodeError:
            return
        if is_event and record.key is not None:
            order_id = record.key.decode(errors="replace")
            self.events[order_id] += 1
            self._last_ms[order_id] = record.timestamp

    @property
    def kept(self) -> list[str]:
        """Return the orders whose timelines Redis still keeps."""
        return [order_id for order_id, at_ms in self._last_ms.items() if at_ms >= self._kept_from_ms]


async def _check_partition(redis: Redis, namespace: str, inputs: AuditInputs, here: _Partition, tally: Tally) -> None:
    async for records in inputs.log.read(ORDER_EVENTS, here.number, here.position):
        for record in records:
            here.take(record)
    kept = here.kept
    for start in range(0, len(kept), ORDERS_AT_ONCE):
        chunk = kept[start : start + ORDERS_AT_ONCE]
        for order_id, count in zip(chunk, await count_events(redis, namespace, chunk), strict=True):
            tally.count(orders=1)
            if count < here.events[order_id]:
                tally.breach(f"the timeline of {order_id} has {count} of {here.events[order_id]} events")
