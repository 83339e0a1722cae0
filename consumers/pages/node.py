"""One page node: writes each product and each stock level to Valkey, and purges pages that caches must not keep.

It follows its share of the partitions of catalogue.products and stock.levels. What waits to be written is the latest of each
key, so a Valkey that was away is caught up with in one go, however long it was away.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from redis.exceptions import RedisError

from consumers.following.follower import Followed, Follower, Position, level_version_of
from consumers.pages import store
from producers.outage import Outage
from schemas.messages import Product, StockLevel
from schemas.shop import Level, availability_of
from schemas.stock_levels import LevelVersions
from topology.topics import CATALOGUE_PRODUCTS, STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from redis.asyncio import Redis

    from producers.outage import Readiness

log = structlog.get_logger()

FALL_MS: Final = 30_000
"""Over this time the fall of a level is measured."""
CHECK_SECONDS: Final = 1.0


class Shard(NamedTuple):
    """Which of `of` page nodes one is, from 1: each follows the partitions whose number leaves its rest."""

    number: int = 1
    of: int = 1

    def has(self, partition: int) -> bool:
        """Return whether a partition is this node's."""
        return partition % self.of == self.number - 1

    def __str__(self) -> str:
        """Return the shard as settings write it: 1/2."""
        return f"{self.number}/{self.of}"


WHOLE: Final = Shard()
"""The shard of a node that is alone."""


class Levels:
    """The levels of SKUs as they are read, with how far each fell lately."""

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}
        self._windows: dict[str, tuple[int, int]] = {}
        self._versions = LevelVersions()

    def get(self, sku: str) -> Level | None:
        """Return the latest level of a SKU."""
        return self._levels.get(sku)

    def take(self, record: Followed, now_ms: int) -> Level | None:
        """Take in a record of stock.levels and return the level; None where the SKU has none any more.

        A level that comes late from an owner that has a successor changes nothing.
        """
        if not self._versions.take(record.key, level_version_of(record)):
            return self.get(record.key)
        if not isinstance(record.message, StockLevel):
            self._levels.pop(record.key, None)
            return None
        available = record.message.available
        since_ms, before = self._windows.get(record.key, (now_ms, available))
        if now_ms - since_ms > FALL_MS:
            since_ms, before = now_ms, available
        self._windows[record.key] = since_ms, max(before, available)
        level = Level(available, record.partition, record.offset, max(0, before - available))
        self._levels[record.key] = level
        return level


class PageNode:
    """Keeps Valkey current while `run` runs. `purge` is called with the product whose pages changed for buyers."""

    def __init__(
        self,
        bootstrap: str,
        namespace: str,
        redis: Redis,
        *,
        shard: Shard = WHOLE,
        purge: Callable[[Product], Awaitable[None]] | None = None,
        readiness: Readiness | None = None,
    ) -> None:
        self._namespace, self._redis, self._shard, self._purge = namespace, redis, shard, purge
        self._levels = Levels()
        self._products: dict[str, Product | None] = {}
        self._versions: dict[str, int] = {}
        self._changed: dict[str, Level | None] = {}
        self._flipped: set[str] = set()
        self._put: set[str] = set()
        self._positions: dict[Position, int] = {}
        self._written: dict[Position, int] = {}
        self._waiting = asyncio.Event()
        self._outage = Outage("Valkey (pages)", readiness)
        self._follower = Follower(
            bootstrap,
            namespace,
            (CATALOGUE_PRODUCTS, STOCK_LEVELS),
            self.apply,
            name="pages",
            shard=shard.has,
            readiness=readiness,
        )

    @property
    def is_ready(self) -> bool:
        """Whether everything that was there at the start is in Valkey."""
        return self._follower.caught_up.is_set() and not self._waiting.is_set()

    def apply(self, records: Iterable[Followed]) -> None:
        """Note the latest of each key for writing."""
        now_ms = time.time_ns() // 1_000_000
        for record in records:
            self._positions[record.topic, record.partition] = record.offset + 1
            if record.topic == CATALOGUE_PRODUCTS.name:
                if isinstance(record.message, Product):
                    if record.message.version < self._versions.get(record.key, 0):
                        continue  # late, from an owner that has a successor
                    self._versions[record.key] = record.message.version
                self._products[record.key] = record.message if isinstance(record.message, Product) else None
                self._put.add(record.key)
                continue
            before = self._levels.get(record.key)
            level = self._changed[record.key] = self._levels.take(record, now_ms)
            if before is not None and (
                level is None or availability_of(level.available) != availability_of(before.available)
            ):
                self._flipped.add(record.key)
        self._waiting.set()

    async def run(self) -> None:
        """Follow and write, until cancelled; starts where Valkey was left."""
        self._written = await self._when_there(self._read_positions)
        self._follower.positions = dict(self._written)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follower.run())
            tasks.create_task(self._write())
            tasks.create_task(self._check(following, tasks))

    async def _read_positions(self) -> dict[Position, int]:
        return await store.read_positions(self._redis, self._namespace, str(self._shard))

    async def _when_there(self, work: Callable[[], Awaitable[dict[Position, int]]]) -> dict[Position, int]:
        while True:
            try:
                positions = await work()
            except (RedisError, OSError, TimeoutError) as error:
                await self._outage.wait(error, "positions")
            else:
                self._outage.ended("positions")
                return positions

    async def _write(self) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            products, self._products = self._products, {}
            levels, self._changed = self._changed, {}
            flipped, self._flipped = self._flipped, set()
            put, self._put = self._put, set()
            positions = dict(self._positions)
            try:
                await store.write(self._redis, self._namespace, products, levels)
                await store.write_positions(self._redis, self._namespace, str(self._shard), positions)
                await self._purge_changed(put, flipped)
                self._written = self._written | positions
                self._outage.ended("pages")
            except (RedisError, OSError, TimeoutError) as error:
                self._products, self._changed = products | self._products, levels | self._changed
                self._flipped, self._put = flipped | self._flipped, put | self._put
                self._waiting.set()
                await self._outage.wait(error, "pages")

    async def _purge_changed(self, put: set[str], flipped: set[str]) -> None:
        """Purge the pages of what was put, and of products of which a variant has come to be bought otherwise."""
        if self._purge is None or not self._follower.caught_up.is_set():
            return
        owners = [await store.read_owner(self._redis, self._namespace, sku) for sku in flipped]
        product_ids = sorted(put | {owner for owner in owners if owner})
        for product in (await store.read_products(self._redis, self._namespace, product_ids)).values():
            await self._purge(product)

    async def _check(self, following: asyncio.Task[None], tasks: asyncio.TaskGroup) -> None:
        """Begin again from the start of the topics once Valkey has lost what was written."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            written = self._written
            if self._waiting.is_set() or not written:
                continue
            try:
                stored = await self._read_positions()
            except (RedisError, OSError, TimeoutError):
                continue  # the writer waits for it and reports
            if any(stored.get(position, 0) < offset for position, offset in written.items()):
                log.warning("pages_lost", shard=str(self._shard))
                following.cancel()
                self._written, self._positions, self._follower.positions = {}, {}, {}
                self._follower.caught_up.clear()
                following = tasks.create_task(self._follower.run())
