"""One search node: builds its index from catalogue.products and stock.levels, and keeps it current.

Any number of nodes do the same, each for itself, so any of them may die. The index is in memory and is built anew at every
start, which needs no position to be kept and no migration; a node answers once it has caught up.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from consumers.following.follower import Followed, Follower, level_version_of
from consumers.search import answering
from consumers.search.index import SearchIndex
from schemas.messages import Product, StockLevel
from schemas.search import SearchQuery
from schemas.stock_levels import LevelVersions
from topology.topics import CATALOGUE_PRODUCTS, STOCK_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.search.rules import SearchRules
    from producers.outage import Readiness
    from schemas.search import Hit, SearchAnswer, Suggestions

log = structlog.get_logger()

COMMIT_SECONDS: Final = 0.2
"""How long what was put waits for company: a commit costs the same for one product and for a hundred."""
PRODUCTS_A_COMMIT: Final = 200
"""So many are indexed in one stretch while others search."""
PRODUCTS_A_COMMIT_AT_FIRST: Final = 10_000


class SearchNode:
    """Keeps an index while `run` runs, and answers from it. What it reads is handed to `also_apply` too."""

    def __init__(
        self,
        bootstrap: str,
        namespace: str,
        currency: str,
        rules: SearchRules | None = None,
        readiness: Readiness | None = None,
    ) -> None:
        self._currency = currency
        self.index = SearchIndex(currency, rules)
        self._follower = Follower(
            bootstrap, namespace, (CATALOGUE_PRODUCTS, STOCK_LEVELS), self.apply, name="search", readiness=readiness
        )
        self.also_apply: Callable[[list[Followed]], None] = lambda _: None
        self._levels: dict[str, int] = {}
        self._versions = LevelVersions()
        self._read: dict[int, int] = {}
        self._visible: dict[int, int] = {}
        self._level_position: dict[int, int] = {}
        self.is_ready = False
        """Whether everything that was there at the start is visible; what is put later changes nothing about that."""

    @property
    def age_ms(self) -> int | None:
        """How long ago the stock levels in the index were known to be the latest; None: never yet."""
        return self._follower.age_ms(STOCK_LEVELS.name)

    @property
    def products_age_ms(self) -> int | None:
        """How long ago all products that were read were known to be the latest; None: never yet."""
        return self._follower.age_ms(CATALOGUE_PRODUCTS.name)

    def apply(self, records: list[Followed]) -> None:
        """Take in what was read: products wait for a commit, levels count at once."""
        self.also_apply(records)
        for record in records:
            if record.topic == STOCK_LEVELS.name:
                self._level_position[record.partition] = record.offset + 1
                if not self._versions.take(record.key, level_version_of(record)):
                    continue  # late, from an owner that has a successor
                available = record.message.available if isinstance(record.message, StockLevel) else None
                self._set_level(record.key, available)
            else:
                self._read[record.partition] = record.offset + 1
                if isinstance(record.message, Product):
                    self.index.put(record.message)
                else:
                    self.index.remove(record.key)

    def _set_level(self, sku: str, available: int | None) -> None:
        if available is not None:
            self._levels[sku] = available
            self.index.set_level(sku, available)
        elif self._levels.pop(sku, None) is not None:
            self.index.set_level(sku, None)

    async def run(self) -> None:
        """Follow the topics and commit, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follower.run())
            tasks.create_task(self._commit())

    async def _commit(self) -> None:
        while True:
            self.commit_some(time.time_ns() // 1_000_000)
            await asyncio.sleep(0 if self.index.pending > PRODUCTS_A_COMMIT else COMMIT_SECONDS)

    def commit_some(self, now_ms: int) -> None:
        """Make visible some of what waits, and note up to where everything is visible."""
        caught_up = self._follower.caught_up.is_set()
        self.index.commit(now_ms, PRODUCTS_A_COMMIT if caught_up else PRODUCTS_A_COMMIT_AT_FIRST)
        if not self.index.pending:
            self._visible = dict(self._read)
            self.is_ready = self.is_ready or caught_up

    def search(self, query: SearchQuery) -> SearchAnswer:
        """Return the answer, with the positions that it is true at."""
        position = {CATALOGUE_PRODUCTS.name: dict(self._visible), STOCK_LEVELS.name: dict(self._level_position)}
        return msgspec.structs.replace(answering.search(self.index, query), position=position)

    def of_its_kind(self, product_id: str, most: int) -> tuple[Hit, ...]:
        """Return what else of a product's type, or else of its category, can be bought, the newest first."""
        kind = answering.kind_of(self.index, product_id)
        if not kind:
            return ()
        query = SearchQuery(filters=kind, in_stock=True, sort="newest", size=most + 1)
        return tuple(hit for hit in self.search(query).hits if hit.product_id != product_id)[:most]

    def categories(self) -> dict[str, int]:
        """Return how many products each category has, by its path; those of its subcategories count too."""
        return answering.counts_of(self.index, "category")

    def suggest(self, text: str) -> Suggestions:
        """Return what a text that is being typed may become."""
        return answering.suggest(self.index, text)
