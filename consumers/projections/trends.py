"""Counts what is in demand by the hour, from shop.signals and paid orders, with Faust.

Faust brings the group, rebalancing and batches (`take`); no table of its own, as its windows are lost or stay for ever after
a rebalance (faust-streaming#385, #412) and its changelog says nothing about how far the log was counted. The counts are in
Valkey with their positions (trend_store.py), so a killed worker loses nothing and counts nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

import faust
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.projections import trend_store
from consumers.projections.trend_store import HOUR_S
from producers.outage import Outage
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from schemas.messages import Message, OrderPaid, ShopSignal
from topology.topics import ORDER_EVENTS, SHOP_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = structlog.get_logger()

BATCH: Final = 300
BATCH_SECONDS: Final = 1.0
SESSION_SECONDS: Final = 6.0
"""After so long a killed worker's partitions go to another one."""
WEIGHTS: Final = {"seen": 1, "found": 2, "added": 5}
"""What a signal is worth beside a unit that was paid for."""
PAID_WEIGHT: Final = 10
_COUNTED: Final[frozenset[type[Message]]] = frozenset({OrderPaid, ShopSignal})


def worth_of(message: Message) -> Counter[str]:
    """Return what a message adds to which member: `p:` and a product's id, or `s:` and a SKU. Pure."""
    if isinstance(message, ShopSignal):
        weight = WEIGHTS.get(message.kind, 0)
        return Counter({f"p:{message.product_id}": weight}) if weight else Counter()
    worth: Counter[str] = Counter()
    if isinstance(message, OrderPaid):
        for line in message.lines:
            worth[f"s:{line.sku}"] += PAID_WEIGHT * line.quantity
    return worth


def count_all(records: Iterable[tuple[float, bytes | None]]) -> dict[int, Counter[str]]:
    """Return the counts of records (seconds since the epoch, value) by hour. Pure; what is no message of ours counts nothing."""
    by_hour: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for at_s, value in records:
        try:
            message = decode_if(value, _COUNTED) if value is not None else None
        except DecodeError:
            continue
        if message is not None and (worth := worth_of(message)):
            by_hour[int(at_s // HOUR_S)].update(worth)
    return dict(by_hour)


class Trends:
    """Counts whatever partitions Faust's group gives to this process, while `run` runs."""

    def __init__(self, bootstrap: str, redis_url: str, namespace: str, state_dir: Path) -> None:
        self._namespace = namespace
        self._redis = Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self._positions: dict[str, int | None] = {}
        self._outage = Outage("Valkey (trends)")
        self._stopping = asyncio.Event()
        self.app = faust.App(
            f"{namespace}trends",
            broker=f"aiokafka://{bootstrap}",
            store="memory://",
            datadir=state_dir,
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 4,
            stream_wait_empty=False,
            value_serializer="raw",
            key_serializer="raw",
        )
        topics = [topic.in_namespace(namespace) for topic in (SHOP_SIGNALS, ORDER_EVENTS)]
        self.app.agent(self.app.topic(*topics), name="count")(self._count)

    async def _count(self, stream: Any) -> None:
        async for events in stream.take_events(BATCH, within=BATCH_SECONDS):
            by_source: defaultdict[str, list[Any]] = defaultdict(list)
            for event in events:
                message = event.message
                by_source[f"{message.topic.removeprefix(self._namespace)}/{message.partition}"].append(message)
            for source, messages in by_source.items():
                await self._count_source(source, messages)

    async def _count_source(self, source: str, messages: list[Any]) -> None:
        """Count a batch of one partition; what was counted before is left out."""
        while True:
            try:
                if source not in self._positions:
                    self._positions[source] = await trend_store.read_position(self._redis, self._namespace, source)
                believed = self._positions[source]
                new = [(message.timestamp, message.value) for message in messages if message.offset >= (believed or 0)]
                reached = max(message.offset for message in messages) + 1
                if not new:
                    return
                stands = await trend_store.count(
                    self._redis, self._namespace, source, believed=believed, reached=reached, by_hour=count_all(new)
                )
                self._outage.ended(source)
                self._positions[source] = stands
                if stands == reached:
                    return
                log.info("trend_position_moved", source=source, believed=believed, stands=stands)
            except (RedisError, OSError, TimeoutError) as error:
                self._positions.pop(source, None)  # the answer may be lost, and the counts be there
                await self._outage.wait(error, source)

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stopping.set()

    async def run(self) -> None:
        """Count until `stop`."""
        await self.app.start()
        try:
            await self._stopping.wait()
        finally:
            await self.app.stop()
            await self._redis.aclose()
