"""Which orders have news: one look at the views for all that are watched, however many watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from consumers.views.store import count_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.3
PATIENCE_SECONDS: Final = 15.0
"""Proxies close what is silent for longer than half a minute or so."""


class Watched:
    """One watcher's order; `changed` returns when there are news, or when there were none for a while."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._is_over = False

    async def changed(self) -> bool:
        """Wait for news, at most PATIENCE_SECONDS; return False where there will be none any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._news.wait()
        self._news.clear()
        return not self._is_over

    def wake(self, *, is_over: bool = False) -> None:
        """There are news, or it is over."""
        self._is_over |= is_over
        self._news.set()


class OrderWatch:
    """Counts the events of the watched orders in one round trip, every LOOK_SECONDS while anybody watches."""

    def __init__(self, redis: Redis, namespace: str) -> None:
        self._redis, self._namespace = redis, namespace
        self._watchers: defaultdict[str, set[Watched]] = defaultdict(set)
        self._reading: asyncio.Task[None] | None = None
        self._is_closed = False

    @contextlib.contextmanager
    def of(self, order_id: str) -> Iterator[Watched]:
        """Watch an order for the length of the block."""
        watched = Watched()
        self._watchers[order_id].add(watched)
        if self._is_closed:
            watched.wake(is_over=True)
        elif self._reading is None:
            self._reading = asyncio.create_task(self._look())
        try:
            yield watched
        finally:
            self._watchers[order_id].discard(watched)
            if not self._watchers[order_id]:
                del self._watchers[order_id]

    def close(self) -> None:
        """End all watching, so that streams end before their process does."""
        self._is_closed = True
        for watchers in self._watchers.values():
            for watched in watchers:
                watched.wake(is_over=True)

    async def _look(self) -> None:
        known: dict[str, int] = {}
        try:
            while self._watchers and not self._is_closed:
                await asyncio.sleep(LOOK_SECONDS)
                known = await self._counted(known)
        finally:
            self._reading = None

    async def _counted(self, known: dict[str, int]) -> dict[str, int]:
        """Wake the watchers of orders that have more events than were known; return how many each has."""
        order_ids = list(self._watchers)
        try:
            counts = dict(zip(order_ids, await count_events(self._redis, self._namespace, order_ids), strict=True))
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("orders_not_watched", error=f"{type(error).__name__}: {error}")
            return known
        for order_id, count in counts.items():
            if count != known.get(order_id, 0):
                for watched in self._watchers.get(order_id, ()):
                    watched.wake()
        return counts
