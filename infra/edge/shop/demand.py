"""What visitors do becomes signals, and what is in demand comes back from their counts. Both may fail without harm."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from consumers.pages import store
from consumers.projections import trend_store
from consumers.projections.trend_store import HOUR_S, RECENT_HOURS
from consumers.recommendations.blending import Recommended
from producers.errors import ProducerError
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from schemas.messages import ShopSignal
from topology.topics import ORDER_EVENTS, SHOP_SIGNALS

if TYPE_CHECKING:
    from collections import Counter

    from redis.asyncio import Redis

    from producers.publisher import Publisher

log = structlog.get_logger()

FLUSH_SECONDS: Final = 1.0
MOST_WAITING: Final = 1_000
"""Signals that wait for Kafka; more are dropped: they are a sample."""
KEPT_SECONDS: Final = 5.0
SHOWN: Final = 24


class Signals:
    """Publishes what visitors do to shop.signals, a second's worth together, while `run` runs."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: list[ShopSignal] = []

    def note(self, kind: str, product_id: str, visitor: str = "") -> None:
        """Note that a visitor has seen a product, or done something else with it."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(ShopSignal(product_id, kind, visitor, ""))

    async def run(self) -> None:
        """Publish until cancelled; what Kafka does not take is lost."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if not self._waiting:
                continue
            signals, self._waiting = self._waiting, []
            records = [
                Outgoing(SHOP_SIGNALS.name, BY_KEY, signal.product_id.encode(), encode(signal)) for signal in signals
            ]
            try:
                await self._publisher.publish(records)
            except ProducerError as error:
                log.info("signals_lost", number=len(records), error=str(error))


class Demand:
    """Reads what is in demand now, and keeps it for a few seconds."""

    def __init__(self, redis: Redis, namespace: str, partitions: int) -> None:
        self._redis, self._namespace = redis, namespace
        names = (SHOP_SIGNALS.name, ORDER_EVENTS.name)
        self._sources = [f"{name}/{partition}" for name in names for partition in range(partitions)]
        self._kept: list[Recommended] = []
        self._kept_until = 0.0

    async def now(self) -> list[Recommended]:
        """Return the products in demand, best first; nothing where Valkey is away."""
        if time.monotonic() >= self._kept_until:
            self._kept_until = time.monotonic() + KEPT_SECONDS
            try:
                self._kept = await self._read()
            except (RedisError, OSError, TimeoutError) as error:
                log.info("demand_unknown", error=f"{type(error).__name__}: {error}")
        return self._kept

    async def _read(self) -> list[Recommended]:
        hour = int(time.time() // HOUR_S)
        hours = range(hour - RECENT_HOURS + 1, hour + 1)
        counts = await trend_store.read_hours(self._redis, self._namespace, self._sources, hours)
        by_product: Counter[str] = type(counts)()
        for member, number in counts.most_common(10 * SHOWN):
            kind, _, name = member.partition(":")
            product_id = name if kind == "p" else await store.read_owner(self._redis, self._namespace, name)
            if product_id:
                by_product[product_id] += number
        return [Recommended(product_id, "in demand now") for product_id, _ in by_product.most_common(SHOWN)]
